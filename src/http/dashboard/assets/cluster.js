// Has a member asked while the page says that its answer is old, and then shows what it said. The page itself never waits for a member.
"use strict";

(() => {
  const LOOK_EVERY_MS = 1000;
  const PAUSE_AFTER_PROBLEM_MS = 15000;
  let asking = false;
  let notBefore = 0;

  async function show() {
    const answer = await fetch("/cluster", { headers: { Accept: "text/html" }, cache: "no-store" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const [place, part] = [document.getElementById("cluster"), fresh.getElementById("cluster")];
    if (!place || !part || place.querySelector("details[open]")) return;
    place.replaceChildren(...document.adoptNode(part).childNodes);
    document.title = fresh.title;
  }

  async function ask() {
    if (asking || document.hidden || Date.now() < notBefore || !document.querySelector("[data-ask]")) return;
    asking = true;
    try {
      const answer = await fetch("/api/cluster?ask=true", { cache: "no-store" });
      if (!answer.ok || (await answer.json()).problem) notBefore = Date.now() + PAUSE_AFTER_PROBLEM_MS;
      await show();
    } catch {
      notBefore = Date.now() + PAUSE_AFTER_PROBLEM_MS;
    } finally {
      asking = false;
    }
  }

  document.addEventListener("click", async (event) => {
    const link = event.target.closest("#ask");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    link.setAttribute("aria-busy", "true");
    link.textContent = "Asking…";
    await fetch("/api/cluster?ask=true", { cache: "no-store" }).catch(() => null);
    await show().catch(() => location.reload());
  });

  ask();
  setInterval(ask, LOOK_EVERY_MS);
})();

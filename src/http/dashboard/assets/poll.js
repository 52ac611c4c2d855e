// Looks again at parts of a page that change faster than the live feed tells: a round of checks, an image on its way. A part says so with
// `data-poll` and the page to ask; when it says so no more, it is left alone.
"use strict";

(() => {
  const PAUSE = 1000;
  const parser = new DOMParser();

  async function look() {
    const parts = [...document.querySelectorAll("[data-poll]")];
    if (parts.length && !document.hidden) {
      try {
        const answer = await fetch(parts[0].dataset.poll, { headers: { Accept: "text/html" }, cache: "no-store" });
        const page = answer.ok ? parser.parseFromString(await answer.text(), "text/html") : null;
        for (const part of parts) {
          const fresh = page?.getElementById(part.id);
          if (!fresh || part.contains(document.activeElement)) continue;
          part.replaceWith(document.adoptNode(fresh));
        }
      } catch {
        // The daemon is away; the next look may find it.
      }
    }
    setTimeout(look, PAUSE);
  }

  setTimeout(look, PAUSE);
})();

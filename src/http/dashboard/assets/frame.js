// What belongs to every page: the choice of colours, the sign of trouble in the tab, a notification when an operation needs attention, and
// `/` for the search. Without this script everything works.
"use strict";

(() => {
  const keep = (name, value) => { try { localStorage.setItem(name, value); } catch { /* Kept for this page only. */ } };
  const kept = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const root = document.documentElement;

  // Colours.
  const choices = document.querySelectorAll("[data-scheme-choice]");
  function useScheme(scheme) {
    if (scheme === "light" || scheme === "dark") root.dataset.scheme = scheme;
    else delete root.dataset.scheme;
    for (const choice of choices) choice.checked = choice.value === (root.dataset.scheme ?? "system");
  }
  for (const choice of choices) {
    choice.addEventListener("change", () => {
      keep("scheme", choice.value);
      useScheme(choice.value);
    });
  }
  addEventListener("storage", (event) => { if (event.key === "scheme") useScheme(event.newValue); });
  useScheme(root.dataset.scheme);

  // The tab shows how many operations wait for a person, also while another one is looked at.
  const attention = document.getElementById("attention");
  const icon = document.getElementById("icon");
  function showTrouble() {
    const count = Number.parseInt(attention.textContent, 10) || 0;
    const wanted = count > 0 ? icon.dataset.trouble : icon.dataset.calm;
    if (icon.getAttribute("href") !== wanted) icon.setAttribute("href", wanted);
    const plain = document.title.replace(/^\(\d+!\) /, "");
    const title = count > 0 ? `(${count}!) ${plain}` : plain;
    if (document.title !== title) document.title = title;
  }
  if (attention) {
    new MutationObserver(showTrouble).observe(attention, { childList: true, subtree: true, characterData: true });
    new MutationObserver(showTrouble).observe(document.querySelector("title"), { childList: true });
  }

  // `/` goes to the search of the page, if it has one.
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, select, textarea, [contenteditable]");
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || typing) return;
    const search = document.querySelector("input[type=search]");
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  });

  // Notifications. Browsers allow them on loopback and over HTTPS only; elsewhere nothing is offered.
  const canNotify = "Notification" in window && "locks" in navigator && isSecureContext;
  const wants = () => canNotify && Notification.permission === "granted" && kept("notify") === "on";
  const LOOKED_AT = "rackseed looked at";
  const WATCH = "rackseed watch";

  function offer() {
    for (const button of document.querySelectorAll("[data-notify]")) {
      const state = button.closest("section").querySelector("[data-notify-state]");
      const denied = canNotify && Notification.permission === "denied";
      button.hidden = !canNotify || denied;
      button.textContent = wants() ? "Stop notifying me in this browser" : "Notify me in this browser";
      if (!state) continue;
      if (!canNotify) state.textContent = "This browser shows notifications only for pages on loopback or over HTTPS.";
      else if (denied) state.textContent = "This browser was told not to show notifications of Rackseed; its site settings change that.";
      else if (wants()) state.textContent = "This browser tells you when an operation needs attention, as long as a page of Rackseed is open.";
      else state.textContent = "It tells you when an operation needs attention, as long as a page of Rackseed is open.";
    }
  }
  document.addEventListener("click", async (event) => {
    if (!event.target.closest?.("[data-notify]")) return;
    if (wants()) keep("notify", "off");
    else if ((await Notification.requestPermission()) === "granted") keep("notify", "on");
    offer();
    watch();
  });

  async function tell(id) {
    if (!wants()) return;
    const answer = await fetch(`/api/operations/${encodeURIComponent(id)}`, { cache: "no-store" });
    if (!answer.ok) return;
    const operation = await answer.json();
    if (operation.status !== "needs_attention") return;
    const { held } = await navigator.locks.query();
    if (held.some((lock) => lock.name === LOOKED_AT)) return;
    const host = await fetch(`/api/hosts/${encodeURIComponent(operation.host_id)}`, { cache: "no-store" });
    const name = host.ok ? (await host.json()).hostname : "A host";
    // The tag makes it one for each operation, however often it is told.
    const shown = new Notification(`${name} needs attention`, { body: operation.reason ?? "", tag: id, icon: icon.dataset.trouble });
    shown.onclick = () => {
      window.focus();
      location.assign(`/operations/${encodeURIComponent(id)}`);
      shown.close();
    };
  }

  // One page of all that are open listens, and also while it is hidden; when it is closed, another one takes over.
  let watching = false;
  async function watch() {
    if (watching || !wants()) return;
    watching = true;
    await navigator.locks.request(WATCH, () => new Promise((stop) => {
      const source = new EventSource("/events");
      source.addEventListener("operation", (event) => {
        if (!wants()) {
          source.close();
          stop();
          return;
        }
        const { operation } = JSON.parse(event.data);
        if (operation) tell(operation).catch(() => { /* The daemon is away; the page says so. */ });
      });
      source.onerror = () => { if (source.readyState === EventSource.CLOSED) setTimeout(stop, 5000); };
    }));
    watching = false;
    watch();
  }

  // Whoever looks at any page of ours sees it there, and is not told twice.
  let release = null;
  let asked = false;
  const isLooking = () => document.visibilityState === "visible" && document.hasFocus();
  function leave() {
    release?.();
    release = null;
  }
  function look() {
    if (!isLooking()) {
      leave();
    } else if (!release && !asked) {
      asked = true;
      navigator.locks.request(LOOKED_AT, { mode: "shared" }, () => new Promise((done) => {
        asked = false;
        release = done;
        if (!isLooking()) leave();
      }));
    }
  }
  if (canNotify) {
    for (const name of ["focus", "blur"]) addEventListener(name, look);
    document.addEventListener("visibilitychange", look);
    look();
    watch();
  }
  offer();
})();

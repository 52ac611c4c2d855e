// Buttons that copy an address or a text. Without this script they are not shown.
"use strict";

(() => {
  document.documentElement.classList.add("scripted");

  // The clipboard is there only where the page came over HTTPS or from this machine; elsewhere the old way is taken.
  async function copy(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "copied-text";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) throw new Error("the browser does not copy");
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy], button[data-copy-link]");
    if (!button) return;
    const link = button.dataset.copyLink;
    const text = link ? new URL(link, location.origin).href : document.getElementById(button.dataset.copy)?.textContent ?? "";
    const before = button.textContent;
    try {
      await copy(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not copied";
    }
    setTimeout(() => { button.textContent = before; }, 1500);
  });
})();

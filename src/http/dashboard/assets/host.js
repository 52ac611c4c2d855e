// What makes the pages of a host nicer: a button that wipes something stays off until the name is typed, and the sheet prints itself. Without
// this script the server refuses what was not confirmed, and the browser prints.
"use strict";

(() => {
  // A field says what must be typed into it; until then the button that sends its form is off.
  function guard(field) {
    const button = field.form?.querySelector("button[type=submit].danger");
    if (button) button.disabled = field.value.trim() !== field.dataset.mustBe;
  }
  const guardAll = () => document.querySelectorAll("[data-must-be]").forEach(guard);
  document.addEventListener("input", (event) => { if (event.target.dataset?.mustBe) guard(event.target); });
  // A browser fills fields in again when somebody comes back to the page.
  addEventListener("pageshow", guardAll);
  guardAll();

  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }

  // On paper nothing can be opened.
  const opened = [];
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details.on-paper:not([open])")) {
      details.open = true;
      opened.push(details);
    }
  });
  addEventListener("afterprint", () => { for (const details of opened.splice(0)) details.open = false; });
})();

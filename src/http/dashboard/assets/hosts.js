// The list of hosts: what is typed narrows it at once, and the address follows, so that what is seen can be shared. Without this script
// the form asks for the page.
"use strict";

const filter = document.getElementById("filter");
const tiles = document.getElementById("tiles");
// So long after the last key is asked.
const TYPING_MS = 120;
// What goes without saying.
const USUAL = { sort: "attention", group: "none" };
let typing = null;

function narrow() {
  const said = [...new FormData(filter)].filter(([name, text]) => text.trim() && USUAL[name] !== text);
  const address = said.length ? `/?${new URLSearchParams(said)}` : "/";
  if (address === script.dataset.page) return;
  script.dataset.page = address;
  history.replaceState(null, "", address);
  tiles.dataset.asked = "";
  wanted.news = true;
  schedule();
}

filter.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(narrow, TYPING_MS);
});
filter.addEventListener("submit", (event) => {
  event.preventDefault();
  narrow();
});
document.getElementById("apply").hidden = true;

// Choosing several hosts: how many are ticked, and what must be typed for them.
function count() {
  if (tiles.children.length) filter.hidden = false;
  const place = document.getElementById("ticked");
  if (!place) return;
  const ticked = tiles.querySelectorAll("input:checked").length;
  place.textContent = ticked ? `${ticked} ticked: type “rebuild ${ticked} hosts”.` : "Tick hosts above, 64 at most.";
}

const all = document.getElementById("tick-all");
if (all) {
  all.hidden = false;
  all.addEventListener("click", () => {
    for (const box of tiles.querySelectorAll("input:not(:checked)")) box.checked = true;
    count();
  });
}
tiles.addEventListener("change", count);
new MutationObserver(count).observe(tiles, { childList: true });
count();

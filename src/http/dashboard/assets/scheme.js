// Runs before anything is painted: the colours that this reader chose, and that there are scripts at all.
"use strict";

(() => {
  const root = document.documentElement;
  root.dataset.script = "on";
  try {
    const chosen = localStorage.getItem("scheme");
    if (chosen === "light" || chosen === "dark") root.dataset.scheme = chosen;
  } catch {
    // A browser that keeps nothing follows its system.
  }
})();

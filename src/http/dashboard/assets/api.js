// The page of the interface: finds routes while one types, opens the one that a link leads to, and asks those that only look.
"use strict";

(() => {
  const search = document.getElementById("api-search");
  if (!search) return;
  const input = search.querySelector("input");
  const found = document.getElementById("found");
  const routes = [...document.querySelectorAll(".api-route")];
  const groups = [...document.querySelectorAll(".api-group")];
  const texts = routes.map((route) => route.querySelector("summary").textContent.toLowerCase());

  function filter() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    routes.forEach((route, place) => {
      route.hidden = !words.every((word) => texts[place].includes(word));
      if (!route.hidden) shown += 1;
    });
    for (const group of groups) group.hidden = !group.querySelector(".api-route:not([hidden])");
    found.textContent = words.length === 0 ? "" : shown === 1 ? "1 route" : `${shown} routes`;
  }

  function openTarget() {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) {
      target.hidden = false;
      target.open = true;
      target.scrollIntoView();
    }
  }

  async function ask(form) {
    const fields = [...form.querySelectorAll("input")];
    let path = form.dataset.path;
    const query = new URLSearchParams();
    for (const field of fields) {
      const value = field.value.trim();
      if (field.dataset.place === "path") path = path.replace(`{${field.name}}`, encodeURIComponent(value));
      else if (value) query.set(field.name, value);
    }
    const status = form.querySelector(".api-status");
    const said = form.querySelector(".api-said");
    status.textContent = "Asking…";
    try {
      const answer = await fetch(query.size ? `${path}?${query}` : path, { headers: { Accept: "application/json" } });
      const text = await answer.text();
      const link = answer.headers.get("Link");
      status.textContent = `${answer.status} ${answer.statusText}${link ? " · there is a next page" : ""}`;
      try {
        said.textContent = JSON.stringify(JSON.parse(text), null, 2);
      } catch {
        said.textContent = text;
      }
      said.hidden = false;
    } catch {
      status.textContent = "No answer; is the daemon running?";
    }
  }

  search.hidden = false;
  for (const form of document.querySelectorAll(".api-try")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      ask(form);
    });
  }
  input.addEventListener("input", filter);
  window.addEventListener("hashchange", openTarget);
  openTarget();
})();

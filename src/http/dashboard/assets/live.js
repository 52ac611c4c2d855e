// Keeps a page true: whenever the live feed says that something changed, the page asks for itself again and takes over the parts marked
// `data-live`. The table of events is the truth, so a lost connection only means asking once more. Without this script everything works
// by reloading.
"use strict";

const script = document.currentScript;
const parser = new DOMParser();
let after = script.dataset.after;
let source = null;
let pending = null;
let asking = false;
let again = false;

// The same rule as `words::span` on the server.
function span(seconds) {
  if (seconds < 60) return `${Math.max(0, seconds)} s`;
  if (seconds < 5400) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

function tick() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const text = span(Math.floor((Date.now() - Date.parse(time.dateTime)) / 1000));
    if (time.textContent !== text) time.textContent = text;
  }
}

function takeOver(page) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(part.id);
    if (!fresh || fresh.innerHTML === part.dataset.seen || isBeingFilledIn(part)) continue;
    part.dataset.seen = fresh.innerHTML;
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    const open = [...part.querySelectorAll("details[open][id]")].map((details) => details.id);
    part.replaceChildren(...document.adoptNode(fresh).childNodes);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focused) document.getElementById(focused)?.focus();
  }
  if (document.title !== page.title) document.title = page.title;
  tick();
}

// What a person has begun to type is not taken away.
function isBeingFilledIn(part) {
  return [...part.querySelectorAll("input:not([type=hidden]), select")].some((field) =>
    field === document.activeElement || (field.tagName === "SELECT" ? field.dataset.touched : field.value !== field.defaultValue));
}

// What is overdue from a moment on is shown so at that moment.
function lookAtTheMoment() {
  for (const part of document.querySelectorAll("[data-look-at]")) {
    if (Date.parse(part.dataset.lookAt) > Date.now()) continue;
    part.removeAttribute("data-look-at");
    schedule();
  }
}

async function refresh() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  try {
    // Not `location`: the page that a refused form is answered with has the form's address.
    const answer = await fetch(script.dataset.page, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (answer.ok) takeOver(parser.parseFromString(await answer.text(), "text/html"));
    else if (answer.status === 404) location.assign("/");
  } catch {
    // The daemon is away; the event source says so and comes back.
  } finally {
    asking = false;
    if (again) {
      again = false;
      schedule();
    }
  }
}

// Several events of one change are one question.
function schedule() {
  clearTimeout(pending);
  pending = setTimeout(refresh, 80);
}

function listen() {
  source = new EventSource(`/events?after=${encodeURIComponent(after)}`);
  const lost = document.getElementById("link");
  let broken = false;
  source.onopen = () => {
    lost.hidden = true;
    if (broken) schedule();
    broken = false;
  };
  source.onerror = () => {
    lost.hidden = false;
    broken = true;
    // A daemon that answers with an error ends the event source for good; a new one is tried.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => { stop(); listen(); schedule(); }, 3000);
  };
  // Boots are no rows of the table: nothing to come back to, and only the page of that machine looks again.
  source.addEventListener("boot", (event) => {
    const { mac } = JSON.parse(event.data);
    if (script.dataset.mac && (!mac || mac === script.dataset.mac)) schedule();
  });
  for (const topic of ["sighting", "host", "operation", "catalog", "warning", "overdue", "image"]) {
    source.addEventListener(topic, (event) => {
      after = event.lastEventId;
      schedule();
    });
  }
}

function stop() {
  source?.close();
  source = null;
}

// A hidden tab keeps no connection: browsers allow six for each server.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stop();
  else if (!source) {
    listen();
    schedule();
  }
});

// A BMC takes seconds to answer and is asked once for each load of the page, not for every event.
async function lookAtPower() {
  const place = document.querySelector("[data-power]");
  if (!place) return;
  try {
    const answer = await fetch(place.dataset.power, { cache: "no-store" });
    const said = await answer.json();
    place.textContent = answer.ok ? (said.state === "unknown" ? "cannot be seen" : said.state) : "not seen";
    if (said.state === "on") place.classList.add("good");
    const problem = document.querySelector("[data-power-problem]");
    problem.hidden = answer.ok;
    problem.textContent = answer.ok ? "" : said.detail;
  } catch {
    place.textContent = "not seen";
  }
}

lookAtPower();
// The name that is suggested follows the kind of server, until a person has typed one.
document.addEventListener("change", (event) => {
  const select = event.target;
  if (select.tagName !== "SELECT") return;
  select.dataset.touched = "yes";
  const name = select.form?.elements.hostname;
  const suggested = select.selectedOptions[0]?.dataset.name;
  if (name && suggested && name.value === name.defaultValue) name.value = name.defaultValue = suggested;
});

setInterval(() => { tick(); lookAtTheMoment(); }, 1000);
tick();
if (!document.hidden) listen();

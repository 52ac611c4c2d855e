// Follows the live feed: at every event the page is fetched again and its main part replaced, so that page and feed never disagree.
"use strict";

const REFRESH_PAUSE_MILLISECONDS = 250;
let timer = null;

function showTimes() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if ("age" in time.dataset) {
      const seconds = Math.max(0, Math.round((Date.now() - at) / 1000));
      const [amount, unit] = seconds < 90 ? [seconds, "s"] : seconds < 5400 ? [Math.round(seconds / 60), "min"]
        : seconds < 172800 ? [Math.round(seconds / 3600), "h"] : [Math.round(seconds / 86400), "days"];
      time.textContent = `for ${amount} ${unit}`;
    } else {
      time.textContent = at.toLocaleString();
    }
    time.title = at.toISOString();
  }
}

// What a person is typing, or has opened, must survive a refresh.
function isInUse() {
  const active = document.activeElement;
  const typed = [...document.querySelectorAll("#live input")].some((input) => input.value !== input.defaultValue);
  return typed || (active && ["INPUT", "SELECT"].includes(active.tagName));
}

async function refresh() {
  timer = null;
  if (isInUse()) {
    schedule(2000);
    return;
  }
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  const open = [...document.querySelectorAll("#live details")].map((details) => details.open);
  document.getElementById("live").replaceWith(fresh.getElementById("live"));
  document.querySelectorAll("#live details").forEach((details, place) => { details.open = open[place] ?? false; });
  showTimes();
}

function schedule(milliseconds) {
  if (timer === null) timer = setTimeout(refresh, milliseconds);
}

showTimes();
setInterval(showTimes, 5000);
const events = new EventSource("/events");
const connection = document.getElementById("connection");
for (const topic of ["host", "operation", "catalog", "warning", "image"]) {
  events.addEventListener(topic, () => schedule(REFRESH_PAUSE_MILLISECONDS));
}
events.onerror = () => { connection.hidden = false; };
events.onopen = () => {
  if (!connection.hidden) schedule(0);
  connection.hidden = true;
};

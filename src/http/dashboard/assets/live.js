// Keeps a page true: whenever the live feed says that something changed, the page asks for what changed and takes over the parts marked
// `data-live`. The table of events is the truth, so a lost connection only means asking from the last one on. Without this script
// everything works by reloading.
//
// A list of hosts names a smaller address (`data-news`): events that name their host are answered there with that host's tile alone.
"use strict";

const script = document.currentScript;
const parser = new DOMParser();
// Several events of one change are one question.
const GATHER_MS = 80;
// More hosts than this at once are asked for with the whole page.
const MOST_NAMED = 40;
// A clock that stood still for longer was asleep, and the connection may be dead without knowing it.
const ASLEEP_MS = 10_000;
// What failed is tried again after this.
const AGAIN_MS = 3000;
// So long is a person left in peace before more is announced.
const QUIET_MS = 3000;

let after = script.dataset.after;
let source = null;
let pending = null;
let asking = false;
// What is to be asked for: the whole page, or some hosts.
const wanted = { whole: false, news: false, hosts: new Set() };
// How parts and items were last told, to know what is new.
const told = new WeakMap();
// The items of the list that were renewed and may have to move.
const touched = new Set();

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

function takeOver(fresh) {
  if (fresh.title && document.title !== fresh.title) document.title = fresh.title;
  for (const part of document.querySelectorAll("[data-live]")) {
    const news = fresh.getElementById(part.id);
    if (!news) continue;
    if (part.dataset.order === undefined) replace(part, news);
    else arrange(part, news);
  }
  tick();
}

// Takes over a part as it is, and keeps where the person is in it.
function replace(part, news) {
  if (news.innerHTML === told.get(part) || isBeingFilledIn(part)) return;
  told.set(part, news.innerHTML);
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  const open = [...part.querySelectorAll("details[open][id]")].map((details) => details.id);
  part.replaceChildren(...document.adoptNode(news).childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus();
}

// What a person has begun to type is not taken away.
function isBeingFilledIn(part) {
  return [...part.querySelectorAll("input:not([type=hidden]), select")].some((field) =>
    field === document.activeElement || (field.tagName === "SELECT" ? field.dataset.touched : field.value !== field.defaultValue));
}

// Takes over the items of a list one by one: what has not changed is not touched. `data-order` has the ids of all of them, also of those
// that were not sent again.
function arrange(list, news) {
  const isNarrowed = list.dataset.order !== news.dataset.order && list.dataset.asked !== undefined;
  list.className = news.className;
  list.dataset.order = news.dataset.order;
  delete list.dataset.asked;
  for (const item of [...news.children]) {
    const old = document.getElementById(item.id);
    if (!old) list.append(document.adoptNode(item));
    if (!old || renew(old, item)) touched.add(old ?? item);
  }
  // Nothing is moved away under a pointer that is about to press it, unless the person asked for other hosts.
  const isPointedAt = matchMedia("(hover: hover)").matches && list.matches(":hover");
  if (isPointedAt && !isNarrowed) list.addEventListener("pointerleave", () => sort(list), { once: true });
  else sort(list);
}

// Returns whether anything was new.
function renew(old, item) {
  const seen = item.outerHTML;
  if (seen === (told.get(old) ?? old.outerHTML)) return false;
  const ticked = old.querySelector("input")?.checked;
  const fields = () => [...old.querySelectorAll("a, input")];
  const place = fields().indexOf(document.activeElement);
  for (const name of old.getAttributeNames()) if (!item.hasAttribute(name)) old.removeAttribute(name);
  for (const name of item.getAttributeNames()) old.setAttribute(name, item.getAttribute(name));
  old.replaceChildren(...document.adoptNode(item).childNodes);
  told.set(old, seen);
  const box = old.querySelector("input");
  if (box && ticked !== undefined) box.checked = ticked;
  fields()[place]?.focus({ preventScroll: true });
  return true;
}

// Brings the items into their order. Those that were not renewed stand right among each other, so only the others are moved.
function sort(list) {
  const order = list.dataset.order.split(" ").filter(Boolean);
  const rank = new Map(order.map((id, place) => [id, place]));
  const items = new Map([...list.children].map((item) => [item.id, item]));
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  for (const item of items.values()) {
    const stands = (item.previousElementSibling?.id ?? "") === (order[rank.get(item.id) - 1] ?? "");
    if (!rank.has(item.id) || (touched.has(item) && !stands)) item.remove();
  }
  touched.clear();
  let here = list.firstElementChild;
  const missing = [];
  for (const id of order) {
    const item = items.get(id);
    if (!item) missing.push(id);
    else if (item === here) here = here.nextElementSibling;
    else list.insertBefore(item, here);
  }
  if (focused?.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
  for (const id of missing) wantTile(id);
  if (missing.length) schedule();
}

// What is overdue from a moment on is shown so at that moment.
function lookAtTheMoment() {
  for (const part of document.querySelectorAll("[data-look-at]")) {
    if (Date.parse(part.dataset.lookAt) > Date.now()) continue;
    part.removeAttribute("data-look-at");
    if (part.closest("[data-order]")) wantTile(part.id);
    else wanted.whole = true;
    schedule();
  }
}

// The ids of tiles are `h-` and the host's.
function wantTile(id) {
  wanted.hosts.add(id.slice(2));
}

// What must be asked for now: the page, or the tiles of some hosts of it.
function address() {
  const news = document.querySelector("[data-news]")?.dataset.news;
  const page = script.dataset.page;
  if (!news || wanted.whole || wanted.hosts.size > MOST_NAMED) return page;
  const query = new URLSearchParams(page.split("?")[1]);
  for (const host of wanted.hosts) query.append("id", host);
  return `${news}?${query}`;
}

async function refresh() {
  if (asking) return;
  asking = true;
  // Not `location`: the page that a refused form is answered with has the form's address.
  const asked = { address: address(), page: script.dataset.page };
  Object.assign(wanted, { whole: false, news: false });
  wanted.hosts.clear();
  try {
    const answer = await fetch(asked.address, { headers: { Accept: "text/html" }, cache: "no-store" });
    // Whoever was signed out meanwhile is shown the way in; what has gone has no page.
    if (answer.status === 401 || answer.redirected) return location.reload();
    if (answer.status === 404) return location.assign("/");
    if (!answer.ok) throw new Error(answer.statusText);
    const text = await answer.text();
    // Meanwhile the person may have asked for something else.
    if (asked.page === script.dataset.page) takeOver(parser.parseFromString(text, "text/html"));
  } catch {
    // The daemon is away or has trouble of its own; the event source says so.
    setTimeout(askForAll, AGAIN_MS);
  } finally {
    asking = false;
    if (wanted.whole || wanted.news || wanted.hosts.size) schedule();
  }
}

function schedule() {
  clearTimeout(pending);
  pending = setTimeout(refresh, GATHER_MS);
}

function askForAll() {
  wanted.whole = true;
  schedule();
}

// The connection, in words, for eyes and ears.
const link = document.getElementById("link");

function sayLost() {
  link.textContent = "Connection lost, trying again";
  link.classList.remove("good");
  link.hidden = false;
}

function sayCaughtUp() {
  if (link.hidden) return;
  link.textContent = "Caught up";
  link.classList.add("good");
  setTimeout(() => { if (link.classList.contains("good")) link.hidden = true; }, 4000);
}

// What changes is said to those who cannot see it, the latest of several, and not more often than can be listened to.
const voice = document.createElement("p");
voice.className = "visually-hidden";
voice.id = "voice";
voice.setAttribute("aria-live", "polite");
document.body.append(voice);
const unsaid = [];

function say(message) {
  unsaid.push(message);
  if (unsaid.length > 1) return;
  setTimeout(() => {
    const more = unsaid.length - 1;
    voice.textContent = more ? `${unsaid[more]}; and ${more} more ${more === 1 ? "change" : "changes"}` : unsaid[0];
    unsaid.length = 0;
  }, voice.textContent ? QUIET_MS : 200);
}

function listen() {
  source = new EventSource(`/events?after=${encodeURIComponent(after)}`);
  let isBroken = false;
  source.onopen = () => {
    // What has an id comes again by itself; boots have none.
    if (isBroken) askForAll();
    isBroken = false;
    sayCaughtUp();
  };
  source.onerror = () => {
    sayLost();
    isBroken = true;
    // A daemon that answers with an error ends the event source for good; a new one is tried.
    if (source.readyState === EventSource.CLOSED) setTimeout(listenAgain, AGAIN_MS);
  };
  source.addEventListener("boot", (event) => bootSeen(JSON.parse(event.data).mac));
  for (const topic of ["sighting", "host", "operation", "catalog", "warning", "overdue", "image"]) {
    source.addEventListener(topic, (event) => {
      after = event.lastEventId;
      changed(topic, JSON.parse(event.data));
    });
  }
}

function changed(topic, row) {
  if (row.host) wanted.hosts.add(row.host);
  else if (topic === "sighting" || topic === "image") wanted.news = true;
  else wanted.whole = true;
  if (topic !== "operation" && topic !== "catalog") say(row.message);
  schedule();
}

// Boots are no rows of the table: only the page and the tile of that machine look again. Of several at once, nobody knows which.
function bootSeen(mac) {
  const tiles = document.querySelectorAll(mac ? `[data-order] [data-mac="${CSS.escape(mac)}"]` : "[data-order] [data-mac]");
  for (const tile of tiles) wantTile(tile.id);
  if (script.dataset.mac && (!mac || mac === script.dataset.mac)) wanted.whole = true;
  if (tiles.length || wanted.whole) schedule();
}

function stop() {
  source?.close();
  source = null;
}

function listenAgain() {
  stop();
  if (document.hidden) return;
  listen();
  askForAll();
}

// A hidden tab keeps no connection: browsers allow six for each server. What it missed comes from the last row on.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stop();
  else if (!source) listenAgain();
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

let ticked = Date.now();
setInterval(() => {
  const slept = Date.now() - ticked > ASLEEP_MS;
  ticked = Date.now();
  if (slept && source) {
    sayLost();
    listenAgain();
  }
  tick();
  lookAtTheMoment();
}, 1000);
tick();
if (!document.hidden) listen();

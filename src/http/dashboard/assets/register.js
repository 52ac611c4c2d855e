// Registration: what is typed is checked as it is typed, by the rules of the daemon; a file becomes the list that is sent. Without this
// script the daemon says the same after the form was sent.
"use strict";

// So long after the last key is asked.
const TYPING_MS = 250;
const form = document.getElementById("registration");
const fields = ["hostname", "mac", "server_type"];
// Nothing is said of what a person has not come to yet.
const begun = new Set(fields.filter((name) => form?.elements[name].getAttribute("aria-invalid")));
let typing = null;
let question = 0;

function tell(name, problem) {
  const place = document.getElementById(`${name}-problem`);
  place.replaceChildren(problem ? problem.detail : "");
  if (problem?.host) {
    const way = document.createElement("a");
    way.href = `/hosts/${encodeURIComponent(problem.host)}`;
    way.textContent = "Look at it";
    place.append(" ", way);
  }
  const field = form.elements[name];
  if (problem) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

async function check(leaving) {
  const mine = ++question;
  const said = fields.map((name) => [name, form.elements[name].value]).filter(([name]) => begun.has(name) || name === "server_type");
  const answer = await fetch(`/api/hosts/check?${new URLSearchParams(said)}`, { cache: "no-store" }).catch(() => null);
  // Whoever typed on has a newer question; a daemon that is away says so when the form is sent.
  if (!answer?.ok || mine !== question) return;
  const { mac, problems } = await answer.json();
  for (const name of begun) {
    const field = form.elements[name];
    const problem = problems.find((problem) => problem.field === name);
    // What is not complete yet is not wrong yet, until the person leaves the field.
    const isUnfinished = field === document.activeElement && !leaving && !problem?.host && !field.getAttribute("aria-invalid");
    tell(name, isUnfinished && name === "mac" ? null : problem);
  }
  const shown = document.getElementById("mac-hint");
  shown.textContent = mac && mac !== form.elements.mac.value ? `Read as ${mac}.` : shown.dataset.usual;
}

if (form) {
  const hint = document.getElementById("mac-hint");
  hint.dataset.usual = hint.textContent;
  for (const name of fields) document.getElementById(`${name}-problem`).setAttribute("aria-live", "polite");
  form.addEventListener("input", (event) => {
    if (!fields.includes(event.target.name)) return;
    begun.add(event.target.name);
    clearTimeout(typing);
    typing = setTimeout(check, TYPING_MS);
  });
  form.addEventListener("focusout", (event) => {
    if (begun.has(event.target.name)) check(true);
  });
}

const file = document.getElementById("file");
if (file) {
  const list = document.getElementById("list");
  const problem = document.getElementById("file-problem");
  document.getElementById("choose-file").hidden = false;
  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    problem.textContent = "";
    if (chosen.size > 262144) {
      problem.textContent = "The file has more than 256 KiB; cut it into several.";
      return;
    }
    const bytes = new Uint8Array(await chosen.arrayBuffer());
    const isWide = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
    const name = isWide ? (bytes[0] === 0xff ? "utf-16le" : "utf-16be") : "utf-8";
    try {
      list.value = new TextDecoder(name, { fatal: true }).decode(bytes);
      document.getElementById("check").click();
    } catch {
      problem.textContent = "This is no text; save the list as CSV UTF-8.";
    }
  });
}

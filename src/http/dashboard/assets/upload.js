// Sends a file in parts, and goes on where it stopped: after a broken connection, a restart of the daemon, or a reload of the page.
"use strict";

(() => {
  const PART_BYTES = 8 << 20;
  const PAUSES = [1, 2, 5, 10, 20, 30];
  const form = document.getElementById("upload-form");
  const state = document.getElementById("upload-state");
  const bar = document.getElementById("upload-progress");
  const button = document.getElementById("upload");
  const say = (text) => { state.textContent = text; };
  const mebibytes = (bytes) => Math.floor(bytes / (1 << 20));
  const reason = async (answer) => (await answer.json().catch(() => ({}))).detail ?? `the daemon answered ${answer.status}`;

  async function begin(file, sha256) {
    const answer = await fetch("/api/images/uploads", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name: file.name, length: file.size, sha256: sha256 || null }),
    });
    if (!answer.ok) throw new Error(await reason(answer));
    return { id: (await answer.json()).id, offset: 0 };
  }

  // Where an earlier upload of this file goes on, if there is one.
  async function goOn(id) {
    if (!id) return null;
    const answer = await fetch(`/api/images/uploads/${id}`, { cache: "no-store" });
    if (!answer.ok) return null;
    const stage = (await answer.json()).stage;
    return stage === "uploading" ? { id, offset: Number(answer.headers.get("Upload-Offset")) } : null;
  }

  // Every part is tried again a few times; where it goes on, the daemon says.
  async function send(file, upload) {
    let tries = 0;
    while (upload.offset < file.size) {
      let problem = "";
      try {
        const answer = await fetch(`/api/images/uploads/${upload.id}`, {
          method: "PATCH",
          headers: { "Content-Type": "application/octet-stream", "Upload-Offset": String(upload.offset) },
          body: file.slice(upload.offset, upload.offset + PART_BYTES),
        });
        const offset = answer.headers.get("Upload-Offset");
        if (answer.ok) tries = 0;
        else problem = await reason(answer);
        if (!answer.ok && offset === null) throw new Error(problem);
        if (offset !== null) upload.offset = Number(offset);
      } catch (error) {
        if (problem) throw error;
        problem = "the connection broke";
      }
      bar.value = upload.offset / file.size;
      say(`${mebibytes(upload.offset)} of ${mebibytes(file.size)} MiB${problem ? `: ${problem}, trying again` : ""}`);
      if (!problem) continue;
      if (tries === PAUSES.length) throw new Error(`${problem}; choose the file again to go on`);
      await new Promise((resume) => setTimeout(resume, PAUSES[tries++] * 1000));
      const known = await goOn(upload.id).catch(() => null);
      if (known) upload.offset = known.offset;
    }
  }

  // A file that is dropped anywhere on the card is as good as a chosen one.
  const card = form.closest(".card");
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  card.addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    card.classList.add("drop");
  });
  card.addEventListener("dragleave", () => card.classList.remove("drop"));
  card.addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    card.classList.remove("drop");
    document.getElementById("file").files = event.dataTransfer.files;
    if (!button.disabled) form.requestSubmit();
  });

  // A reload ends the sending, not the upload: what has arrived is kept, and the page says with which file it goes on.
  async function tellUnfinished() {
    for (const key of Object.keys(localStorage).filter((key) => key.startsWith("upload "))) {
      const known = await goOn(localStorage.getItem(key)).catch(() => null);
      const [, name, size] = key.match(/^upload (.+) (\d+) \d+$/) ?? [];
      if (!known || !name) {
        localStorage.removeItem(key);
        continue;
      }
      bar.hidden = false;
      bar.value = known.offset / Number(size);
      say(`${name} was interrupted at ${mebibytes(known.offset)} of ${mebibytes(Number(size))} MiB; choose the same file to go on.`);
    }
  }
  tellUnfinished();
  // Leaving breaks the sending off; a browser asks before that.
  addEventListener("beforeunload", (event) => { if (button.disabled) event.preventDefault(); });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const file = document.getElementById("file").files[0];
    if (!file) return;
    const key = `upload ${file.name} ${file.size} ${file.lastModified}`;
    button.disabled = true;
    bar.hidden = false;
    try {
      const upload = (await goOn(localStorage.getItem(key))) ?? (await begin(file, document.getElementById("upload-sha256").value));
      localStorage.setItem(key, upload.id);
      await send(file, upload);
      localStorage.removeItem(key);
      say(`${file.name} has arrived; the image is made now.`);
    } catch (error) {
      say(error.message);
    } finally {
      button.disabled = false;
    }
  });
})();

// Tells how fast images on their way are, and how long they still take: from what was seen in the last seconds, so that a download that
// went on after a restart is not told from its very beginning.
"use strict";

(() => {
  const WINDOW_SECONDS = 15;
  const seen = new Map();

  function words(seconds) {
    if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
    return `${Math.round(seconds / 3600)} h`;
  }

  function look() {
    const now = performance.now() / 1000;
    for (const part of document.querySelectorAll("[data-done]")) {
      const [done, total] = [Number(part.dataset.done), Number(part.dataset.total)];
      const key = `${part.id} ${part.dataset.stage}`;
      const samples = (seen.get(key) ?? []).filter((sample) => now - sample.at < WINDOW_SECONDS && sample.done <= done);
      samples.push({ at: now, done });
      seen.set(key, samples);
      const first = samples[0];
      const speed = (done - first.done) / Math.max(now - first.at, 0.001);
      let text = "";
      if (now - first.at >= 2) {
        text = speed > 0 ? `${(speed / (1 << 20)).toFixed(1)} MiB/s` : "nothing has come lately";
        if (speed > 0 && total > done) text += `, ${words((total - done) / speed)} left`;
      }
      if (part.textContent !== text) part.textContent = text;
    }
  }

  setInterval(look, 1000);
  look();
})();

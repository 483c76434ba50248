// The event stream, read with fetch() because EventSource cannot send a header, and opened again whenever it ends.

import { call } from "/api.js";

const SILENT_MS = 45000, STEADY_MS = 10000, LONGEST_WAIT_MS = 10000;
let locked = false;
addEventListener("locked", () => { locked = true; });

/** Hand on events for ever. `on.open` is awaited first: what happens meanwhile waits in the stream. */
export async function follow(on) {
  for (let tries = 0; !locked;) {
    const begun = Date.now();
    await listen(on).catch(() => {});
    if (locked) return;
    on.closed();
    tries = Date.now() - begun > STEADY_MS ? 0 : tries + 1;
    await pause(Math.min(LONGEST_WAIT_MS, 250 * 2 ** tries) * (0.5 + Math.random() / 2));
  }
}

async function listen(on) {
  const abort = new AbortController();
  let alarm = setTimeout(() => abort.abort(), SILENT_MS);
  try {
    const response = await call("/api/events", { signal: abort.signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    await on.open();
    for (let rest = ""; ;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(alarm);
      alarm = setTimeout(() => abort.abort(), SILENT_MS); // a laptop that slept does not notice a dead connection
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) {
        const found = /^event: (\w+)\ndata: (.*)$/.exec(event);
        if (found) on[found[1]]?.(JSON.parse(found[2]));
      }
    }
  } finally {
    clearTimeout(alarm);
    abort.abort();
  }
}

/** Wait, but not longer than until somebody looks or the network is back. */
function pause(ms) {
  return new Promise((wake) => {
    setTimeout(wake, ms);
    for (const [target, name] of [[window, "online"], [document, "visibilitychange"]]) target.addEventListener(name, wake, { once: true });
  });
}

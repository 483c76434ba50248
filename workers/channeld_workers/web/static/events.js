// The event stream, read with fetch() because EventSource cannot send a header, and opened again whenever it ends.

import { call } from "/api.js";

const SILENT_MS = 45000, STEADY_MS = 10000, LONGEST_WAIT_MS = 5000;

/**
 * Hand on events until the token is refused: `hear(name, data)` for each, `open` when the stream is open, `alive` for
 * every sign of life, `closed` when it ended. `open` is awaited: what happens meanwhile waits in the stream; it comes
 * again where something was not understood.
 */
export async function follow(hear) {
  for (let tries = 0; ;) {
    const begun = Date.now();
    const problem = await listen(hear).catch((error) => error);
    if (problem?.status === 401) return;
    hear("closed");
    tries = Date.now() - begun > STEADY_MS ? 0 : tries + 1;
    await pause(Math.min(LONGEST_WAIT_MS, 250 * 2 ** tries) * (0.5 + Math.random() / 2));
  }
}

async function listen(hear) {
  const abort = new AbortController();
  let alarm = setTimeout(() => abort.abort(), SILENT_MS);
  try {
    const response = await call("/api/events", { signal: abort.signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    await hear("open");
    for (let rest = ""; ;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(alarm);
      alarm = setTimeout(() => abort.abort(), SILENT_MS); // a laptop that slept does not notice a dead connection
      hear("alive");
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) {
        if (event.startsWith(":")) continue; // only a sign of life
        await hear(...(read(event) ?? ["open"])); // what cannot be read is fetched, as after an absence
      }
    }
  } finally {
    clearTimeout(alarm);
    abort.abort();
  }
}

/** Return the name and the data of an event, undefined where it is not as expected. */
function read(event) {
  const [name, data] = event.split("\n"); // JSON has no line feed in it, whatever other line ends a text has
  if (!name.startsWith("event: ") || !data?.startsWith("data: ")) return undefined;
  try {
    return [name.slice(7), JSON.parse(data.slice(6))];
  } catch {
    return undefined;
  }
}

/** Wait, but not longer than until somebody looks or the network is back. */
function pause(ms) {
  return new Promise((wake) => {
    setTimeout(wake, ms);
    addEventListener("online", wake, { once: true });
    document.addEventListener("visibilitychange", wake, { once: true });
  });
}

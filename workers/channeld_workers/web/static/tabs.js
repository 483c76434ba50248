// One tab reads the event stream and tells the others: a browser grants a host six connections over all of its tabs.

import { nameOfToken } from "/api.js";
import { follow } from "/events.js";

const SILENT_MS = 60000, AGAIN_MS = 1000;

/** Call `on.open`, `on.closed` and `on.<event>` as things happen, whichever tab it is that reads the stream. */
export async function shareEvents(on) {
  const group = `channeld.events.${await nameOfToken()}`; // a tab hears only what it could ask for
  const others = new BroadcastChannel(group), me = crypto.randomUUID();
  const last = new Map(); // name → data, for a tab that comes later
  let leading = false, connected = false, opened = false, queue = Promise.resolve(), alarm;

  async function lead() {
    leading = true;
    await follow(async (name, data) => {
      await on[name]?.(data);
      if (name === "open" || name === "closed") connected = name === "open";
      if (name === "presence" || name === "typing") last.set(name, data);
      others.postMessage({ name, data });
    });
    leading = false;
  }

  async function open() {
    opened = true;
    await on.open().catch(() => setTimeout(() => others.postMessage({ name: "hello", from: me }), AGAIN_MS));
  }

  function welcome(to) {
    others.postMessage({ to, name: connected ? "open" : "closed" });
    if (connected) for (const [name, data] of last) others.postMessage({ to, name, data });
  }

  others.onmessage = ({ data: { name, data, to, from } }) => {
    if (leading) return name === "hello" && welcome(from);
    if (name === "hello" || (to && to !== me)) return;
    clearTimeout(alarm);
    alarm = setTimeout(lead, SILENT_MS); // the tab that leads was frozen
    if (!opened && !["open", "closed"].includes(name)) return; // it is in the history that is fetched first
    queue = queue.then(() => (name === "open" ? open() : on[name]?.(data))); // in order, though opening takes time
  };
  others.postMessage({ name: "hello", from: me });
  navigator.locks.request(group, async () => {
    clearTimeout(alarm);
    if (!leading) await lead();
  });
}

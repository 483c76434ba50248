// Messages that are not stored yet. They are posted one after the other, in the order in which they were written; each
// keeps its key, so that sending it again cannot double it.

import { call } from "/api.js";
import { $, announce, button, icon, make, nameAndSize } from "/dom.js";
import { keep, recall } from "/memory.js";
import { toEnd } from "/scroll.js";
import { find } from "/timeline.js";

const UNSENT = "channeld.unsent", AGAIN_MS = 5000, ANSWER_MS = 100000;
const IN_VAIN = [400, 413, 422]; // answers that will be the same however often it is sent
// {key, text, files, lost, reply_to, state, problem, id, node}. The states: waiting, sending, stored (not shown above
// yet), stuck (a person may try again), refused (trying again is in vain). `lost` names files that a reload has taken.
let unsent = [];
let working = false, alarm, giveBack;

/** Send a message, and show it until it is one of the timeline. */
export function post(text, files, reply_to) {
  add({ key: crypto.randomUUID(), text, files, reply_to, lost: [] });
  work();
  toEnd();
}

function add(one, problem = "") {
  unsent.push(Object.assign(one, { problem, state: problem ? "refused" : "waiting" }));
  show(one);
  store();
}

/** Take away what is in the timeline now. */
export const settle = () => forget((one) => one.id && find(one.id));

function forget(done) {
  for (const one of unsent.filter(done)) one.node.remove();
  unsent = unsent.filter((one) => !done(one));
  store();
}

function store() { // files cannot be kept
  const kept = unsent.filter(({ state }) => state !== "stored").map(({ key, text, files, lost, reply_to }) =>
    ({ key, text, reply_to, lost: [...lost, ...files.map(({ name }) => name)] }));
  keep(UNSENT, kept);
}

/** Post what waits, oldest first. Whatever is stuck does not hold up the others, but a silent server does. */
export async function work() {
  if (working) return;
  working = true;
  clearTimeout(alarm);
  for (let one; (one = next());) {
    await send(one);
    if (one.state !== "waiting") continue;
    for (const other of unsent) if (other.state === "waiting") say(other, "waiting", one.problem);
    alarm = setTimeout(work, AGAIN_MS);
    break;
  }
  working = false;
}

const next = () => unsent.find(({ state }) => state === "waiting");

async function send(one) {
  say(one, "sending", one.problem);
  try {
    one.id = (await (await request(one)).json()).message_id;
    if (one.id === null) forget((other) => other === one); // it was for channeld itself, as /now is
    else say(one, "stored", "");
  } catch ({ status, message }) {
    const before = one.problem;
    if (status) say(one, IN_VAIN.includes(status) ? "refused" : "stuck", message);
    else if (await readable(one.files)) say(one, "waiting", `${message} This is sent as soon as it can be.`);
    else say(one, "refused", "A file of it was changed or removed meanwhile. Add it again.");
    if (one.problem !== before) announce(`Not sent: ${one.problem}`);
  }
  settle();
}

function request({ key, text, files, reply_to }) {
  const headers = { "Idempotency-Key": key };
  if (!files.length) {
    const body = JSON.stringify(reply_to ? { text, reply_to } : { text });
    return call("/api/messages", { method: "POST", headers, body, signal: AbortSignal.timeout(ANSWER_MS) });
  }
  const body = new FormData();
  body.append("text", text);
  if (reply_to) body.append("reply_to", reply_to);
  for (const file of files) body.append("file", file);
  return call("/api/files", { method: "POST", headers, body });
}

/** Whether files are still what they were when they were chosen. */
function readable(files) {
  return Promise.all(files.map((file) => file.slice(0, 1).arrayBuffer())).then(() => true, () => false);
}

function say(one, state, problem) {
  const same = problem && one.problem === problem;
  Object.assign(one, { state, problem });
  if (!same) show(one); // else a button of it keeps the focus while it is tried again
}

function show(one) {
  const bubble = make("div", "bubble"), node = make("li", "message in", make("div", "row", bubble));
  if (one.text) bubble.append(make("p", "text plain", one.text));
  for (const file of one.files) bubble.append(make("p", "file", icon("file"), ...nameAndSize(file)));
  if (one.problem) {
    node.classList.add("stuck");
    bubble.append(make("p", "problem", make("strong", "", "Not sent. "), one.problem));
    bubble.append(make("div", "choices", ...ways(one)));
  } else bubble.append(make("div", "meta", progress(one)));
  if (one.node) one.node.replaceWith(node);
  else $("unsent").append(node);
  one.node = node;
}

function progress({ state, files }) {
  if (state === "sending") return files.length ? "Uploading…" : "Storing…";
  return state === "stored" ? "Stored" : "Waits for the one before…";
}

function ways(one) {
  const discard = button("", () => drop(one), "Discard");
  if (one.state !== "refused") return [button("primary", () => again(one), "Try again"), discard];
  return one.text || one.files.length ? [button("primary", () => back(one), "Back to the box"), discard] : [discard];
}

function again(one) {
  if (one.state === "stuck") say(one, "waiting", "");
  work();
}

function back(one) {
  forget((other) => other === one);
  giveBack(one);
}

function drop(one) {
  forget((other) => other === one);
  $("text").focus();
}

/** Show again what was not sent before the page was reloaded; `takeBack` puts a message into the composer. */
export function restore(takeBack) {
  giveBack = takeBack;
  for (const one of recall(UNSENT) ?? []) {
    const names = one.lost.join(", ");
    const gone = `The page was reloaded meanwhile: its files are gone, add them again (${names}).`;
    add({ ...one, files: [] }, names && gone);
  }
}

// Messages that are not stored yet. Each keeps its key, so that sending it again cannot double it.

import { call, tell } from "/api.js";
import { $, announce, button, icon, make, nameAndSize } from "/dom.js";
import { toEnd } from "/scroll.js";
import { find } from "/timeline.js";

const UNSENT = "channeld.unsent";
// {key, text, files, reply_to, problem, offline, busy, id, node}: an id means stored, and not shown above yet
let unsent = [];

/** Send a message, and show it until it is one of the timeline. */
export function post(text, files, reply_to) {
  const one = { key: crypto.randomUUID(), text, files, reply_to };
  unsent.push(one);
  send(one);
  toEnd();
}

/** Take away what is in the timeline now. */
export const settle = () => forget((one) => one.id && find(one.id));

/** The server answers again: send what it could not be asked for. */
export const retry = () => unsent.filter((one) => one.offline).forEach(send);

function forget(done) {
  for (const one of unsent.filter(done)) one.node.remove();
  unsent = unsent.filter((one) => !done(one));
  keep();
}

function keep() { // a reload must not lose what was typed; files it cannot keep
  const texts = unsent.filter((one) => one.text && !one.id);
  const kept = texts.map(({ key, text, files, reply_to }) => ({ key, text, reply_to, had: files.length }));
  sessionStorage.setItem(UNSENT, JSON.stringify(kept));
}

async function send(one) {
  if (one.busy) return;
  Object.assign(one, { busy: true, offline: false, problem: "" });
  show(one);
  keep();
  try {
    one.id = (await (await request(one)).json()).message_id;
  } catch (problem) {
    one.offline = !problem.status;
    one.problem = one.offline ? `${problem.message} This is sent as soon as it can be.` : problem.message;
    announce(`Not sent: ${problem.message}`);
  }
  one.busy = false;
  show(one);
  settle();
}

function request({ key, text, files, reply_to }) {
  const headers = { "Idempotency-Key": key };
  if (!files.length) return tell("POST", "/api/messages", reply_to ? { text, reply_to } : { text }, headers);
  const body = new FormData();
  body.append("text", text);
  if (reply_to) body.append("reply_to", reply_to);
  for (const file of files) body.append("file", file);
  return call("/api/files", { method: "POST", headers, body });
}

function show(one) {
  const bubble = make("div", "bubble"), node = make("li", "message in", make("div", "row", bubble));
  if (one.text) bubble.append(make("p", "text plain", one.text));
  for (const file of one.files) bubble.append(make("p", "file", icon("file"), ...nameAndSize(file)));
  if (one.problem) {
    node.classList.add("stuck");
    const again = button("primary", () => send(one), "Try again"), discard = button("", () => drop(one), "Discard");
    bubble.append(make("p", "problem", make("strong", "", "Not sent. "), one.problem));
    bubble.append(make("div", "choices", again, discard));
  } else bubble.append(make("div", "meta", one.id ? "Stored" : one.files.length ? "Uploading…" : "Storing…"));
  if (one.node) one.node.replaceWith(node);
  else $("unsent").append(node);
  one.node = node;
}

function drop(one) {
  forget((other) => other === one);
  $("text").focus();
}

/** Show again what was not sent before the page was reloaded. */
export function restore() {
  const kept = JSON.parse(sessionStorage.getItem(UNSENT) ?? "[]");
  const why = (had) => `The page was reloaded meanwhile${had ? ": its files are gone, add them again" : ""}.`;
  unsent = kept.map(({ had, ...one }) => ({ ...one, files: [], problem: why(had) }));
  unsent.forEach(show);
}

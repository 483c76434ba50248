// Where messages are written: new ones, replies to one, and edits of one.

import { at, tell } from "/api.js";
import { choose, chosenFiles } from "/chosen.js";
import { $, announce, complain } from "/dom.js";
import { keep, recall } from "/memory.js";
import { post } from "/outbox.js";
import { authorOf, plainText } from "/prose.js";
import { find, lastOwn } from "/timeline.js";

const DRAFT = "channeld.draft", MOST = 100000; // characters of one message
let about = null; // {act: "reply" | "edit", data}: the message that is replied to or edited
let aside = ""; // the draft that an edit has put aside

export const reply = (data) => begin("reply", data);
export const edit = (data) => begin("edit", data);

function begin(act, data) {
  if (about?.act === "edit") finish();
  if (act === "edit") {
    aside = $("text").value;
    write(data.text);
  }
  about = { act, data };
  show();
  keepDraft();
  $("text").focus();
}

function finish() {
  if (about?.act === "edit") write(aside);
  about = null;
  show();
  keepDraft();
}

/** Put a message that was not sent back, before whatever is being written. */
export function takeBack({ text, files, reply_to }) {
  if (about?.act === "edit") finish();
  write([text, $("text").value].filter(Boolean).join("\n"));
  choose([...files, ...chosenFiles()]);
  if (find(reply_to)) return reply(find(reply_to));
  keepDraft();
  $("text").focus();
}

function show(problem = "") {
  $("about").hidden = !about;
  $("composer").classList.toggle("editing", about?.act === "edit");
  if (!about) return;
  const { act, data } = about;
  const whom = data.direction === "in" ? "yourself" : authorOf(data);
  $("about-title").textContent = act === "edit" ? "Edit your message" : `Reply to ${whom}`;
  $("about-text").textContent = problem || plainText(data);
  $("about").classList.toggle("problem", Boolean(problem));
}

function write(text) {
  $("text").value = text;
  grow();
}

function grow() {
  $("text").style.height = "auto";
  $("text").style.height = `${$("text").scrollHeight}px`;
}

function keepDraft() { // a reload must not lose it
  keep(DRAFT, { text: $("text").value, about, aside });
}

/** Go on with what was being written before the page was reloaded. */
export function takeUpDraft() {
  const draft = recall(DRAFT) ?? { text: "" };
  ({ about = null, aside = "" } = draft);
  write(draft.text);
  show();
}

/** Return what is wrong with a text that no server would take, else nothing. */
function tooLong(text) {
  const length = text.length > MOST ? [...text].length : 0; // as the server counts: an emoji is one
  if (length <= MOST) return "";
  const [has, most] = [length, MOST].map((number) => number.toLocaleString("en"));
  return `This has ${has} characters, and a message may have ${most}. Shorten it, or add it as a file.`;
}

async function submit(event) {
  event.preventDefault();
  const text = $("text").value;
  if (about?.act === "edit") return text.trim() && saveEdit(about.data, text);
  if (!text.trim() && !chosenFiles().length) return;
  complain(tooLong(text));
  if (tooLong(text)) return;
  post(text, chosenFiles(), about?.data.id);
  write("");
  choose([]);
  finish();
}

async function saveEdit(data, text) {
  if (text === data.text) return finish();
  if (tooLong(text)) return refuse(tooLong(text));
  try {
    await tell("PATCH", at(data.id), { text });
    announce("Edited");
    if (about?.data === data) finish();
  } catch (problem) {
    refuse(problem.message);
  }
}

function refuse(why) {
  show(`Not changed: ${why}`);
  announce($("about-text").textContent);
}

$("composer").addEventListener("submit", submit);
$("text").addEventListener("input", () => {
  grow();
  keepDraft();
});
$("text").addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Enter" && !event.shiftKey) submit(event);
  else if (event.key === "Escape" && about) finish();
  else if (event.key === "ArrowUp" && !$("text").value && !about && lastOwn()) {
    event.preventDefault();
    edit(lastOwn());
  }
});
$("about-cancel").addEventListener("click", () => {
  finish();
  $("text").focus();
});

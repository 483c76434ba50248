// Where messages are written: new ones, replies to one, and edits of one.

import { at, tell } from "/api.js";
import { $, announce } from "/dom.js";
import { choose, chosenFiles } from "/chosen.js";
import { post } from "/outbox.js";
import { authorOf, plainText } from "/prose.js";
import { lastOwn } from "/timeline.js";

const DRAFT = "channeld.draft";
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
  $("text").focus();
}

function finish() {
  if (about?.act === "edit") write(aside);
  about = null;
  show();
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
  if (about?.act === "edit") return;
  sessionStorage.setItem(DRAFT, $("text").value);
}

async function submit(event) {
  event.preventDefault();
  const text = $("text").value;
  if (about?.act === "edit") return text.trim() && saveEdit(about.data, text);
  if (!text.trim() && !chosenFiles().length) return;
  post(text, chosenFiles(), about?.data.id);
  write("");
  choose([]);
  finish();
  keepDraft();
}

async function saveEdit(data, text) {
  if (text === data.text) return finish();
  try {
    await tell("PATCH", at(data.id), { text });
    announce("Edited");
    if (about?.data === data) finish();
  } catch (problem) {
    show(`Not changed: ${problem.message}`);
    announce($("about-text").textContent);
  }
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
write(sessionStorage.getItem(DRAFT) ?? "");

// What can be done with a message: one menu for all of them.

import { at, tell } from "/api.js";
import { $, announce, button, complain, copyText, place } from "/dom.js";

const EMOJI = ["👍", "❤️", "😄", "🎉", "👀", "🙏"];
let current = null; // {data, anchor, actions}

/** Open it beside a button. `actions` are `reply` and `edit`. */
export function openMenu(data, anchor, actions) {
  current = { data, anchor, actions };
  $("menu-edit").hidden = data.direction !== "in";
  $("menu-copy").hidden = !data.text;
  for (const one of $("menu-emoji").children) {
    one.setAttribute("aria-pressed", String(data.mine.includes(one.textContent)));
  }
  $("menu-free").value = "";
  anchor.setAttribute("aria-expanded", "true");
  $("menu").showPopover();
  place($("menu"), anchor);
  $("menu-emoji").firstChild.focus();
}

/** React to a message; an empty emoji takes the reaction back. */
export async function react(data, emoji) {
  try {
    await tell("PUT", at(data.id, "/reaction"), { emoji });
    announce(emoji ? `Reacted with ${emoji}` : "Reaction taken back");
  } catch (problem) {
    complain(`The reaction is not stored: ${problem.message}`);
  }
}

function close() {
  $("menu").hidePopover();
  current.anchor.focus();
}

function choose(emoji) {
  const { data } = current;
  close();
  react(data, data.mine.includes(emoji) ? "" : emoji);
}

$("menu").addEventListener("toggle", ({ newState }) => {
  if (newState === "closed") current.anchor.setAttribute("aria-expanded", "false");
});
$("menu-emoji").append(...EMOJI.map((emoji) => {
  const one = button("emoji", () => choose(emoji), emoji);
  one.setAttribute("aria-label", `React with ${emoji}`);
  return one;
}));
$("menu-own").addEventListener("submit", (event) => {
  event.preventDefault();
  if ($("menu-free").value.trim()) choose($("menu-free").value.trim());
});
for (const name of ["reply", "edit"]) {
  $(`menu-${name}`).addEventListener("click", () => {
    close();
    current.actions[name](current.data);
  });
}
$("menu-copy").addEventListener("click", async () => {
  const { data, anchor } = current;
  close();
  const done = await copyText(data.text, anchor.closest("li").querySelector(".text"));
  announce(done ? "Copied" : "Selected. Press Control C to copy.");
});

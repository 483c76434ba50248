// Where the reader is: at the end, where new messages pull along, or above it, where nothing moves.

import { $ } from "/dom.js";

const NEAR = 60; // pixels that still count as the end
let atEnd = true, unseen = 0;

export function toEnd() {
  atEnd = true;
  $("chat").scrollTop = $("chat").scrollHeight;
}

/** Count messages that have come; they are unseen until the reader is at the end of a visible page. */
export function count(news) {
  unseen += news;
  show();
}

function show() {
  if (atEnd && !document.hidden) unseen = 0;
  document.title = unseen ? `(${unseen}) channeld` : "channeld";
  $("jump").hidden = atEnd;
  $("jump-text").textContent = unseen === 1 ? "1 new message" : unseen ? `${unseen} new messages` : "To the end";
}

$("chat").addEventListener("scroll", ({ target }) => {
  atEnd = target.scrollHeight - target.scrollTop - target.clientHeight < NEAR;
  show();
});
// Whoever reads the end stays there, whatever grows: a message, a picture that has loaded, the banner.
const sizes = new ResizeObserver(() => { if (atEnd) toEnd(); });
for (const id of ["chat", "messages", "unsent", "prompts", "working"]) sizes.observe($(id));
document.addEventListener("visibilitychange", show);
$("jump").addEventListener("click", () => {
  toEnd();
  $("text").focus();
});

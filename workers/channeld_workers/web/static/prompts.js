// What waits for an answer, as cards: open ones at the end of the chat, closed ones where they were closed.

import { call } from "/api.js";
import { draw, kindOf, outcome } from "/card.js";
import { $, announce } from "/dom.js";
import { end, insert } from "/timeline.js";

const SETTLING_MS = 500; // so long a tap may be meant for what stood there before
const prompts = new Map(); // id → {data, node}
let timer = 0, settling = false, refocused = false; // the last: it changed what has the focus

const keyOf = ({ type, value, textContent }) => [type, type === "text" ? "" : value, textContent].join();

/** Show a prompt that is new or has changed. Focus, and what was typed or chosen, stays where it is. */
export function showPrompt(data) {
  const known = prompts.get(data.id);
  if (known && JSON.stringify(known.data) === JSON.stringify(data)) return known.node.take?.(known.node);
  if (!known && data.state !== "open") return; // it was closed before this page has seen it
  const node = draw(data), focused = known?.node.contains(document.activeElement);
  const at = focused && keyOf(document.activeElement);
  prompts.set(data.id, { data, node });
  if (data.state === "open") {
    refocused ||= focused;
    if (known) {
      node.take(known.node);
      known.node.replaceWith(node);
      if (focused) ([...node.querySelectorAll("button, input")].find((one) => keyOf(one) === at) ?? node).focus();
    } else $("prompts").append(node);
    announce(known ? `Changed: ${data.title}` : `${kindOf(data)}: ${data.title}`);
  } else {
    known.node.remove();
    insert(node, end());
    announce(`${data.title}: ${outcome(data)}`);
    if (focused) node.focus();
  }
  settle();
}

/** Take no answer for a moment: a card has come, gone, changed or moved, perhaps under a finger. */
function settle() {
  settling = true;
  show();
  clearTimeout(timer);
  timer = setTimeout(() => {
    settling = refocused = false;
    show();
  }, SETTLING_MS);
}

function show() {
  for (const part of $("prompts").querySelectorAll("button")) part.ariaDisabled = settling ? "true" : null;
}

$("prompts").addEventListener("click", (event) => {
  // A key acts on what has the focus, wherever that has moved to.
  if (!(event.detail ? settling : refocused) || !event.target.closest("button")) return;
  event.preventDefault();
  event.stopPropagation();
}, true);
// Whatever grows or shrinks above or below the cards moves them.
const sizes = new ResizeObserver(settle);
for (const id of ["chat", "messages", "unsent", "prompts", "working"]) sizes.observe($(id));

/** After an absence: what is not open any more was closed meanwhile. */
export async function refetchPrompts() {
  const now = (await (await call("/api/prompts")).json()).prompts;
  const ids = new Set(now.map(({ id }) => id));
  now.forEach(showPrompt);
  for (const { data } of [...prompts.values()]) {
    if (data.state === "open" && !ids.has(data.id)) showPrompt({ ...data, state: "elsewhere" });
  }
}

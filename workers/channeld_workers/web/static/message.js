// How a message looks. It is drawn once and then changed part by part, so that focus and scrolling stay.

import { $, button, icon, iconButton, make, place } from "/dom.js";
import { drawFile } from "/files.js";
import { authorOf, drawText, plainText } from "/prose.js";

const TICKS = { // state → picture, mood, meaning
  held: ["clock", "", "Stored: its files are still arriving"],
  queued: ["clock", "", "Stored: it waits for a session that listens"],
  pushed: ["tick", "", "On its way: given to the session"],
  delivered: ["ticks", "", "Delivered: Claude Code has read it"],
  seen: ["ticks", "good", "Seen: Claude has seen it"],
  answered: ["ticks", "good", "Answered: Claude has answered"],
  dropped: ["cross", "bad", "Dropped: taken out of the queue by hand"],
  sending: ["clock", "", "On its way to you"],
  sent: ["tick", "", "Sent: it has arrived here"],
  failed: ["cross", "bad", "Failed: it could not be sent"],
  uncertain: ["question", "bad", "Uncertain: it may have been sent; nobody can tell"],
};

/** Return the empty list item of a message; `update` fills it. */
export function draw(data) {
  const node = make("li", `message ${data.direction}`);
  const bubble = make("div", "bubble", ...["quote", "body", "files", "meta"].map((part) => make("div", part)));
  const actions = make("div", "actions");
  for (const [name, act, label] of [["reply", "reply", "Reply"], ["more", "menu", "More: react, edit, copy"]]) {
    const one = iconButton(name, label);
    one.dataset.act = act;
    actions.append(one);
  }
  actions.lastChild.setAttribute("aria-haspopup", "dialog");
  node.append(make("p", "day"), make("span", "unseen", `${authorOf(data)}:`),
    make("div", "row", bubble, actions), make("div", "chips"));
  node.dataset.seq = data.seq;
  node.tabIndex = -1;
  return node;
}

/** Show what has changed. `before` is what is shown now; `quoted` the message that this one replies to, if known. */
export function update(node, data, before, quoted) {
  const differs = (name) => JSON.stringify(before[name]) !== JSON.stringify(data[name]);
  const changed = (...names) => !before || names.some(differs);
  const fill = (part, ...content) => {
    const slot = node.querySelector(`.${part}`), held = slot.contains(document.activeElement);
    if (slot.querySelector(".tick:is(:hover, :focus)")) $("tip").hidePopover();
    slot.replaceChildren(...content);
    if (held) node.focus({ preventScroll: true }); // else the keyboard would be back at the top of the page
  };
  node.dataset.id = data.id;
  const quote = data.reply_to ? (quoted ? plainText(quoted) : null) : undefined;
  if (!before || node.quote !== quote) fill("quote", ...(data.reply_to ? [drawQuote(quoted, quote)] : []));
  node.quote = quote;
  if (changed("text", "html")) fill("body", ...(data.text ? [drawText(data)] : []));
  if (changed("attachments")) fill("files", ...data.attachments.map(drawFile));
  if (changed("state", "error", "edited", "ts")) fill("meta", ...drawMeta(data));
  if (changed("reactions", "mine")) fill("chips", ...drawChips(data));
}

function drawQuote(quoted, text) {
  const label = (text ?? "an earlier message").slice(0, 200);
  const node = button("quoted", null, make("strong", "", quoted ? authorOf(quoted) : "In reply to"), make("span", "", label));
  node.dataset.act = "jump";
  node.title = "Go to this message";
  return node;
}

function drawMeta(data) {
  const when = new Date(data.ts);
  const time = make("time", "", when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = data.ts;
  time.title = when.toLocaleString();
  const notes = [["You", "Claude"].includes(authorOf(data)) ? "" : authorOf(data), data.edited ? "edited" : ""];
  return [...notes.filter(Boolean).map((note) => make("span", "", note)), time, drawTick(data)];
}

function drawTick(data) {
  const [picture, mood, meaning] = TICKS[data.state] ?? ["question", "", data.state];
  const node = button(`tick ${mood}`, () => node.focus(), icon(picture)); // a tap explains too
  node.setAttribute("aria-label", data.error ? `${meaning}: ${data.error}` : meaning);
  const show = () => {
    $("tip").textContent = node.getAttribute("aria-label");
    $("tip").showPopover();
    place($("tip"), node);
  };
  for (const name of ["mouseenter", "focus"]) node.addEventListener(name, show);
  for (const name of ["mouseleave", "blur"]) node.addEventListener(name, () => $("tip").hidePopover());
  return node;
}

function drawChips(data) {
  return [...new Set(data.reactions)].map((emoji) => {
    const mine = data.mine.includes(emoji), count = data.reactions.filter((other) => other === emoji).length;
    const chip = button("chip", null, emoji, ...(count > 1 ? [make("span", "", ` ${count}`)] : []));
    chip.dataset.act = "react";
    chip.dataset.emoji = mine ? "" : emoji;
    chip.setAttribute("aria-pressed", String(mine));
    chip.setAttribute("aria-label", mine ? `${emoji}, your reaction: take it back` : `${emoji}: react with it too`);
    return chip;
  });
}

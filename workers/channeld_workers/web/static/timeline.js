// The messages that are on the page, in their order, and the older ones when they are wanted.

import { call } from "/api.js";
import { $, announce, complain } from "/dom.js";
import { draw, update } from "/message.js";
import { authorOf, plainText } from "/prose.js";
import { count } from "/scroll.js";

const PAGE = 50, MOST = 500; // messages of one request: when scrolling up, and after an absence
const messages = new Map(); // seq → {data, node}: a reply keeps its seq when it gets its final id
const seqs = new Map(); // id → seq
let hasEarlier = false, loading = null;

const oldest = () => Math.min(...messages.keys());
const newest = () => Math.max(-1, ...messages.keys());
export const find = (id) => messages.get(seqs.get(id))?.data;
export const of = (node) => messages.get(Number(node.closest("li").dataset.seq))?.data;
export const lastOwn = () => [...messages.values()].map(({ data }) => data).filter((data) => data.direction === "in")
  .reduce((last, data) => (last && last.seq > data.seq ? last : data), null);

/** Show messages that are new or have changed; with `live` those of Claude are counted and read out. */
export function merge(items, live = false) {
  const last = newest(), known = new Set(messages.keys());
  for (const data of items) {
    const { data: before, node } = messages.get(data.seq) ?? { node: draw(data) };
    if (before && JSON.stringify(before) === JSON.stringify(data)) continue;
    messages.set(data.seq, { data, node });
    seqs.set(data.id, data.seq);
    if (!before) insert(node, data.seq);
    update(node, data, before, find(data.reply_to));
  }
  const added = items.filter(({ seq }) => !known.has(seq));
  for (const { seq } of added) day(messages.get(seq).node);
  const ids = new Set(added.map(({ id }) => id));
  for (const { data, node } of messages.values()) {
    if (ids.has(data.reply_to)) update(node, data, data, find(data.reply_to)); // what it quotes is here now
  }
  $("earlier").hidden = !hasEarlier;
  const news = live ? added.filter(({ seq, direction }) => seq > last && direction === "out") : [];
  if (!news.length) return;
  count(news.length);
  announce(news.map((data) => `${authorOf(data)}: ${plainText(data)}`).join("\n"));
}

/** Put a list item where it belongs; what is no message has a number between two messages. */
export function insert(node, seq) {
  node.dataset.seq = seq;
  let after = $("messages").lastElementChild;
  while (after && Number(after.dataset.seq) > seq) after = after.previousElementSibling;
  if (after) after.after(node);
  else $("messages").prepend(node);
  if (!$("messages").querySelector(":scope > [tabindex='0']")) node.tabIndex = 0;
}

/** The place after everything that is there. */
export const end = () => newest() + 0.5;

function day(node) {
  const text = (other) => (other ? new Date(of(other).ts).toDateString() : "");
  const neighbour = (from, step) => {
    do from = from[step]; while (from && !from.classList.contains("message"));
    return from;
  };
  for (const one of [node, neighbour(node, "nextElementSibling")]) {
    if (!one) continue;
    const first = text(neighbour(one, "previousElementSibling")) !== text(one);
    one.querySelector(".day").textContent = first ? called(new Date(of(one).ts)) : "";
  }
}

function called(date) {
  const ago = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86400000);
  if (ago < 2) return ago === 1 ? "Yesterday" : "Today";
  const year = date.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return date.toLocaleDateString([], { weekday: "long", day: "numeric", month: "long", year });
}

async function fetchPage(limit, before) {
  const answer = await call(`/api/messages?limit=${limit}${before ? `&before=${before}` : ""}`);
  const { messages: items, more } = await answer.json();
  return { items, more };
}

/** Fetch the latest messages; after an absence all that are on the page too: nothing is lost and nothing doubled. */
export async function refetch() {
  const first = !messages.size, until = first ? 0 : oldest();
  let { items, more } = await fetchPage(first ? PAGE : MOST);
  const found = [...items];
  while (!first && more && items.length && items[0].seq > until) {
    ({ items, more } = await fetchPage(MOST, items[0].id));
    found.unshift(...items);
  }
  if (first || (items.length && items[0].seq <= until)) hasEarlier = more;
  merge(found, !first);
}

/** Take a message of the event stream. */
export function hear(data) {
  if (hasEarlier && data.seq < oldest()) return; // it is fetched, as it is then, with its neighbours
  merge([data], true);
}

/** Fetch one page of older messages and keep what is read where it is. */
export function earlier() {
  loading ??= (async () => {
    try {
      const { items, more } = await fetchPage(PAGE, messages.get(oldest()).data.id);
      const chat = $("chat"), below = chat.scrollHeight - chat.scrollTop;
      hasEarlier = more;
      merge(items);
      chat.scrollTop = chat.scrollHeight - below;
    } finally {
      loading = null;
    }
  })();
  return loading;
}

/** Go to a message, fetching older ones until it is there. */
export async function goTo(id) {
  try {
    while (!find(id) && hasEarlier) await earlier();
  } catch (problem) {
    return complain(`The message cannot be fetched: ${problem.message}`);
  }
  if (!find(id)) return complain("This message is not in the history any more: old messages are removed.");
  const { node } = messages.get(seqs.get(id));
  node.scrollIntoView({ block: "center" });
  node.focus({ preventScroll: true });
  node.classList.add("found");
  setTimeout(() => node.classList.remove("found"), 1600);
}

// One message is in the tab order, and the arrows go on from it.
$("messages").addEventListener("focusin", ({ target }) => {
  for (const other of $("messages").querySelectorAll(":scope > [tabindex='0']")) other.tabIndex = -1;
  target.closest("#messages > li").tabIndex = 0;
});
$("messages").addEventListener("keydown", (event) => {
  const node = event.target, list = $("messages");
  const next = { ArrowUp: "previousElementSibling", ArrowDown: "nextElementSibling" }[event.key];
  const to = { Home: list.firstElementChild, End: list.lastElementChild }[event.key] ?? (next && node[next]);
  if (node.parentElement !== list || !to) return; // a button in a message keeps its own keys
  event.preventDefault();
  to.focus();
});
const quietly = () => earlier().catch((problem) => complain(`Older messages cannot be fetched: ${problem.message}`));
$("earlier").addEventListener("click", quietly);
const soon = { root: $("chat"), rootMargin: "200px 0px 0px" }; // before the end is reached
new IntersectionObserver(([{ isIntersecting }]) => { if (isIntersecting && messages.size) quietly(); }, soon)
  .observe($("earlier"));

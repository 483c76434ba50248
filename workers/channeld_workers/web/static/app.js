// The page of the web chat: what it knows, what it posts, and the events that keep it true.

import { draw, make } from "/draw.js";

const $ = (id) => document.getElementById(id);
const TOKEN = "channeld.token", UNSENT = "channeld.unsent", PAGE = 200, SILENT_MS = 45000;
const messages = new Map(); // seq → {data, node}: a reply keeps its seq when it gets its final id
let unsent = []; // {key, text, files, problem, busy, id, node}: an id means stored, and not shown above yet
let chosen = [], hasEarlier = false, locked = false, atEnd = true;

const given = new URLSearchParams(location.search).get("token");
if (given) sessionStorage.setItem(TOKEN, given);
if (location.search) history.replaceState(null, "", location.pathname);

async function call(path, options = {}) {
  const headers = { ...options.headers, Authorization: `Bearer ${sessionStorage.getItem(TOKEN) ?? ""}` };
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  if (response.status === 401) lock();
  if (response.ok) return response;
  const { error, hint } = await response.json().catch(() => ({ error: `The server answered ${response.status}.` }));
  throw Object.assign(new Error(hint ? `${error} ${hint}` : error), { status: response.status });
}

function lock() {
  locked = true;
  if (sessionStorage.getItem(TOKEN)) $("locked-title").textContent = "The token of this page is not right";
  sessionStorage.removeItem(TOKEN);
  $("locked").hidden = false;
  for (const id of ["chat", "composer", "banner", "link"]) $(id).hidden = true;
}

// -- messages

function merge(items) {
  for (const data of items) {
    const known = messages.get(data.seq);
    if (known && JSON.stringify(known.data) === JSON.stringify(data)) continue;
    const quoted = [...messages.values()].find((other) => other.data.id === data.reply_to)?.data;
    const node = draw(data, quoted, call);
    messages.set(data.seq, { data, node });
    if (known) known.node.replaceWith(node);
    else {
      const next = [...$("messages").children].find((other) => Number(other.dataset.seq) > data.seq);
      $("messages").insertBefore(node, next ?? null);
    }
  }
  const ids = new Set([...messages.values()].map(({ data }) => data.id));
  forget((post) => post.id && ids.has(post.id));
  $("empty").hidden = messages.size + unsent.length > 0;
  $("earlier").hidden = !hasEarlier;
}

async function fetchPage(query = "") {
  const page = await (await call(`/api/messages?limit=${PAGE}${query}`)).json();
  return { items: page.messages, more: page.more };
}

/** Fetch the latest messages, and back from there until they meet what is known: nothing lost, nothing doubled. */
async function refetch() {
  const newest = Math.max(-1, ...messages.keys());
  let { items, more } = await fetchPage();
  if (newest < 0) hasEarlier = more;
  merge(items);
  while (newest >= 0 && more && items.length && items[0].seq > newest) {
    ({ items, more } = await fetchPage(`&before=${items[0].id}`));
    merge(items);
  }
}

async function earlier() {
  const first = messages.get(Math.min(...messages.keys()));
  const main = $("chat"), below = main.scrollHeight - main.scrollTop;
  const { items, more } = await fetchPage(`&before=${first.data.id}`);
  hasEarlier = more;
  merge(items);
  main.scrollTop = main.scrollHeight - below;
}

// -- posting: a post keeps its key, so that sending it again cannot double it

function forget(done) {
  for (const post of unsent.filter(done)) post.node.remove();
  unsent = unsent.filter((post) => !done(post));
  const texts = unsent.filter((post) => !post.files.length && !post.id).map(({ key, text }) => ({ key, text }));
  sessionStorage.setItem(UNSENT, JSON.stringify(texts)); // a reload must not lose what was typed
}

function show(post) {
  const node = make("li", "message in");
  if (post.text) node.append(make("p", "text", post.text));
  for (const file of post.files) node.append(make("p", "text", `↑ ${file.name}`));
  const meta = make("p", "meta");
  if (post.problem) {
    const again = make("button", "", "Try again"), drop = make("button", "", "Discard");
    again.addEventListener("click", () => send(post));
    drop.addEventListener("click", () => { forget((other) => other === post); merge([]); });
    meta.append(make("span", "problem", `Not stored: ${post.problem}`), again, drop);
  } else meta.append(make("span", "", post.id ? "stored" : "storing…"));
  node.append(meta);
  if (post.node) post.node.replaceWith(node);
  else $("unsent").append(node);
  post.node = node;
}

async function send(post) {
  if (post.busy) return;
  Object.assign(post, { busy: true, problem: "" });
  show(post);
  const headers = { "Idempotency-Key": post.key };
  const form = new FormData();
  form.append("text", post.text);
  for (const file of post.files) form.append("file", file);
  const body = post.files.length ? form : JSON.stringify({ text: post.text });
  try {
    const response = await call(post.files.length ? "/api/files" : "/api/messages", { method: "POST", headers, body });
    post.id = (await response.json()).message_id;
  } catch (problem) {
    post.problem = problem.status ? problem.message : "channeld cannot be reached.";
  }
  post.busy = false;
  show(post);
  forget(() => false);
  merge([]);
}

function submit(event) {
  event.preventDefault();
  const text = $("text").value;
  if (!text.trim() && !chosen.length) return;
  const post = { key: crypto.randomUUID(), text, files: chosen };
  unsent.push(post);
  $("text").value = "";
  choose([]);
  grow();
  show(post);
  forget(() => false);
  merge([]);
  $("chat").scrollTop = $("chat").scrollHeight;
  send(post);
}

function choose(files) {
  chosen = files;
  $("files").value = "";
  $("chosen").hidden = !files.length;
  $("chosen").replaceChildren(...files.map((file) => {
    const item = make("li"), remove = make("button", "", `${file.name} ✕`);
    remove.type = "button";
    remove.title = "Do not send this file";
    remove.addEventListener("click", () => choose(chosen.filter((other) => other !== file)));
    item.append(remove);
    return item;
  }));
}

function grow() {
  $("text").style.height = "auto";
  $("text").style.height = `${$("text").scrollHeight + 2}px`;
}

// -- events, read with fetch() because EventSource cannot send a header

function hear(name, data) {
  if (name === "message") merge([data]);
  if (name !== "presence") return;
  $("banner").textContent = data.text;
  $("banner").hidden = !data.text;
  $("working").hidden = !data.working;
}

async function listen() {
  const abort = new AbortController();
  let alarm = setTimeout(() => abort.abort(), SILENT_MS);
  try {
    const response = await call("/api/events", { signal: abort.signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    await refetch(); // after the stream is open: what happens meanwhile waits in it
    $("link").textContent = "connected";
    for (let rest = ""; ;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(alarm);
      alarm = setTimeout(() => abort.abort(), SILENT_MS); // a laptop that slept does not notice a dead connection
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) {
        const found = /^event: (\w+)\ndata: (.*)$/.exec(event);
        if (found) hear(found[1], JSON.parse(found[2]));
      }
    }
  } finally {
    clearTimeout(alarm);
    abort.abort();
  }
}

async function stayConnected() {
  for (let tries = 0; !locked;) {
    const begun = Date.now();
    await listen().catch(() => {});
    if (locked) return;
    $("link").textContent = "no connection, trying again…";
    $("working").hidden = true;
    tries = Date.now() - begun > 10000 ? 0 : tries + 1;
    await new Promise((wake) => setTimeout(wake, Math.min(10000, 250 * 2 ** tries) * (0.5 + Math.random() / 2)));
  }
}

// Whoever reads the end stays there, whatever grows: a message, a picture that has loaded, the banner.
$("chat").addEventListener("scroll", ({ target }) => {
  atEnd = target.scrollHeight - target.scrollTop - target.clientHeight < 60;
});
const sizes = new ResizeObserver(() => { if (atEnd) $("chat").scrollTop = $("chat").scrollHeight; });
for (const id of ["chat", "messages", "unsent", "working"]) sizes.observe($(id));
$("composer").addEventListener("submit", submit);
$("text").addEventListener("input", grow);
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
});
$("attach").addEventListener("click", () => $("files").click());
$("files").addEventListener("change", () => choose([...chosen, ...$("files").files]));
$("earlier").addEventListener("click", () => earlier().catch((problem) => { $("link").textContent = problem.message; }));
if (sessionStorage.getItem(TOKEN)) {
  const kept = JSON.parse(sessionStorage.getItem(UNSENT) ?? "[]");
  unsent = kept.map(({ key, text }) => ({ key, text, files: [], problem: "the page was reloaded meanwhile." }));
  unsent.forEach(show);
  stayConnected();
} else lock();

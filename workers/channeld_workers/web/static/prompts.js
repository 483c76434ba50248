// What Claude asks, as cards: open ones at the end of the chat, closed ones where they were closed.

import { call, tell } from "/api.js";
import { $, announce, button, make } from "/dom.js";
import { toEnd } from "/scroll.js";
import { end, insert } from "/timeline.js";

const KINDS = { permission: "Permission", question: "Question", plan: "Plan", pairing: "Pairing" };
const YES = /^(allow|yes|approve|accept|ok)\b/i, NO = /^(deny|no|reject|refuse|block)\b/i;
const prompts = new Map(); // id → {data, node}

/** Show a prompt that is new or has changed. Focus stays where it is. */
export function showPrompt(data) {
  const known = prompts.get(data.id);
  if (known && JSON.stringify(known.data) === JSON.stringify(data)) return;
  if (!known && data.state !== "open") return; // it was closed before this page has seen it
  const node = draw(data), focused = known?.node.contains(document.activeElement);
  prompts.set(data.id, { data, node });
  known?.node.remove();
  if (data.state === "open") {
    $("prompts").append(node);
    if (!known) announce(`Claude asks: ${data.title}`);
  } else {
    insert(node, end());
    announce(`${data.title}: ${closed(data)}`);
    if (focused) node.focus();
  }
}

/** After an absence: what is not open any more was closed meanwhile. */
export async function refetchPrompts() {
  const now = (await (await call("/api/prompts")).json()).prompts;
  const ids = new Set(now.map(({ id }) => id));
  now.forEach(showPrompt);
  for (const { data } of [...prompts.values()]) {
    if (data.state === "open" && !ids.has(data.id)) showPrompt({ ...data, state: "elsewhere" });
  }
}

function closed({ state, answer }) {
  if (state === "answered") return `Answered: ${answer}`;
  if (state === "elsewhere") return `Answered elsewhere${answer ? `: ${answer}` : ", for example in the terminal"}`;
  return "Expired: Claude does not wait for an answer any more";
}

function draw(data) {
  const node = make("li", `prompt ${data.state}`), title = make("h2", "", data.title);
  node.tabIndex = -1;
  node.append(make("p", "kind", KINDS[data.kind] ?? data.kind), title);
  if (data.body) {
    const body = make("pre", "", data.body);
    body.tabIndex = 0;
    body.setAttribute("role", "group");
    body.setAttribute("aria-label", "Details");
    node.append(body);
  }
  if (data.state !== "open") node.append(make("p", "outcome", closed(data)));
  else node.append(...controls(data));
  return node;
}

function controls(data) {
  const problem = make("p", "problem");
  problem.setAttribute("role", "alert");
  const first = data.options.find((option) => YES.test(option));
  const choices = make("div", "choices", ...data.options.map((option) =>
    button(option === first ? "primary" : NO.test(option) ? "no" : "", () => answer(option), option)));
  const form = make("form", "own"), field = make("input");
  field.setAttribute("aria-label", `Your answer to: ${data.title}`);
  field.placeholder = data.kind === "pairing" ? "Type the code" : "Type another answer";
  field.autocomplete = "off";
  const submit = make("button", "", "Answer");
  form.append(field, submit);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value.trim()) answer(field.value.trim());
  });

  async function answer(text) {
    const parts = [...choices.children, field, submit], asked = document.activeElement;
    problem.textContent = "";
    for (const part of parts) part.disabled = true; // the card changes when the daemon says so
    try {
      await tell("POST", `/api/prompts/${encodeURIComponent(data.id)}`, { answer: text });
      asked?.closest("li")?.focus();
    } catch (error) {
      for (const part of parts) part.disabled = false;
      problem.textContent = `Not answered: ${error.message}`;
      asked?.focus();
      toEnd();
    }
  }
  return data.kind === "permission" ? [choices, problem] : [choices, form, problem];
}

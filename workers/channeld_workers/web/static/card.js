// One card: what is asked, and the means to answer it.

import { tell } from "/api.js";
import { button, make } from "/dom.js";
import { saveButton } from "/files.js";
import { toEnd } from "/scroll.js";

const KINDS = {
  permission: "Permission", question: "Question", plan: "Plan", pairing: "Somebody new", waiting: "Waits for Claude",
  stale: "An old message", unattended: "Claude asks nobody now",
};
const OF_CLAUDE = ["permission", "question", "plan"]; // these are in the terminal too
const YES = /^(allow|yes|approve|accept|ok|let|still|send)\b/i, NO = /^(deny|no|reject|refuse|block|drop)\b/i;

export const kindOf = ({ kind }) => KINDS[kind] ?? kind;

/** Say how a prompt ended. */
export function outcome({ state, answer, kind }) {
  const ours = OF_CLAUDE.includes(kind);
  if (state === "answered") return `Answered: ${answer}`;
  if (state === "elsewhere") return `Answered elsewhere${answer ? `: ${answer}` : ours ? ", for example in the terminal" : ""}`;
  return ours ? "Expired: Claude does not wait for an answer any more" : "Expired: no answer is needed any more";
}

/** Return the card; an open one has `take(old)`, which takes over what was typed or chosen in its predecessor. */
export function draw(data) {
  const node = make("li", `prompt ${data.state} ${data.kind}`), title = make("h2", "", data.title);
  node.tabIndex = -1;
  node.append(make("p", "kind", kindOf(data)), title);
  if (data.body) {
    const body = make("pre", "", data.body);
    body.tabIndex = 0;
    body.setAttribute("role", "group");
    body.setAttribute("aria-label", "Details");
    node.append(body);
  }
  if (data.file) node.append(saveButton({ url: data.file, name: `${data.kind}-${data.id}.txt` }, "Whole text"));
  if (data.state !== "open") node.append(make("p", "outcome", outcome(data)));
  else control(node, data);
  return node;
}

function control(node, data) {
  const problem = make("p", "problem");
  problem.setAttribute("role", "alert");
  const boxes = data.multiple ? data.options.map(box) : [];
  const choices = data.multiple ? several(data, boxes) : oneOf(data, answer);
  const field = data.free ? words(data) : null, form = make("form", "own");
  if (field) form.append(field);
  if (field || data.multiple) form.append(make("button", data.multiple ? "primary" : "", "Answer"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const own = field?.value.trim() ?? "";
    const chosen = [...boxes.filter(({ checked }) => checked).map(({ value }) => value), ...(own ? [own] : [])];
    if (chosen.length) answer(data.multiple ? chosen : own);
    else problem.textContent = data.multiple ? "Nothing is chosen yet." : "Nothing is typed yet.";
  });
  const ways = data.kind === "pairing" ? [form, choices] : [choices, form]; // the code is what it is about
  node.append(...ways.filter((way) => way.childElementCount), problem);
  node.take = (old) => {
    for (const part of node.querySelectorAll("button, input")) part.disabled = false;
    for (const { type, value, checked } of old.querySelectorAll("input")) {
      const mine = type === "checkbox" ? boxes.find((one) => one.value === value) : field;
      if (mine) Object.assign(mine, { value, checked });
    }
  };

  async function answer(text) {
    const parts = node.querySelectorAll(".choices button, .choices input, .own *"), asked = document.activeElement;
    problem.textContent = "";
    for (const part of parts) part.disabled = true; // the card changes when the daemon says so
    try {
      await tell("POST", `/api/prompts/${encodeURIComponent(data.id)}`, { answer: text });
      if (node.contains(asked)) node.focus();
    } catch (error) {
      for (const part of parts) part.disabled = false;
      problem.textContent = `Not answered: ${error.message}`;
      asked?.focus();
      toEnd();
    }
  }
}

function oneOf({ options }, answer) {
  const first = options.find((option) => YES.test(option));
  return make("div", "choices", ...options.map((option) =>
    button(option === first ? "primary" : NO.test(option) ? "no" : "", () => answer(option), option)));
}

function several({ title }, boxes) {
  const choices = make("fieldset", "choices", make("legend", "unseen", title));
  choices.append(...boxes.map((one) => make("label", "several", one, one.value)));
  return choices;
}

function box(option) {
  return Object.assign(make("input"), { type: "checkbox", value: option });
}

function words({ kind, title, options }) {
  const field = Object.assign(make("input"), { type: "text", autocomplete: "off" });
  field.setAttribute("aria-label", kind === "pairing" ? `Code for: ${title}` : `Your answer to: ${title}`);
  field.placeholder = kind === "pairing" ? "Type the code that they show you"
    : kind === "plan" ? "Say what to change" : options.length ? "Type another answer" : "Type your answer";
  return field;
}

// What a message says and who says it: Markdown that the server has rendered and sanitised, or plain text.

import { copyButton, make } from "/dom.js";

/** Whose message it is: what was sent from the terminal bears another name than Claude's. */
export const authorOf = ({ direction, user }) => (direction === "in" ? "You" : user || "Claude");

export function drawText(data) {
  if (data.html == null) return make("p", "text plain", data.text);
  const node = make("div", "text prose");
  node.innerHTML = data.html; // sanitised by the server; and this page's policy runs no script that stands in it
  for (const table of node.querySelectorAll("table")) {
    const frame = scroller("table", "Table");
    table.replaceWith(frame);
    frame.append(table);
  }
  for (const pre of node.querySelectorAll("pre")) frameCode(pre);
  return node;
}

/** What a message says in one piece, without marks: for quotes, and to be read out. */
export function plainText({ html, text, attachments }) {
  const said = html == null ? text : new DOMParser().parseFromString(html, "text/html").body.textContent;
  return said.trim() || attachments[0]?.name || "";
}

function frameCode(pre) {
  const code = pre.querySelector("code") ?? pre;
  const language = /(?:^|\s)language-([\w+#.-]+)/.exec(code.className)?.[1] ?? "";
  const frame = make("figure", "code", make("figcaption", "", make("span", "", language || "code"), copyButton(code)));
  pre.replaceWith(frame);
  const body = scroller("pre", language ? `Code in ${language}` : "Code");
  body.append(pre);
  frame.append(body);
}

// What scrolls must be within reach of the keyboard, and then needs a name.
function scroller(className, label) {
  const node = make("div", `scroller ${className}`);
  node.tabIndex = 0;
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", label);
  return node;
}

// What channeld itself says in passing. It is in this page only: a notice is true when it comes, and no message.

import { announce, make, withCommands } from "/dom.js";
import { end, insert } from "/timeline.js";

const MOST = 50;
const shown = [];

/** Show a quiet line where the chat is now, and read it out. */
export function showNotice({ text }) {
  const time = make("time", "", new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  const node = make("li", "notice", time, make("p", "", ...withCommands(text)));
  node.tabIndex = -1;
  insert(node, end());
  shown.push(node);
  if (shown.length > MOST) shown.shift().remove();
  announce(text.replaceAll("`", ""));
}

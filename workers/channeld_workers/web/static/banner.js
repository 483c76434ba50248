// What is the matter, and the next step: said by the server, or about the server when it is away.

import { $, withCommands } from "/dom.js";

const AWAY = "channeld does not answer; this page tries again by itself. "
  + "If it stays so, run `channeld status` in a terminal.";
let dismissed = "", presence = { listening: true, text: "" }, away = false;

export function showPresence(news) {
  presence = news;
  show();
}

export function showLink(state) {
  away = state === "away";
  $("link").textContent = { connecting: "connecting…", connected: "connected", away: "no connection" }[state];
  $("link").className = state;
  show();
}

function show() {
  const text = away ? AWAY : presence.text, mere = !away && presence.listening; // information only
  $("banner").hidden = !text || (mere && dismissed === text);
  $("banner").classList.toggle("mere", mere);
  $("banner-close").hidden = !mere;
  if ($("banner").dataset.text === text) return; // a copy button in it keeps the focus
  $("banner").dataset.text = text;
  $("banner-text").replaceChildren(...withCommands(text));
}

$("banner-close").addEventListener("click", () => {
  dismissed = presence.text;
  show();
  $("text").focus();
});

// The page of the web chat: puts its parts together.

import { takeToken, wasRefused } from "/api.js";
import { showLink, showPresence } from "/banner.js";
import { edit, reply, takeBack, takeUpDraft } from "/composer.js";
import { $, complain, copyButton } from "/dom.js";
import { openMenu, react } from "/menu.js";
import { showNotice } from "/notice.js";
import { restore, settle, work } from "/outbox.js";
import { refetchPrompts, showPrompt } from "/prompts.js";
import { shareEvents } from "/tabs.js";
import { goTo, hear, of, refetch } from "/timeline.js";

const actions = {
  reply,
  edit: (data) => data.direction === "in" && edit(data),
  menu: (data, anchor) => openMenu(data, anchor, actions),
  jump: (data) => goTo(data.reply_to),
  react: (data, { dataset }) => react(data, dataset.emoji),
};
const keys = { r: "reply", e: "edit", m: "menu" };

$("messages").addEventListener("click", ({ target }) => {
  const pressed = target.closest("[data-act]");
  if (pressed) actions[pressed.dataset.act](of(pressed), pressed);
});
$("messages").addEventListener("keydown", (event) => {
  const { target: node, key } = event;
  if (!keys[key] || !node.matches("li.message") || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  actions[keys[key]](of(node), node.querySelector("[data-act=menu]"));
});
document.addEventListener("keydown", ({ key }) => { if (key === "Escape") $("tip").hidePopover(); });
$("notice-close").addEventListener("click", () => complain(""));
$("help").addEventListener("click", () => $("keys").showModal());
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
}

function lock() {
  if (wasRefused()) $("locked-title").textContent = "The token of this page is not right";
  document.body.classList.add("locked");
  $("locked-command").after(copyButton($("locked-command")));
  for (const id of ["chat", "composer", "banner", "link", "help", "jump"]) $(id).hidden = true;
  $("locked").hidden = false;
}

const events = {
  async open() {
    await refetch();
    settle();
    await refetchPrompts();
    $("chat").classList.add("ready");
    showLink("connected");
    work();
  },
  closed() {
    showLink("away");
    $("working").hidden = true;
  },
  message(data) {
    hear(data);
    settle();
  },
  presence: showPresence,
  typing({ working }) { $("working").hidden = !working; },
  prompt: showPrompt,
  notice: showNotice,
};

if (takeToken()) {
  if (matchMedia("(hover: hover)").matches) $("text").focus(); // on a phone it would call the keyboard
  takeUpDraft();
  restore(takeBack);
  shareEvents(events);
} else lock();

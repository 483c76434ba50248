"""Asks the operator about strangers: with a form in Claude Code's terminal, and in the approvers' private chats."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import structlog

from channeld.core import pairing
from channeld.core.access import Role
from channeld.core.errors import ChanneldError, Refused, StoreUnavailable
from channeld.core.pairing import PairingRequest
from channeld.core.prompts import PromptState, StoredPrompt, Who
from channeld.core.text import clean_name
from channeld.daemon.access import Access
from channeld.daemon.prompts import Prompts
from channeld.daemon.session import Session

log = structlog.get_logger()
KIND: Final = "pairing"
DENY: Final = "Deny"
ROLE: Final = Role.CHATTER
"""Whom a dialog lists may write; more is given by hand."""
MOST_TRIES: Final = 3
_STORE_RETRY_S: Final = 1.0
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "code": {"type": "string", "title": "Code", "description": "as the bot has sent it to their chat",
                 "maxLength": 40},
    },
    "required": ["code"],
}  # fmt: skip
_NO_FIELDS: Final[dict[str, Any]] = {"type": "object", "properties": {}}


class _Form(NamedTuple):
    """A form that is shown, or about to be."""

    session: Session
    request: PairingRequest
    task: asyncio.Task[None]


class PairingDialog:
    """One form at a time, on the session that chats go to, and never over a dialog of Claude's, which it would hide."""

    def __init__(
        self, access: Access, prompts: Prompts, *, target: Callable[[], Session | None],
        at_dialog: Callable[[Session], bool], in_terminal: bool,
    ) -> None:  # fmt: skip
        """Wire it.

        Args:
            access: who asks, and the list.
            prompts: where approvers are asked.
            target: returns the session that chats go to.
            at_dialog: tells whether a session's terminal shows a dialog of Claude Code's.
            in_terminal: show the form.
        """
        self._access, self._prompts, self._target, self._in_terminal = access, prompts, target, in_terminal
        self._at_dialog = at_dialog
        self._requests: list[PairingRequest] = []
        self._tries: dict[str, int] = {}  # by request
        self._left: set[str] = set()  # requests whose form was declined, or took three wrong codes
        self._form: _Form | None = None
        prompts.on(KIND, self._answered)
        prompts.changed = self.look
        access.on_request(self._news)

    async def start(self) -> None:
        """Take up what was asked before."""
        await self._refresh()

    def stop(self) -> None:
        """Take the form back, and show no other."""
        self._in_terminal = False
        if self._form is not None:
            self._form.task.cancel()

    async def session_attached(self, session: Session) -> None:
        """Withdraw the form that an earlier daemon left in a session's terminal, and look again."""
        for prompt in self._prompts.open_ones(kind=KIND):
            form = prompt.content.data.get("form")
            if form and form["instance"] == session.instance and not self.is_on(session):
                session.withdraw_form(form["id"])
        self.look()

    def look(self) -> None:
        """Show the form or take it back, as things stand now."""
        if self._form is None:
            request = next((each for each in self._requests if each.id not in self._left), None)
            session = self._target()
            if self._in_terminal and request is not None and session is not None and self._may_show(session):
                self._form = _Form(session, request, asyncio.create_task(self._show(session, request)))
                self._form.task.add_done_callback(self._form_gone)
        elif self._form.session.is_closed or not self._may_show(self._form.session):
            self._form.task.cancel()

    def is_on(self, session: Session) -> bool:
        """Tell whether the form stands in a session's terminal."""
        return self._form is not None and self._form.session is session

    def reopen(self) -> str | None:
        """Show the form of the oldest request again, though it was declined; not where three wrong codes were typed.

        Returns:
            The name of the session in whose terminal it is shown; None: nobody asks, or none can show it.
        """
        self._left = {request_id for request_id in self._left if self._tries.get(request_id, 0) >= MOST_TRIES}
        self.look()
        return self._form.session.name if self._form is not None else None

    # -- who asks

    def _news(self) -> None:
        self._prompts.spawn(self._refresh())

    async def _refresh(self) -> None:
        self._requests = await self._access.requests()
        ids = {request.id for request in self._requests}
        self._left &= ids
        self._tries = {request_id: tries for request_id, tries in self._tries.items() if request_id in ids}
        for prompt in self._prompts.open_ones(kind=KIND):
            if prompt.content.data["request"] not in ids:
                await self._prompts.close(prompt.id, PromptState.ELSEWHERE, "Settled at the terminal")
        for request in self._requests:
            await self._prompts.open(
                KIND, pairing.prompt_title(request, ROLE), pairing.prompt_text(ROLE), [DENY],
                key=f"{KIND}:{request.id}", free=True,
                ttl_s=max(1.0, request.asked_at + pairing.VALID_S - time.time()),
                data={"request": request.id, "worker": request.worker},
            )  # fmt: skip
        if self._form is not None and self._form.request.id not in ids:
            self._form.task.cancel()
        self.look()

    # -- in the terminal

    def _may_show(self, session: Session) -> bool:
        return session.has_forms and not self._at_dialog(session)

    async def _show(self, session: Session, request: PairingRequest) -> None:
        wrong = ""
        while True:
            form_id = f"channeld-form-{secrets.token_hex(4)}"
            try:
                await self._note_form(session, request, form_id)
            except StoreUnavailable as trouble:
                log.warning("pairing_form_put_off", session=session.name, reason=str(trouble))
                await asyncio.sleep(_STORE_RETRY_S)
                continue
            fields = await session.show_form(pairing.dialog_text(request, ROLE, wrong), _SCHEMA, form_id)
            if session.is_closed:
                return  # nobody has answered: it is shown again when a session is there
            if fields is None:
                self._left.add(request.id)
                return
            try:
                await self._try(request, str(fields.get("code", "")), by=f"the form in {session.name}")
                return
            except StoreUnavailable as trouble:
                wrong = f"{trouble} {trouble.hint}"
            except ChanneldError as error:
                if request.id in self._left:
                    await self._say_given_up(session, request)
                    return
                wrong = f"{error} {error.hint}"

    async def _say_given_up(self, session: Session, request: PairingRequest) -> None:
        """Say in a last form, without a field, why there is no other."""
        form_id = f"channeld-form-{secrets.token_hex(4)}"
        with contextlib.suppress(StoreUnavailable):  # what a later daemon could not close is closed with a key
            await self._note_form(session, request, form_id)
        await session.show_form(pairing.given_up_text(request), _NO_FIELDS, form_id)

    async def _note_form(self, session: Session, request: PairingRequest, form_id: str) -> None:
        """Write down which form is shown: a later daemon has to withdraw it."""
        for prompt in self._prompts.open_ones(kind=KIND):
            if prompt.content.data["request"] == request.id:
                await self._prompts.note(prompt.id, {"form": {"instance": session.instance, "id": form_id}})

    def _form_gone(self, task: asyncio.Task[None]) -> None:
        self._form = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("pairing_form_failed", exc_info=error)
        else:
            asyncio.get_running_loop().call_soon(self.look)

    # -- the code

    async def _try(self, request: PairingRequest, code: str, by: str) -> None:
        """List the one who asks, if this is his code.

        Raises:
            Refused: it is not, or was not looked at; after three wrong ones the form is not shown again, and chats are
                not asked.
            StoreUnavailable: nothing was changed.
        """
        try:
            await self._access.approve(code, request.worker, role=ROLE, by=by, only=request.id)
        except Refused as refusal:
            if refusal.code == "wrong_code":
                self._tries[request.id] = self._tries.get(request.id, 0) + 1
            if self._tries.get(request.id, 0) >= MOST_TRIES:
                self._left.add(request.id)
                log.warning("pairing_given_up", request=request.id)
            raise

    async def _answered(self, prompt: StoredPrompt, answer: str, who: Who) -> str:
        request = next((each for each in self._requests if each.id == prompt.content.data["request"]), None)
        by = f"{clean_name(who.name, 60)} ({who.worker or 'terminal'})"
        if request is None:
            raise Refused("Nobody asks any more: it was settled, or an hour has passed.", code="settled")
        if answer == DENY:
            await self._access.deny(request.id, by)
            return f"Denied – {who.name}"
        if self._tries.get(request.id, 0) >= MOST_TRIES:
            raise Refused(
                "Three wrong codes were typed: this is not asked here any more.",
                hint="Use `channeld pair approve CODE` at the terminal.",
            )
        await self._try(request, answer, by)
        return f"May write to Claude – {who.name}"

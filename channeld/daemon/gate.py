"""The gate: who may speak, asked inside the transaction that accepts an event."""

from __future__ import annotations

import sqlite3
from typing import Final

from channeld.config import Worker
from channeld.core import pairing
from channeld.core.access import Policy, Role, Ruling, Terms, rule, standing_role
from channeld.core.model import Inbound
from channeld.core.pace import BotTalk, Pace
from channeld.platforms import PLATFORMS
from channeld.store import access as store
from channeld.store.db import is_about_file

_CLOSED: Final = Terms(Policy.DISABLED)
"""Of a worker that is not configured."""


class Gate:
    """Rules on events. Called in the store's thread; what it keeps in memory is touched nowhere else."""

    def __init__(self) -> None:
        self.terms: dict[str, Terms] = {}
        """By worker; replaced as a whole when the configuration of one is read anew."""
        self._pace = Pace()
        self._bots = BotTalk()

    def configure(self, worker: Worker) -> None:
        """Take over what the configuration says of a worker."""
        platform = PLATFORMS.get(worker.platform)
        holder, chat = (platform.holder, platform.holder_chat) if platform is not None else ("", "")
        terms = Terms(
            Policy(worker.dm_policy), worker.may_approve, worker.max_per_minute, holder, f"{worker.name}:{chat}"
        )
        self.terms = {**self.terms, worker.name: terms}

    def terms_of(self, worker: str) -> Terms:
        """Return the terms of a worker; one that is not configured is closed."""
        return self.terms.get(worker, _CLOSED)

    def __call__(self, connection: sqlite3.Connection, worker: str, event: Inbound, now: float) -> Ruling:
        """Rule on an event.

        Raises:
            StoreUnavailable: the access list cannot be read, so nobody is let in; the worker offers the event again.
        """
        try:
            ruling = self._rule(connection, worker, event, now)
            if not ruling.admitted:
                store.count_dropped(connection, worker, ruling.code, now)
        except sqlite3.Error as error:
            if is_about_file(error):
                raise  # told by the store itself
            raise store.unreadable(error) from error
        return ruling

    def _rule(self, connection: sqlite3.Connection, worker: str, event: Inbound, now: float) -> Ruling:
        terms = self.terms_of(worker)
        facts = store.facts_of(connection, worker, event)
        ruling = rule(event, terms, facts)
        if not event.group and event.kind == "message" and (ruling.admitted or ruling.code in _MAY_REDEEM):
            code = pairing.read_message(event.text)
            role = Role.APPROVER if terms.may_approve else Role.CHATTER
            if code is not None and not event.bot and store.redeem(connection, worker, event, code, role, terms, now):
                return Ruling(admitted=False, code="paired", notice=pairing.paired_text(role))
        if ruling.admitted:
            return self._admit(connection, worker, event, ruling, terms, now)
        if ruling.code == "pairing" and (told := store.ask_to_pair(connection, worker, event, now)) is not None:
            return ruling._replace(code="asked", notice=pairing.code_text(told))
        return ruling

    def _admit(
        self, connection: sqlite3.Connection, worker: str, event: Inbound, ruling: Ruling, terms: Terms, now: float
    ) -> Ruling:
        if self._bots.take(event.chat, bot=event.bot, now=now):
            return Ruling(admitted=False, code="bots")
        if event.sender_id != terms.holder:
            sender = (worker, event.sender_id)
            too_many, is_news = self._pace.take(sender, terms.max_per_minute, now, event.sent_at)
            if too_many:
                notice = pairing.rate_text(terms.max_per_minute) if is_news and not event.bot else ""
                return Ruling(admitted=False, code="rate", notice=notice)
        if event.reply_to_text is None and event.reply_to_user is None:
            return ruling
        return ruling._replace(quotes=self._may_quote(connection, worker, event, terms))

    @staticmethod
    def _may_quote(connection: sqlite3.Connection, worker: str, event: Inbound, terms: Terms) -> bool:
        """Tell whether the words that an event quotes are those of somebody listed, or Claude's own."""
        author = event.reply_to_sender_id
        if author is None and not event.group:
            return True  # of the sender, or ours: nobody else writes there
        if author is not None and (
            author == event.sender_id
            or standing_role(author, terms, store.standing_of(connection, worker, author)) is not None
        ):
            return True
        return store.is_own_message(connection, event.chat, event.reply_to_id)


_MAY_REDEEM: Final = frozenset({"pairing", "unlisted"})
"""Of those who are not let in: strangers, under either policy."""

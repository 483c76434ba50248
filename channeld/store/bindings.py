"""Which session the messages of a chat go to, as people have said."""

from __future__ import annotations

from channeld.store.db import Database
from channeld.store.queries import QUERIES


class BindingList:
    """The store's side of bindings. Times are unix seconds, passed in."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def all(self) -> dict[str, str]:
        """Return the name of the session of each chat that is bound."""
        return await self._db.submit(
            lambda connection: {row["chat"]: row["session"] for row in connection.execute(QUERIES["bindings"])}
        )

    async def put(self, chat: str, session: str, by: str, now: float) -> None:
        """Bind a chat to the session of a name, in place of another."""
        await self._change("put_binding", chat=chat, session=session, by=by, now=now)

    async def remove(self, chat: str) -> None:
        """Let a chat go where chats without a binding go."""
        await self._change("delete_binding", chat=chat)

    async def _change(self, query: str, **values: object) -> None:
        await self._db.submit(lambda connection: connection.execute(QUERIES[query], values).fetchall(), durable=True)

"""Which session gets the chats, and what a chat id is."""

import pytest

from channeld.core.errors import Refused
from channeld.core.ids import is_chat_of, worker_of
from channeld.core.listening import Listening
from channeld.core.routing import Candidate, choose


def candidate(instance, *, name="main", listening=Listening.YES, at=0.0):
    """Return a session as routing sees it."""
    return Candidate(instance, name, listening, at)


def test_the_latest_session_that_listens_gets_the_chats():
    """A session that does not listen, or may not, never does."""
    sessions = [
        candidate("a", at=1), candidate("b", at=2), candidate("c", at=3, listening=Listening.NO),
        candidate("d", at=4, listening=Listening.UNKNOWN),
    ]  # fmt: skip
    assert choose(sessions, None) == "b"
    assert choose(sessions[2:], None) is None
    assert choose([], None) is None


def test_a_default_name_keeps_others_out():
    """With a default, chats wait for a session of that name."""
    sessions = [candidate("a", name="api", at=1), candidate("b", name="web", at=2)]
    assert choose(sessions, "api") == "a"
    assert choose(sessions, "main") is None


@pytest.mark.parametrize("chat", ["telegram:412587349", "telegram:-1001654782309/17", "web:main", "my-bot_2:x"])
def test_the_chat_ids_of_the_contract_are_understood(chat):
    """Each belongs to the worker it begins with, and to no other."""
    assert worker_of(chat) == chat.split(":")[0]
    assert is_chat_of(chat.split(":")[0], chat)
    assert not is_chat_of("other", chat)


@pytest.mark.parametrize(
    "chat",
    ["", "web", "web:", ":x", "web:a b", "web:a/b/c", "Web:x", "web:<x>", "web:x\n", "w:" + "x" * 200, "web:a\u3164"],
)
def test_anything_else_is_refused_with_an_example(chat):
    """The sentence shows what a chat id looks like."""
    with pytest.raises(Refused) as caught:
        worker_of(chat)
    assert "web:main" in caught.value.hint

"""Which session gets the chats, and what a chat id is."""

import pytest

from channeld.core.errors import Refused
from channeld.core.ids import is_chat_of, worker_of
from channeld.core.listening import Listening
from channeld.core.routing import Candidate, bound_to, choose, distinct


def candidate(instance, *, name="main", listening=Listening.YES, at=0.0, given=""):
    """Return a session as routing sees it."""
    return Candidate(instance, name, listening, at, given or name)


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


def test_the_first_of_a_name_keeps_its_chats_while_it_listens():
    """One that came later and was given the same name takes over only then; its own name means it alone."""
    first, second = candidate("a", name="api", at=1), candidate("b", name="api#2", given="api", at=2)
    deaf = candidate("a", name="api", at=1, listening=Listening.NO)
    assert choose([first, second], "api") == "a"
    assert choose([first, second], "api#2") == "b"
    assert choose([deaf, second], "api") == "b"
    assert choose([second], "api") == "b"
    assert choose([first], "api#2") is None
    assert choose([first, second], None) == "b"


def test_a_name_that_is_taken_gets_the_lowest_number_that_is_free():
    """Also where somebody has given such a name by hand."""
    assert distinct("api", set()) == "api"
    assert distinct("api", {"api", "web"}) == "api#2"
    assert distinct("api", {"api", "api#2", "api#4"}) == "api#3"
    assert distinct("api#2", {"api#2"}) == "api#2#2"


def test_a_thread_is_bound_as_its_group_unless_by_itself():
    """The longer id wins; a chat that begins alike is another one."""
    bindings = {"t:-1": "api", "t:-1/5": "web"}
    assert bound_to("t:-1", bindings) == bound_to("t:-1/4", bindings) == "api"
    assert bound_to("t:-1/5", bindings) == "web"
    assert bound_to("t:-12", bindings) == bound_to("t:-12/5", bindings) == ""


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

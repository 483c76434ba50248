"""What a screen of Claude Code shows: as the real one draws it, and as somebody could make it look."""

import pytest

from channeld.core.opt_in import PLUGIN
from channeld.core.terminal_screen import Shown, last_words, may_accept, muted, read

RULE = "─" * 120
CHANNEL = f"""
{RULE}
  WARNING: Loading development channels

  --dangerously-load-development-channels is for local channel development only. Do not use this option to run channels you have downloaded off the
  internet.

  Please use --channels to run a list of approved channels.

  Channels: plugin:channeld@channeld

  ❯ 1. I am using this for local development
    2. Exit

  Enter to confirm · Esc to cancel

"""  # noqa: E501 - as it is drawn
NARROW = """
────────────────────────────────
  WARNING: Loading development
  channels

  Channels: plugin:
  channeld@channeld

  ❯ 1. I am using this for local
    development
    2. Exit

  Enter to confirm · Esc to
  cancel
""".replace("plugin:\n  channeld", "plugin:channeld")
TRUST = f"""{RULE}
 Accessing workspace:

 /home/you/work

 Quick safety check: Is this a project you created or one you trust?

 ❯ No, exit
   Yes, I trust this folder

 Enter to confirm · Esc to cancel
"""
SETUP = (
    " Let's get started.\n\n Choose the text style that looks best with your terminal\n\n ❯ ✔ Auto (match terminal)\n"
)
START = f"""
 ▐▛███▛█   Claude Code v2.1.330
▎ Channels (experimental) messages from plugin:channeld@channeld inject directly in this session · restart without
▎ --dangerously-load-development-channels to stop

{RULE}
❯ 
{RULE}
  ⏵⏵ auto mode on (shift+tab to cycle) · ← for agents                    NOTE
                                                                              ◐ medium · /effort
"""  # noqa: W291 - as it is drawn
PROMPT, LOGIN = START.replace("NOTE", ""), START.replace("NOTE", "Not logged in · run /login")
PERMISSION = f"{RULE}\n Bash command\n\n   touch x\n\n Do you want to proceed?\n ❯ 1. Yes\n   2. No\n\n Esc to cancel\n"


@pytest.mark.parametrize(
    ("screen", "shown"),
    [
        ("", Shown.NOTHING),
        ("welcome\nEnter passphrase for key:", Shown.NOTHING),
        (CHANNEL, Shown.CHANNEL),
        (NARROW, Shown.CHANNEL),
        (TRUST, Shown.TRUST),
        (SETUP, Shown.SETUP),
        (" Select login method:\n\n ❯ 1. Claude account\n", Shown.LOGIN),
        (LOGIN, Shown.LOGIN),
        (PROMPT, Shown.PROMPT),
        (PERMISSION, Shown.QUESTION),
        (CHANNEL + PROMPT, Shown.PROMPT),
        (f"● Not logged in, it said.\n{PROMPT}", Shown.PROMPT),
    ],
)
def test_a_screen_is_recognised(screen, shown):
    """Whatever stands above the prompt is an earlier conversation's."""
    assert read(screen) is shown


@pytest.mark.parametrize("screen", [CHANNEL, NARROW, f"welcome\n{CHANNEL}"])
def test_the_question_about_our_channel_may_be_answered(screen):
    """Drawn in any width."""
    assert may_accept(screen, PLUGIN)


@pytest.mark.parametrize(
    "screen",
    [
        "",
        TRUST,
        PERMISSION,
        PROMPT,
        CHANNEL + PROMPT,
        CHANNEL + PERMISSION,
        CHANNEL.replace("Channels: plugin:channeld@channeld", "Channels: plugin:channeld@channeld, server:other"),
        CHANNEL.replace("Channels: plugin:channeld@channeld", "Channels: server:other plugin:channeld@channeld"),
        CHANNEL.replace("plugin:channeld@channeld", "plugin:other@channeld"),
        CHANNEL.replace("❯ 1.", "1.").replace("  2. Exit", "❯ 2. Exit"),
        CHANNEL.replace("1. I am using this", "1. I am NOT using this"),
        CHANNEL.replace("2. Exit", "2. Exit\n    3. Load every channel from now on"),
        CHANNEL.replace("Enter to confirm", "Space to confirm"),
    ],
)
def test_no_other_screen_may_be_answered(screen):
    """Another question, another channel, another choice, or words that somebody had Claude write."""
    assert not may_accept(screen, PLUGIN)


def test_without_a_channel_of_ours_nothing_may_be_answered():
    """As where the user's own flags opt in."""
    assert not may_accept(CHANNEL, "")


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ("", ""),
        ("plugin:channeld@channeld · not on the approved channels\n▎ allowlist", "list of approved channels"),
        ("Inbound messages will be silently dropped", "channelsEnabled"),
        ("Channels are not currently available", "not currently available"),
        ("not on your org's approved channels list", "organisation"),
    ],
)
def test_that_channels_are_off_is_seen(note, told):
    """Claude Code says it at its start, and nowhere else."""
    assert told in muted(f"▎ {note}\n{PROMPT}")
    assert bool(muted(f"▎ {note}\n{PROMPT}")) is bool(note)
    assert muted(f"{note}\n{PROMPT}{PROMPT}\n▎ {note}") == ""  # what somebody says is none of its notes


def test_the_last_words_are_one_harmless_line():
    """What a program leaves may hold anything."""
    assert last_words("first\n  the \x1b[31mend\x07  \n\n") == "the [31mend"
    assert last_words("\n \n") == ""
    assert len(last_words("x" * 1000)) == 160

"""Every check of ``doctor`` finds what is broken and no more what was mended; ``test_doctor`` has a sound machine."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from channeld.cli.doctor.checks import CHECKS
from channeld.cli.doctor.finding import Level
from channeld.cli.doctor.surroundings import Free
from tests.doubles import status_states
from tests.doubles.discord_api_objects import PRIVILEGED
from tests.doubles.patient import PLUGIN, Patient, access, sound_patient

WRONG_TOKEN = "123456789:AAxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
OURS = {"marketplace": "channeld", "plugin": "channeld"}
FLAG = "claude --dangerously-load-development-channels server:channeld"


@pytest.fixture
def patient(monkeypatch):
    """Return a machine with which all is well."""
    with sound_patient(monkeypatch) as machine:
        yield machine


class Case(NamedTuple):
    """One thing that can be broken."""

    check: str
    what: str
    level: Level
    finding: str
    """Part of what is then found."""
    fix: str
    """Part of what is then advised."""
    harm: Callable[[Any], Any]
    cure: Callable[[Any], Any] | None = None
    """None: ``--fix`` mends it."""


F, W, N = Level.FAILURE, Level.WARNING, Level.NOTE


def put(patient, **parts):
    """Change what the checks look at."""
    patient.more |= parts


def told(patient, *issues, **parts):
    """Have the daemon say something else."""
    patient.status |= {"health": list(issues), **parts}


def silent(patient):
    """Have no daemon."""
    patient.kept, patient.status = patient.status, None


def back(patient):
    """Have it again."""
    patient.status = patient.kept


def block_state(patient):
    """Have a file where a folder should be."""
    shutil.rmtree(patient.paths.state)
    patient.write(patient.paths.state, "")


def stop(patient):
    """Have it stopped on purpose."""
    silent(patient)
    patient.write(patient.paths.stopped, "")


def leave_socket(patient):
    """Have a killed daemon, of which one socket is left."""
    silent(patient)
    patient.paths.session_socket.unlink()


def hold_lock(patient):
    """Have a daemon that holds its place and does not listen."""
    leave_socket(patient)
    patient.held = os.open(patient.paths.lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(patient.held, fcntl.LOCK_EX)


def end_holder(patient):
    """Have it ended in good order."""
    os.close(patient.held)
    patient.paths.control_socket.unlink()


def detach(patient):
    """Have no session."""
    patient.kept = dict(patient.status)
    patient.status["sessions"] = []


def failed(patient):
    """Have the service failed."""
    silent(patient)
    patient.unit_is(ActiveState="failed", Result="signal", ExecMainStatus="9")


def environment(name, value):
    """Return a pair of functions that set and unset a variable of the terminal."""
    return (
        lambda patient: patient.environ.update({name: value}),
        lambda patient: patient.environ.pop(name),
    )


def settings(**parts):
    """Return a pair of functions that change the user's settings and change them back."""

    def harm(patient):
        patient.before, patient.settings = patient.settings, {**patient.settings, **parts}

    def cure(patient):
        patient.settings = patient.before

    return harm, cure


def session(**parts):
    """Return a pair of functions that change a session and change it back."""

    def harm(patient):
        patient.before = dict(patient.status["sessions"][0])
        patient.session(**parts)

    def cure(patient):
        patient.session(**patient.before)

    return harm, cure


def session_variable(name, value):
    """Return a pair of functions that start the session with a variable and without it."""
    return (lambda patient: patient.start_with(**{name: value}), lambda patient: patient.start_with())


def managed(cured, **parts):
    """Return a pair of functions that write managed settings and mend them."""
    return (lambda patient: patient.manage(**parts), lambda patient: patient.manage(**cured))


GOOD_POLICY = {"channelsEnabled": True, "allowedChannelPlugins": [OURS]}


def token_file(patient, worker="telegram"):
    """Return a worker's token file."""
    return patient.paths.credentials / f"{worker}.token"


def open_way(patient, target, mode):
    """Let others pass as far as to a place, and look into it."""
    for folder in (patient.home, *target.parents):
        if folder.is_relative_to(patient.home):
            folder.chmod(0o711)
    target.chmod(mode)


def log_out(patient):
    """Have nobody logged in, and no session."""
    (patient.home / ".claude.json").unlink()
    patient.status["sessions"] = []


def unlist(patient):
    """Have Claude Code without the plugin."""
    (patient.home / ".claude/plugins/installed_plugins.json").unlink()
    patient.status["sessions"] = []


def chatter(patient):
    """Have somebody who may chat, a session that asks nobody, and a configuration that lets that be."""
    patient.before = patient.paths.config_file.read_text()
    patient.config(patient.before + '[permissions]\nunattended_chatters = "allow"\n')
    told(patient, access=[access("telegram", people=3)])
    patient.session(permission_mode="auto")


def revoke(patient, name="telegram"):
    """Have a token made invalid."""
    getattr(patient, name).call(lambda api: api.revoke_token())


def restore(patient, name="telegram"):
    """Have it made valid again."""
    getattr(patient, name).call(lambda api: api.restore_token())


def intents(patient, value):
    """Set which privileged intents the application has."""
    patient.discord.call(lambda api: setattr(api.gateway, "allowed_intents", value))


def webhook(patient, url):
    """Set a webhook from elsewhere."""
    patient.telegram.call(lambda api: api.set_webhook(url))


def old_claude(version):
    """Return a pair of functions that exchange Claude Code."""
    return (
        lambda patient: patient.program("claude", f"echo '{version} (Claude Code)'"),
        lambda patient: patient.program("claude", "echo '2.1.330 (Claude Code)'"),
    )


def remove_claude(patient):
    """Have no Claude Code."""
    (patient.home / "bin/claude").unlink()
    patient.status["sessions"] = []


RIVAL = status_states.issue(
    "platform_conflict", "Another program fetches.", "Messages are late.", "Stop it.", "telegram", 60
)
STUCK = status_states.issue("disk_full", "No room.", "New messages are refused.", "Free some.", "store", 60)
WAITS = status_states.issue(
    "sends_waiting", "1 waits.", "Nobody can read it yet.", "Wait.", "web", 99, severity="warning"
)
DEAF = status_states.deaf()

CASES = [
    Case("configuration", "unknown key", F, "telegram.silnt: unknown key", "Did you mean silent?",
         lambda p: p.config("[workers.telegram]\nsilnt = true\n"), lambda p: p.config("")),
    Case("folders", "file in the place of the state", F, "a file is in its place", "Set CHANNELD_HOME",
         block_state, lambda p: p.paths.state.unlink()),
    Case("disk space", "full", F, "Only 5.0 MB are free", "du -sh",
         lambda p: put(p, free=lambda _: Free(5_000_000, None)), lambda p: p.more.pop("free")),
    Case("disk space", "no inodes", F, "Only 12 more files", "du -sh",
         lambda p: put(p, free=lambda _: Free(10**12, 12)), lambda p: p.more.pop("free")),
    Case("disk space", "little", W, "900.0 MB are free", "du -sh",
         lambda p: put(p, free=lambda _: Free(900 * 10**6, None)), lambda p: p.more.pop("free")),
    Case("daemon", "not there", F, "channeld is not running.", "channeld start", silent, back),
    Case("daemon", "stopped on purpose", F, "was stopped with `channeld stop`", "channeld start", stop, back),
    Case("sockets", "left over", W, "control.sock is left over", "", leave_socket),
    Case("sockets", "nobody listens", F, "A daemon runs, and nobody listens", "channeld logs", hold_lock,
         end_holder),
    Case("sockets", "open to others", F, "session.sock has the mode 0666", "chmod 600",
         lambda p: p.paths.session_socket.chmod(0o666)),
    Case("sockets", "gone", F, "session.sock is gone", "channeld restart",
         lambda p: p.paths.session_socket.unlink(), lambda p: p.sockets()),
    Case("sockets", "no socket", F, "control.sock is no socket", "Move",
         lambda p: (p.paths.control_socket.unlink(), p.write(p.paths.control_socket, "")), lambda p: p.sockets()),
    Case("units", "failed", F, "channeld.service has failed (signal, status 9)", "channeld start", failed),
    Case("units", "keeps ending", F, "channeld.service keeps ending", "journalctl",
         lambda p: p.unit_is(ActiveState="activating", SubState="auto-restart", Result="exit-code"),
         lambda p: p.unit_is(ActiveState="active", SubState="running")),
    Case("units", "Python gone", F, "/opt/gone/python, which is gone", "channeld install",
         lambda p: p.write(p.unit, p.unit.read_text().replace('ExecStart="/', 'ExecStart="/opt/gone/python" "/')),
         lambda p: p.furnish()),
    Case("units", "not enabled", W, "not enabled", "channeld install",
         lambda p: p.unit_is(UnitFileState="disabled"), lambda p: p.unit_is(UnitFileState="enabled")),
    Case("units", "not loaded", F, "has not loaded", "daemon-reload",
         lambda p: p.unit_is(LoadState="not-found"), lambda p: p.unit_is(LoadState="loaded")),
    Case("units", "outside the service", W, "channeld.service does not", "channeld install",
         lambda p: p.unit_is(ActiveState="inactive"), lambda p: p.unit_is(ActiveState="active")),
    Case("units", "none", N, "systemd does not run channeld", "channeld install",
         lambda p: p.unit.unlink(), lambda p: p.furnish()),
    Case("linger", "off", N, "ends when you log out", "channeld install --linger",
         lambda p: shutil.rmtree(p.home / "linger"), lambda p: p.furnish()),
    Case("versions", "old daemon", W, "The daemon is 0.0.9", "channeld restart",
         lambda p: p.status["daemon"].update(version="0.0.9"), lambda p: p.status["daemon"].update(version="0.1.0")),
    Case("versions", "old shim", W, "shop (0.0.9)", "Restart Claude Code", *session(shim_version="0.0.9")),
    Case("file modes", "way to a token", F, "channeld and 2 others: open to others (mode 0711)", "chmod 700",
         lambda p: open_way(p, token_file(p), 0o644)),
    Case("file modes", "way to the settings", W, "channeld: open to others (mode 0755)", "chmod 700",
         lambda p: open_way(p, p.paths.config, 0o755)),
    Case("file modes", "token in a closed folder", W, "telegram.token: open to others (mode 0644)", "chmod 600",
         lambda p: token_file(p).chmod(0o644)),
    Case("file modes", "mailbox", W, "channeld.db: open to others (mode 0640)", "chmod 600",
         lambda p: p.write(p.paths.database, "", 0o640)),
    Case("file modes", "shut", F, "telegram.token: you may not do all there", "chmod 600",
         lambda p: token_file(p).chmod(0)),
    Case("file modes", "of another user", F, "channeld and 8 others: owned by user", "sudo chown -R",
         lambda p: put(p, uid=os.geteuid() + 1), lambda p: p.more.pop("uid")),
    Case("credentials", "no token", F, "telegram has no token", "channeld setup telegram",
         lambda p: (told(p, workers=[]), token_file(p).unlink()), lambda p: p.token("telegram", "1:a")),
    Case("credentials", "variable alone", W, "in DISCORD_BOT_TOKEN alone", "channeld setup discord",
         lambda p: (told(p, workers=[]), token_file(p, "discord").unlink(), p.environ.update(DISCORD_BOT_TOKEN="x")),
         lambda p: p.token("discord", "x")),
    Case("credentials", "no text", F, "telegram.token cannot be read", "chmod 600",
         lambda p: token_file(p).write_bytes(b"\xff"), lambda p: p.token("telegram", "1:a")),
    Case("platforms", "token revoked", F, "telegram: Telegram does not know this token", "channeld setup telegram",
         revoke, restore),
    Case("platforms", "Discord's revoked", F, "discord: Discord does not know this token", "channeld setup discord",
         lambda p: revoke(p, "discord"), lambda p: restore(p, "discord")),
    Case("platforms", "unreachable", F, "Telegram could not be asked", "Check the network",
         lambda p: (told(p, workers=[]), p.telegram.run(p.telegram.api.stop())),
         lambda p: p.telegram.run(p.telegram.api.start())),
    Case("platforms", "unreachable from here", N, "Discord could not be asked", "",
         lambda p: p.discord.run(p.discord.api.stop()), lambda p: p.discord.run(p.discord.api.start())),
    Case("polling", "webhook", F, "A webhook is set for telegram", "--delete-webhook",
         lambda p: webhook(p, "https://hook.example.org/"), lambda p: webhook(p, "")),
    Case("polling", "second poller", F, "Another program fetches", "Stop it",
         lambda p: told(p, RIVAL), told),
    Case("intents", "off", F, "Message Content Intent is off", "Developer Portal",
         lambda p: intents(p, 0), lambda p: intents(p, PRIVILEGED)),
    Case("official plugins", "same token", F, "with the bot of telegram", "claude plugin disable telegram@",
         lambda p: (p.official("telegram", p.telegram.api.token),
                    p.settings["enabledPlugins"].update({"telegram@claude-plugins-official": True})),
         lambda p: p.settings["enabledPlugins"].update({"telegram@claude-plugins-official": False})),
    Case("official plugins", "unreadable", N, "official Discord plugin is enabled", "claude plugin disable discord@",
         lambda p: ((p.home / ".claude/channels/discord/.env").mkdir(parents=True),
                    p.settings["enabledPlugins"].update({"discord@claude-plugins-official": True})),
         lambda p: (p.home / ".claude/channels/discord/.env").rmdir()),
    Case("Claude Code", "not there", F, "was not found", "code.claude.com", remove_claude,
         lambda p: p.program("claude", "echo 2.1.330")),
    Case("Claude Code", "not in PATH", W, ".local/bin/claude, and that is not in PATH", "export PATH",
         lambda p: (remove_claude(p), p.write(p.home / ".local/bin/claude", "#!/bin/sh\necho 2.1.330\n", 0o755)),
         lambda p: p.program("claude", "echo 2.1.330")),
    Case("Claude Code", "too old", F, "2.1.117: too old", "claude update", *old_claude("2.1.117")),
    Case("Claude Code", "not tried", W, "2.1.196: channeld was not tried", "claude update", *old_claude("2.1.196")),
    Case("Claude Code", "no answer", W, "does not tell its version", "--version",
         lambda p: p.program("claude", "exit 3"), lambda p: p.program("claude", "echo 2.1.330")),
    Case("Claude Code", "old session", F, "The session shop has Claude Code 2.0.9", "claude update",
         *session(client="claude-code 2.0.9")),
    Case("login", "nobody", W, "not logged in", "/login", log_out,
         lambda p: p.environ.update(ANTHROPIC_API_KEY="sk-1")),
    Case("Claude settings", "hooks off", W, "disableAllHooks is set", "Take it out", *settings(disableAllHooks=True)),
    Case("Claude settings", "broken", F, "it is no JSON, line 1", "Mend that file",
         lambda p: p.write(p.managed, "{nope"), lambda p: p.managed.unlink()),
    Case("policy", "switched off", F, "channelsEnabled is false", '"channelsEnabled": true',
         *managed(GOOD_POLICY, channelsEnabled=False)),
    Case("policy", "unsaid", W, "do not say channelsEnabled", '"channelsEnabled": true',
         *managed(GOOD_POLICY, cleanupPeriodDays=9)),
    Case("policy", "left out", W, "leaves channeld out", '"plugin": "channeld"',
         *managed(GOOD_POLICY, channelsEnabled=True, allowedChannelPlugins=[{"marketplace": "m", "plugin": "other"}])),
    Case("policy", "no list", N, "allowedChannelPlugins is not set", '"plugin": "channeld"',
         *managed(GOOD_POLICY, channelsEnabled=True)),
    Case("variables", "settings", F, "DISABLE_TELEMETRY is set in", "Take it out",
         *settings(env={"DISABLE_TELEMETRY": 0})),
    Case("variables", "session", F, "DO_NOT_TRACK is set in the session shop", "unset DO_NOT_TRACK",
         *session_variable("DO_NOT_TRACK", "1")),
    Case("variables", "terminal", W, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC is set in this terminal", "unset",
         *environment("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")),
    Case("variables", "provider", F, "CLAUDE_CODE_USE_BEDROCK is set in the session shop", "unset",
         lambda p: p.start_with(CLAUDE_CODE_USE_BEDROCK="1"), lambda p: p.start_with(CLAUDE_CODE_USE_BEDROCK="0")),
    Case("protocol", "auto", N, "MCP_PROTOCOL_NEGOTIATION is 'auto' in the session shop", "=legacy",
         lambda p: p.start_with(MCP_PROTOCOL_NEGOTIATION="auto"),
         lambda p: p.start_with(MCP_PROTOCOL_NEGOTIATION="legacy")),
    Case("plugin", "not installed", W, "is not installed in Claude Code", "channeld install",
         unlist, lambda p: p.furnish()),
    Case("plugin", "switched off", F, "is switched off", "claude plugin enable channeld@channeld",
         *settings(enabledPlugins={PLUGIN: False})),
    Case("plugin", "nowhere on", N, "not switched on for all", "claude plugin enable channeld@channeld",
         *settings(enabledPlugins={})),
    Case("plugin", "old", W, "The plugin is 0.0.9", "channeld install",
         lambda p: p.plugin(version="0.0.9"), lambda p: p.furnish()),
    Case("plugin", "files gone", F, "files of the plugin are gone", "claude plugin install channeld@channeld",
         lambda p: shutil.rmtree(p.home / ".claude/plugins/cache"), lambda p: p.furnish()),
    Case("plugin", "no command", F, "would not find `channeld`", "pipx ensurepath",
         lambda p: (p.home / "bin/channeld").unlink(), lambda p: p.furnish()),
    Case("plugin", "list broken", W, "list of plugins cannot be read", "claude plugin list",
         lambda p: p.write(p.home / ".claude/plugins/installed_plugins.json", "[]"), lambda p: p.furnish()),
    Case("sessions", "not opted in", F, "shop does not listen: Claude Code was started without the channel flag", FLAG,
         *session(listening="no", reason=DEAF["reason"], mend=DEAF["mend"])),
    Case("sessions", "none", W, "No Claude Code session is attached", "claude --dangerously",
         detach, back),
    Case("permissions", "unattended", W, "2 people on telegram may chat", 'unattended_chatters = "hold"', chatter,
         lambda p: p.session(permission_mode="default")),
    Case("permissions", "held", N, "Nobody is asked in shop (bypassPermissions)", "",
         lambda p: (told(p, access=[access("telegram", people=3)]), p.session(permission_mode="bypassPermissions")),
         lambda p: p.session(permission_mode="default")),
    Case("permissions", "approvers alone", N, "Nobody is asked in shop (auto)", "", *session(permission_mode="auto")),
    Case("clock", "far off", F, "1 h behind", "timedatectl", lambda p: put(p, clock=lambda: time.time() - 3700),
         lambda p: p.more.pop("clock")),
    Case("clock", "off", W, "2 min ahead", "timedatectl", lambda p: put(p, clock=lambda: time.time() + 120),
         lambda p: p.more.pop("clock")),
    Case("health", "error", F, "No room.", "Free some.", lambda p: told(p, STUCK), told),
    Case("health", "warning", W, "1 waits.", "Wait.", lambda p: told(p, WAITS), told),
]  # fmt: skip


def loud(found):
    """Return what is not as it should be."""
    return [finding for finding in found if finding.level is not Level.OK]


def test_every_check_has_something_that_breaks_it():
    """A check that nobody has seen find anything is none."""
    assert {case.check for case in CASES} == {check.name for check in CHECKS}


@pytest.mark.parametrize("case", CASES, ids=[f"{case.check}: {case.what}" for case in CASES])
class TestCase:
    """One thing that is broken."""

    def test_what_is_broken_is_found_with_what_mends_it(self, patient: Patient, case: Case):
        """One finding, no other, and with words on why and what to do."""
        case.harm(patient)
        (finding,) = loud(patient.look(case.check))
        assert (finding.check, finding.level) == (case.check, case.level)
        assert case.finding in finding.finding
        assert case.fix in finding.fix
        assert finding.reason or finding.level is N
        assert (finding.mend is not None) == (case.cure is None)
        release(patient)

    def test_what_was_mended_is_found_no_more(self, patient: Patient, case: Case):
        """By hand as it was advised, or by ``--fix``."""
        case.harm(patient)
        (finding,) = loud(patient.look(case.check))
        if case.cure is not None:
            case.cure(patient)
        else:
            assert finding.mend is not None
            assert finding.mend().endswith(".")
        assert loud(patient.look(case.check)) == []


def release(patient):
    """Let go what a case holds."""
    if (held := getattr(patient, "held", None)) is not None:
        os.close(held)

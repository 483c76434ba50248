"""How ``doctor`` runs its checks, what it prints, and corners of single checks."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import click
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from channeld.cli.claude_files import read_claude
from channeld.cli.doctor.checks import CHECKS, Check
from channeld.cli.doctor.examination import Mended, examine, is_sound, mend
from channeld.cli.doctor.finding import Finding, Level, failure, note, ok, warning
from channeld.cli.doctor.surroundings import gather
from channeld.cli.render.doctor import as_data, doctor_lines
from channeld.cli.render.layout import cells
from tests.doubles.patient import CONFIG, PLUGIN, Patient, sound_patient

EVIL = "x\x1b[2J\r\n\u202eFAKE"
FINDINGS = [
    failure("Too bad.", "It hurts.", "`channeld start`")._replace(check="daemon"),
    warning("Open.", "Others look in.", "`chmod 600 /a`", lambda: "Done.")._replace(check="file modes"),
    note("By the way.", "", "")._replace(check="units"),
    ok("Fine.")._replace(check="clock"),
    ok("Fine too.")._replace(check="daemon"),
]
PAGE = """\
1 thing is wrong, and 1 warning. What stands first is mended first.

✗ daemon: Too bad.
  It hurts.
  Try: channeld start

! file modes: Open.
  Others look in.
  Try: channeld doctor --fix

· units: By the way.

✓ All right: clock."""


@pytest.fixture
def patient(monkeypatch):
    """Return a machine with which all is well."""
    with sound_patient(monkeypatch) as machine:
        yield machine


def page(findings, mended=None, width=80):
    """Return the page without colours."""
    return click.unstyle("\n".join(doctor_lines(findings, mended, width)))


# -- the whole


def test_a_sound_machine_is_told_so(patient: Patient):
    """No check finds anything, and each that has something to look at is named."""
    findings = examine(patient.gather())
    assert [finding for finding in findings if finding.level is not Level.OK] == []
    assert {finding.check for finding in findings} == {check.name for check in CHECKS}
    assert page(findings).startswith("✓ Nothing is wrong.\n\n✓ All right: configuration, folders,")
    assert not patient.telegram.api.violations
    assert not patient.discord.api.violations


def test_a_check_that_fails_or_hangs_is_told_and_holds_up_no_other(patient: Patient):
    """Nor is what an error says shown, which may be a secret."""
    release = threading.Event()

    def crash(_around):
        raise KeyError("sk-secret")

    def hang(_around):
        release.wait()
        return []

    checks = [Check("crashing", crash), Check("hanging", hang, 0.05), Check("calm", lambda _: [ok("Fine.")])]
    crashed, hung, calm = examine(patient.gather(), checks)
    release.set()
    assert (crashed.check, crashed.level) == ("crashing", Level.WARNING)
    assert re.fullmatch(r"This could not be checked: KeyError, test_doctor.py line \d+\.", crashed.finding)
    assert (hung.check, hung.level) == ("hanging", Level.WARNING)
    assert calm == ok("Fine.")._replace(check="calm")


def test_what_cannot_be_mended_is_told_and_the_rest_is_mended():
    """With what is in the way."""

    def fails():
        raise PermissionError(1, "Operation not permitted")

    findings = [warning("Open.", "Why.", "Fix.", fails)._replace(check="a"), FINDINGS[1], FINDINGS[0]]
    assert mend(findings) == [
        Mended("a", False, "Open. It stays so: [Errno 1] Operation not permitted."),
        Mended("file modes", True, "Done."),
    ]


def test_only_failures_make_it_unsound():
    """Notes and warnings are none."""
    assert is_sound(FINDINGS[1:])
    assert not is_sound(FINDINGS)


# -- what is printed


def test_the_page_begins_with_what_is_wrong():
    """Then warnings, notes, and the names of what is all right; what ``--fix`` mends says so."""
    assert page(FINDINGS) == PAGE


def test_after_fix_the_page_says_what_was_done_and_how_the_rest_is_mended_by_hand():
    """Nobody is sent round in a circle."""
    shown = page(FINDINGS[1:], [Mended("a", True, "Closed it."), Mended("b", False, "Open. It stays so: no.")])
    assert shown.startswith("✓ Closed it.\n✗ Open. It stays so: no.\n\n✓ Nothing is wrong, with 1 warning.\n")
    assert "Try: chmod 600 /a" in shown
    assert "--fix" not in shown
    assert page(FINDINGS[:1], []).startswith("There was nothing for --fix to mend.\n")


@pytest.mark.parametrize("width", [32, 40, 80])
def test_lines_fit_a_phone_and_nothing_moves_the_cursor(width):
    """Whatever names of sessions, files and platforms hold."""
    findings = [Finding(level, f"{EVIL} is so.", f"Since {EVIL}.", f"See {EVIL}.", check="health") for level in Level]
    lines = page(findings, [Mended("a", True, EVIL)], width).split("\n")
    assert all(line.isprintable() and cells(line) <= width for line in lines)


def test_the_data_is_what_the_page_says():
    """And whether ``--fix`` would help."""
    data = as_data("1.0", FINDINGS[:2], [Mended("a", True, "Did it.")])
    assert data == {
        "version": "1.0",
        "sound": False,
        "findings": [
            {"check": "daemon", "level": "failure", "finding": "Too bad.", "reason": "It hurts.",
             "fix": "`channeld start`", "fixable": False},
            {"check": "file modes", "level": "warning", "finding": "Open.", "reason": "Others look in.",
             "fix": "`chmod 600 /a`", "fixable": True},
        ],
        "mended": [{"check": "a", "done": True, "text": "Did it."}],
    }  # fmt: skip
    assert json.dumps(data)


# -- corners


def test_nothing_that_lies_in_the_way_keeps_it_from_looking(patient: Patient):
    """Pipes and folders where files should be: nobody waits for what never comes."""
    claude = patient.home / ".claude"
    for file in (patient.paths.config_file, patient.home / ".claude.json", claude / "settings.local.json"):
        file.unlink(missing_ok=True)
        os.mkfifo(file)
    patient.managed.mkdir(parents=True)
    around = gather(patient.environ)
    assert str(around.mistake) == f"{patient.paths.config_file} is no file."
    assert {layer.fault for layer in around.claude.layers} == {"it is no file"}
    assert not any("could not be checked" in finding.finding for finding in examine(around))


def test_a_fresh_home_is_looked_at_and_left_as_it_is():
    """Nothing is made by looking, and every check comes to an end."""
    with tempfile.TemporaryDirectory(prefix="cd") as home:
        findings = examine(gather({"HOME": home, "PATH": "", "CHANNELD_TEST_MANAGED_SETTINGS": f"{home}/none"}))
        assert os.listdir(home) == []
    assert {finding.check for finding in findings if finding.level is Level.FAILURE} == {"daemon", "Claude Code"}
    assert not any("could not be checked" in finding.finding for finding in findings)


def test_a_token_is_in_nothing_that_is_found(patient: Patient):
    """Whether it is good or not, in a file or in a variable."""
    tokens = [patient.telegram.api.token, patient.discord.api.token]
    patient.telegram.call(lambda api: api.revoke_token())
    (patient.paths.credentials / "discord.token").unlink()
    patient.environ["DISCORD_BOT_TOKEN"] = tokens[1]
    patient.official("telegram", tokens[0])
    patient.settings["enabledPlugins"]["telegram@claude-plugins-official"] = True
    patient.start_with(DISABLE_TELEMETRY="1")
    shown = repr(examine(patient.gather()))
    assert "official Telegram plugin" in shown
    assert not any(token in shown for token in [*tokens, "sk-1", "ann@example.org"])


def test_a_socket_at_which_systemd_listens_is_not_connected_to(patient: Patient):
    """That would start a daemon; it is none that is left over either."""
    patient.status = None
    with contextlib.ExitStack() as stack:
        listening = []
        for path in (patient.paths.control_socket, patient.paths.session_socket):
            path.unlink()
            listening.append(stack.enter_context(socket.socket(socket.AF_UNIX)))
            listening[-1].bind(str(path))
            listening[-1].listen()
            listening[-1].setblocking(False)
            path.chmod(0o600)
        assert [finding.level for finding in patient.look("sockets")] == [Level.OK]
        for each in listening:
            with pytest.raises(BlockingIOError):
                each.accept()


def test_a_daemon_that_has_started_meanwhile_keeps_its_socket(patient: Patient):
    """Between the look and the mending anything can happen."""
    patient.status = None
    patient.paths.control_socket.unlink()
    (left,) = patient.look("sockets")
    path = patient.paths.session_socket
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        (told,) = mend([left])
    assert (told.done, told.text.rpartition(": ")[2]) == (False, "somebody listens there after all.")
    assert path.exists()


def test_a_path_that_is_too_long_for_a_socket_is_told(patient: Patient):
    """The daemon refuses to start then."""
    patient.environ["XDG_RUNTIME_DIR"] = str(patient.home / ("x" * 100))
    assert "is too long for a socket" in patient.look("sockets")[0].finding


def test_both_units_are_looked_at_and_started_again(patient: Patient):
    """The one that listens, where there is one, and the one that runs."""
    patient.write(patient.unit.with_suffix(".socket"), "[Socket]\n")
    patient.unit_is(ActiveState="failed", Result="service-start-limit-hit")
    found = patient.look("units")
    assert [finding.finding.partition(" ")[0] for finding in found] == ["channeld.service", "channeld.socket"]
    assert mend(found)[0] == Mended("units", True, "The service was started again.")
    assert [finding.level for finding in patient.look("units")] == [Level.OK]


@pytest.mark.parametrize("hinders", ["the configuration", "a person"])
def test_a_service_that_would_fail_again_or_was_stopped_is_not_started(patient: Patient, hinders: str):
    """A person mends the one, and wanted the other."""
    patient.unit_is(ActiveState="failed", Result="exit-code", ExecMainStatus="78")
    if hinders == "a person":
        patient.write(patient.paths.stopped, "")
    else:
        patient.config("[deamon]\n")
    (found,) = patient.look("units")
    assert (found.level, found.mend) == (Level.FAILURE, None)


def test_without_systemctl_a_unit_is_of_no_use(patient: Patient, monkeypatch):
    """As in a container with the home of another machine."""
    around = patient.gather()
    monkeypatch.setenv("PATH", "/nowhere")
    (found,) = examine(around, [check for check in CHECKS if check.name == "units"])
    assert (found.level, found.fix) == (Level.NOTE, "`channeld start`")


def test_what_an_organisations_server_says_counts_alone(patient: Patient):
    """As Claude Code has it: a file of this machine is not used then."""
    patient.manage(channelsEnabled=False)
    server = patient.home / ".claude" / "remote-settings.json"
    allowed = [{"marketplace": "channeld", "plugin": "channeld"}]
    patient.write(server, json.dumps({"channelsEnabled": True, "allowedChannelPlugins": allowed}))
    assert [finding.level for finding in patient.look("policy")] == [Level.OK]
    patient.write(server, json.dumps({"channelsEnabled": False}))
    patient.manage(channelsEnabled=True, allowedChannelPlugins=allowed)
    (found,) = patient.look("policy")
    assert (found.level, str(server) in found.fix) == (Level.FAILURE, True)


def test_dropins_add_to_the_managed_settings(patient: Patient):
    """The later in the alphabet counts more."""
    patient.manage(channelsEnabled=True)
    allowed = [{"marketplace": "channeld", "plugin": "channeld"}]
    patient.write(patient.managed.with_suffix(".d") / "10-allow.json", json.dumps({"allowedChannelPlugins": allowed}))
    assert [finding.level for finding in patient.look("policy")] == [Level.OK]
    patient.write(patient.managed.with_suffix(".d") / "20-off.json", json.dumps({"channelsEnabled": False}))
    assert [finding.level for finding in patient.look("policy")] == [Level.FAILURE]


def test_unsaid_channels_are_off_for_a_key(patient: Patient):
    """An account may be a personal one; a key is an organisation's."""
    patient.manage(cleanupPeriodDays=9)
    (patient.home / ".claude.json").unlink()
    assert [finding.level for finding in patient.look("policy")] == [Level.FAILURE]


def test_a_session_that_was_proven_to_hear_is_believed_more_than_a_variable(patient: Patient):
    """What another version does with it is not known."""
    patient.start_with(DISABLE_TELEMETRY="1")
    patient.session(proven=True)
    assert [finding.level for finding in patient.look("variables")] == [Level.OK]


def test_settings_of_a_sessions_project_count_too(patient: Patient):
    """They win over the user's, as the local ones of a project win over its shared ones."""
    project = patient.home / "shop"
    for name, value in (("settings.json", True), ("settings.local.json", False)):
        patient.write(project / ".claude" / name, json.dumps({"enabledPlugins": {PLUGIN: value}}))
    claude = read_claude(patient.environ, [str(project)])
    assert claude.enabled("channeld") == {PLUGIN: False}


def test_with_another_bots_token_an_official_plugin_may_stay(patient: Patient):
    """Two bots do not clash."""
    patient.official("telegram", "123456789:AAxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
    patient.settings["enabledPlugins"]["telegram@claude-plugins-official"] = True
    assert [finding.level for finding in patient.look("official plugins")] == [Level.OK]


def test_the_plugin_finds_channeld_where_install_and_pipx_put_it(patient: Patient):
    """An older copy of it knows PATH alone, and whatever else a plugin starts is its own business."""
    (patient.home / "bin" / "channeld").unlink()
    assert [finding.level for finding in patient.look("plugin")] == [Level.FAILURE]
    for place in (patient.paths.launcher, patient.home / ".local" / "bin" / "channeld"):
        patient.write(place, "", 0o755)
        assert [finding.level for finding in patient.look("plugin")] == [Level.OK]
        place.unlink()
    patient.write(patient.paths.launcher, "", 0o755)
    folder = patient.home / ".claude" / "plugins" / "cache" / "channeld"
    patient.write(folder / ".mcp.json", json.dumps({"mcpServers": {"channeld": {"command": "channeld"}}}))
    assert [finding.level for finding in patient.look("plugin")] == [Level.FAILURE]
    patient.write(
        folder / ".mcp.json", json.dumps({"mcpServers": {"channeld": {"command": "${CLAUDE_PLUGIN_ROOT}/x"}}})
    )
    assert [finding.level for finding in patient.look("plugin")] == [Level.OK]


@contextlib.contextmanager
def server_with_certificate_of(begin: datetime, end: datetime, folder: Path) -> Iterator[str]:
    """Serve HTTPS with a certificate that is valid then, and return the address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(begin).not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "trusted.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "server.pem").write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")

    class Answers(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(HTTPServer):
        def handle_error(self, *_: object) -> None:  # a client that does not trust it is no error of ours
            pass

    with Server(("localhost", 0), Answers) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("shift", "level"), [(0, Level.OK), (-9, Level.FAILURE), (9, Level.FAILURE)])
def test_a_certificate_that_is_not_valid_now_tells_of_a_wrong_clock(
    patient: Patient, tmp_path: Path, monkeypatch, shift: int, level: Level
):
    """A clock that is years off has no connection at all."""
    today = datetime.now(UTC) + timedelta(days=shift)
    with server_with_certificate_of(today - timedelta(days=1), today + timedelta(days=1), tmp_path) as address:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
        patient.config(CONFIG.format(telegram=address, discord=address))
        (found,) = patient.look("clock")
    assert found.level is level
    assert found.level is Level.OK or "certificate is not valid" in found.finding


def test_a_server_that_speaks_no_http_tells_no_time(patient: Patient):
    """As behind an address with a typing error in it: that is a finding of another check's."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"

        def greet() -> None:
            for _ in range(2):  # one for each platform
                connection, _ = listening.accept()
                connection.sendall(b"SSH-2.0-OpenSSH\r\n")
                connection.close()

        threading.Thread(target=greet, daemon=True).start()
        patient.config(CONFIG.format(telegram=address, discord=address))
        assert patient.look("clock") == []

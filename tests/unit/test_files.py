"""Which files a reply may carry."""

import pytest

from channeld.core.files import refusal

HOME, OWN, INBOX = "/home/u", ["/home/u/.config/channeld", "/srv/state"], ["/srv/state/inbox"]


def may(path):
    """Return whether the rules let a path go."""
    return refusal(path, home=HOME, own=OWN, inbox=INBOX) is None


@pytest.mark.parametrize(
    "path",
    ["/home/u/project/report.pdf", "/tmp/plot.png", "/srv/state/inbox/abc.jpg", "/home/u/environment.txt", "/data/x"],
)
def test_ordinary_files_and_received_ones_may_be_sent(path):
    """Work files go, and so do files that came in."""
    assert may(path)


@pytest.mark.parametrize(
    "path",
    [
        "/srv/state/channeld.db", "/srv/state/spool/x", "/home/u/.config/channeld/credentials/web.token",
        "/proc/self/environ", "/sys/kernel/x", "/dev/sda", "/run/user/1000/bus",
        "/home/u/.ssh/id_ed25519", "/home/u/.aws/credentials", "/home/u/.gnupg/x", "/home/u/.claude/settings.json",
        "/home/u/.claude.json", "/home/u/.config/gh/hosts.yml", "/home/u/.netrc", "/home/u/.kube/config",
        "/home/u/project/.env", "/home/u/project/.env.local", "/home/u/project/.envrc", "/home/u/x/.env-prod",
        "/home/u/project/prod.env", "/home/u/x/server.pem",
        "/home/u/project/.git/config", "/home/u/x/id_rsa", "/home/u/x/bot.token", "/home/u/x/SERVER.PEM",
    ],
)  # fmt: skip
def test_secrets_and_system_files_are_refused_with_a_sentence(path):
    """Every refusal names the file and ends as a sentence."""
    why = refusal(path, home=HOME, own=OWN, inbox=INBOX)
    assert why is not None
    assert path in why
    assert why.endswith(".")

"""``make bench``: prints medians and ratios, and keeps them in ``results.json``."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.benchmarks.bench import Bench, resident_mib
from tests.benchmarks.bots import DISCORD, TELEGRAM, Bot, BotBench, Server
from tests.benchmarks.floor import Floor

RESULTS: Final = Path(__file__).with_name("results.json")
SAMPLES: Final = 300
BURST: Final = 5000
REPLIES: Final = 100
BOT_BURST: Final = 2000
SPAWNS: Final = 20
MORE_SESSIONS: Final = 10


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cb") as name:  # short: it holds Unix sockets
        yield Path(name)


def measure() -> dict[str, float]:
    """Run everything once."""
    with _folder() as folder:
        floor = Floor(folder)
        floor_ms, floor_burst = floor.latency_ms(SAMPLES), floor.burst_per_s(BURST)
        floor.close()
    with _folder() as folder:
        bench = Bench(folder)
        try:
            shim = bench.attach("yes")
            latency = bench.latency_ms(shim, SAMPLES)
            memory, shim_memory = bench.resident_mib(), resident_mib(shim.pid)
            for _ in range(MORE_SESSIONS):
                bench.attach("no")
            per_session = (bench.resident_mib() - memory) / MORE_SESSIONS
            bare, spawn = bench.spawn_ms(SPAWNS)
            accepted, pushed = bench.burst_per_s(shim, BURST)
        finally:
            bench.close()
    return {
        **_measure_bot(TELEGRAM, floor_ms),
        **_measure_bot(DISCORD, floor_ms),
        "latency_ms": latency, "floor_latency_ms": floor_ms, "latency_ratio": latency / floor_ms,
        "burst_accepted_per_s": accepted, "burst_pushed_per_s": pushed, "floor_burst_per_s": floor_burst,
        "burst_ratio": accepted / floor_burst,
        "spawn_ms": spawn, "bare_python_ms": bare, "spawn_ratio": spawn / bare,
        "daemon_mib": memory, "session_mib": per_session, "shim_mib": shim_memory,
    }  # fmt: skip


def _measure_bot(platform: Bot, hop_ms: float) -> dict[str, float]:
    """Measure a bot; its floor is that of the hop and, of Telegram, of an HTTP client that does nothing else."""
    with _folder() as folder:
        server = Server(folder, platform)
        try:
            floor_ms = hop_ms + (server.floor_ms(SAMPLES) if platform is TELEGRAM else 0.0)
            bench = BotBench(folder, server, platform)
            try:
                shim = bench.attach("yes")
                latency = bench.latency_ms(shim, SAMPLES)
                memory = bench.worker_mib()
                reply = bench.reply_ms(shim, REPLIES)
                burst = bench.burst_per_s(shim, BOT_BURST)
            finally:
                bench.close()
        finally:
            server.close()
    found = {
        "ms": latency, "floor_ms": floor_ms, "ratio": latency / floor_ms, "burst_per_s": burst, "reply_ms": reply,
        "reply_ratio": reply / floor_ms, "worker_mib": memory,
    }  # fmt: skip
    return {f"{platform.name}_{what}": value for what, value in found.items()}


def main() -> None:
    """Measure, print and keep."""
    found = measure()
    rows = [
        ("offer → line on the shim's stdout, p50", f"{found['latency_ms']:.2f} ms",
         f"{found['latency_ratio']:.2f} × floor ({found['floor_latency_ms']:.2f} ms)", "≤ 2 ×"),
        (f"burst of {BURST:,} offers, accepted", f"{found['burst_accepted_per_s']:,.0f}/s",
         f"{found['burst_ratio']:.2f} × floor ({found['floor_burst_per_s']:,.0f}/s)", "≥ 5,000/s"),
        ("the same, pushed to the session", f"{found['burst_pushed_per_s']:,.0f}/s", "", ""),
        ("spawn of the shim → initialize answered", f"{found['spawn_ms']:.1f} ms",
         f"{found['spawn_ratio']:.1f} × bare python ({found['bare_python_ms']:.1f} ms)", "≤ 6 ×"),
        ("daemon with one session, resident", f"{found['daemon_mib']:.1f} MiB", "", "≤ 75 MiB"),
        ("each further session", f"{found['session_mib']:.2f} MiB", "", "≤ 0.3 MiB"),
        ("Telegram: update → line on stdout, p50", f"{found['telegram_ms']:.2f} ms",
         f"{found['telegram_ratio']:.2f} × floor ({found['telegram_floor_ms']:.2f} ms)", "≤ 1.7 ms"),
        (f"Telegram: burst of {BOT_BURST:,}, pushed", f"{found['telegram_burst_per_s']:,.0f}/s",
         f"{found['telegram_burst_per_s'] / found['floor_burst_per_s']:.2f} × floor", "≥ 20,000/s"),
        ("Telegram: reply → sendMessage, p50", f"{found['telegram_reply_ms']:.2f} ms",
         f"{found['telegram_reply_ratio']:.2f} × floor", "≤ 0.8 ms"),
        ("Telegram: worker, resident", f"{found['telegram_worker_mib']:.1f} MiB", "", "≤ 45 MiB"),
        ("Discord: message → line on stdout, p50", f"{found['discord_ms']:.2f} ms",
         f"{found['discord_ratio']:.2f} × floor of the hop", ""),
        (f"Discord: burst of {BOT_BURST:,}, pushed", f"{found['discord_burst_per_s']:,.0f}/s",
         f"{found['discord_burst_per_s'] / found['floor_burst_per_s']:.2f} × floor", ""),
        ("Discord: reply → create message, p50", f"{found['discord_reply_ms']:.2f} ms",
         f"{found['discord_reply_ratio']:.2f} × floor", ""),
        ("Discord: worker, resident", f"{found['discord_worker_mib']:.1f} MiB", "", ""),
        ("shim, resident", f"{found['shim_mib']:.1f} MiB", "", "≤ 12 MiB"),
    ]  # fmt: skip
    for what, value, ratio, goal in rows:
        print(f"{what:<42}{value:>12}   {ratio:<34}{'goal ' + goal if goal else ''}")
    record = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        **{k: round(v, 3) for k, v in found.items()},
    }
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

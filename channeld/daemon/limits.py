"""The daemon's deadlines. They are no settings: a test makes them short."""

from __future__ import annotations

from dataclasses import dataclass

from channeld.core import lifecycle, turns


@dataclass(frozen=True, slots=True)
class Limits:
    """Deadlines in seconds."""

    ready_s: float = lifecycle.READY_DEADLINE_S
    silent_s: float = lifecycle.SILENT_LIMIT_S
    drain_s: float = lifecycle.DRAIN_DEADLINE_S
    receipt_s: float = turns.RECEIPT_S
    first_hook_s: float = turns.NO_HOOKS_S
    quiet_turn_s: float = turns.SILENCE_S
    matching_s: float = 0.5  # a permission's notification waits for its hook, which comes within a millisecond or never
    told_after_s: float = 3.0  # a sender is told that his message waits for its turn
    gone_after_s: float = 10.0  # he is told that his session has gone: one that only begins anew is back by then

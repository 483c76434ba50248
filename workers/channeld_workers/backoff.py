"""How long to wait before something that failed is tried again: longer with every failure, and never in step."""

from __future__ import annotations

import random
from collections.abc import Sequence


def pause_s(waits_s: Sequence[float], failures: int) -> float:
    """Return a wait between half and all of the one for so many failures before, in seconds; the last one stays."""
    return waits_s[min(failures, len(waits_s) - 1)] * (0.5 + random.random() / 2)

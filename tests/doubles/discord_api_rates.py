"""Discord's rate limits: buckets with their headers, and whether a client waits as long as it was told to."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.discord_api_calls import Call

USUAL_REQUESTS = 10_000  # without a limit of the test's no client ever has to wait
USUAL_PERIOD_S = 1.0
UNDER_WAY_S = 0.5  # what was sent before the answer arrived is nobody's mistake
EVERY = ("*", "")
MAJOR = ("channel_id", "guild_id", "webhook_id", "token")


@dataclass
class Bucket:
    """So many requests a period, of one route with one major parameter."""

    limit: int
    period_s: float
    times: deque[float] = field(default_factory=deque)

    def take(self, now: float) -> bool:
        """Count a request, if it may be."""
        while self.times and self.times[0] <= now - self.period_s:
            self.times.popleft()
        if len(self.times) >= self.limit:
            return False
        self.times.append(now)
        return True

    def reset_after_s(self, now: float) -> float:
        """Return in how many seconds it is as if no request had come, or the first one after too many may."""
        return max(self.times[0] + self.period_s - now, 0.001) if self.times else self.period_s


@dataclass(frozen=True)
class Refused:
    """A request that came too often."""

    method: str
    channel: int | None
    at: float
    retry_after_s: float
    whole: bool  # the global limit


class Rates:
    """All buckets."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float], violations: list[str]) -> None:
        self._clock = clock
        self._wall = wall
        self._violations = violations
        self._limits: dict[str, tuple[int, float]] = {}
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._quiet: dict[tuple[str, str], tuple[float, float]] = {}  # from when and until when nothing may come
        self.refused: list[Refused] = []

    def limit(self, method: str, requests: int, period_s: float) -> None:
        """Answer 429 to a route's requests beyond so many a period, for each channel by itself."""
        self._limits[method] = (requests, period_s)
        for key in [key for key in self._buckets if key[0] == method]:
            del self._buckets[key]

    def lift(self) -> None:
        """Limit nothing any more."""
        self._limits.clear()
        self._buckets.clear()
        self._quiet.clear()

    def take(self, call: Call) -> dict[str, Any] | None:
        """Count a request; return the body of a 429 if there were too many. The headers of the answer are noted."""
        now = self._clock()
        key = pace(call)
        for waiting in (key, EVERY) if "token" not in call.path else (key,):  # what has a token of its own is exempt
            since, until = self._quiet.get(waiting, (0.0, 0.0))
            if since + UNDER_WAY_S < call.at < until:
                self._violations.append(f"{call.method}: came before retry_after was over")
        limit, period_s = self._limits.get(call.method, (USUAL_REQUESTS, USUAL_PERIOD_S))
        bucket = self._buckets.setdefault(key, Bucket(limit, period_s))
        if not bucket.take(now):
            wait_s = bucket.reset_after_s(now)
            call.headers.update(self._headers(call, bucket, now))
            return self.refuse(call, wait_s)
        call.headers.update(self._headers(call, bucket, now))
        return None

    def refuse(self, call: Call, retry_after_s: float, *, whole: bool = False, scope: str = "user") -> dict[str, Any]:
        """Return the body of a 429, and remember what it says; ``whole`` is the global limit."""
        now = self._clock()
        self._quiet[EVERY if whole else pace(call)] = (now, now + retry_after_s)
        self.refused.append(Refused(call.method, call.channel, now, retry_after_s, whole))
        call.headers["Retry-After"] = str(max(1, round(retry_after_s)))
        call.headers["X-RateLimit-Scope"] = "global" if whole else scope
        if whole:
            call.headers["X-RateLimit-Global"] = "true"
        return {"message": "You are being rate limited.", "retry_after": retry_after_s, "global": whole}

    def _headers(self, call: Call, bucket: Bucket, now: float) -> dict[str, str]:
        after_s = bucket.reset_after_s(now)
        return {
            "X-RateLimit-Limit": str(bucket.limit),
            "X-RateLimit-Remaining": str(bucket.limit - len(bucket.times)),
            "X-RateLimit-Reset": f"{self._wall() + after_s:.3f}",
            "X-RateLimit-Reset-After": f"{after_s:.3f}",
            "X-RateLimit-Bucket": hashlib.md5(call.method.encode(), usedforsecurity=False).hexdigest(),
        }


def pace(call: Call) -> tuple[str, str]:
    """Return what shares one bucket: a route with its major parameters."""
    return call.method, "+".join(call.path[name] for name in MAJOR if name in call.path)

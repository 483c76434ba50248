"""Mention patterns: regular expressions of the configuration, only such as cannot take long on any text.

What a pattern costs at most is reckoned from its parsed form before it is ever used. A sequence is tried once for each
way in which what stands before it can match, so ways multiply; a search begins anew at every character.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from re import _constants as ops  # type: ignore[attr-defined]  # the only parser that reads exactly what re reads
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final, NamedTuple

LONGEST: Final = 200
"""Characters of a pattern."""
SEARCHED: Final = 2000
"""Characters of a text that are searched."""
_MOST_STEPS: Final = 11_000_000
"""Steps that a search may take: less than 50 ms."""
_MOST_VARIANTS: Final = 64
_SINGLE: Final = frozenset({ops.LITERAL, ops.NOT_LITERAL, ops.IN, ops.ANY, ops.CATEGORY})
_REPEATS: Final = frozenset({ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT})

Patterns = tuple[re.Pattern[str], ...]


class BadPattern(ValueError):
    """A pattern cannot be used. The text names it and says why, for whoever wrote the configuration."""


class _Cost(NamedTuple):
    ways: float  # in how many ways it can match from one place
    steps: float  # to try all of them


def compile_patterns(patterns: Iterable[str]) -> Patterns:
    """Return patterns ready for ``matches``; upper and lower case are the same.

    Raises:
        BadPattern: one is no regular expression, too long, or could take long on some text.
    """
    return tuple(_compiled(pattern) for pattern in patterns)


def matches(patterns: Patterns, text: str) -> bool:
    """Tell whether one of the patterns is found in the first 2,000 characters of a text."""
    return any(pattern.search(text, 0, SEARCHED) for pattern in patterns)


def _compiled(pattern: str) -> re.Pattern[str]:
    shown = f"{pattern[:60]!r}{'…' if len(pattern) > 60 else ''}"
    if len(pattern) > LONGEST:
        raise BadPattern(f"The mention pattern {shown} is longer than {LONGEST} characters.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            steps = _search_steps(parser.parse(pattern, re.IGNORECASE))
            compiled = re.compile(pattern, re.IGNORECASE) if steps <= _MOST_STEPS else None
    except _Unsafe as error:
        raise BadPattern(f"The mention pattern {shown} {error}.") from None
    except (re.error, RecursionError, OverflowError, ValueError, Warning) as error:
        raise BadPattern(f"The mention pattern {shown} is no regular expression: {error}.") from None
    if compiled is None:
        raise BadPattern(
            f"The mention pattern {shown} could take very long on some messages: it has repetitions inside or"
            " beside each other, or choices that begin alike."
        )
    if compiled.search(""):
        raise BadPattern(f"The mention pattern {shown} is found in every message, even in an empty one.")
    return compiled


class _Unsafe(Exception):
    """Why a pattern is refused, as the end of a sentence."""


def _search_steps(parsed: Any) -> float:
    """Return how many steps a search through the longest text can take."""
    nodes = list(parsed)
    if nodes and nodes[0] == (ops.AT, ops.AT_BEGINNING) and not parsed.state.flags & re.MULTILINE:
        return _sequence(nodes).steps  # it is tried at one place only
    return sum(_tried_everywhere(variant) for variant in _variants(nodes, _MOST_VARIANTS))


def _tried_everywhere(nodes: Sequence[Any]) -> float:
    """Return the steps of trying a sequence at every place: what follows a word is tried only where the word stands."""
    prefix = _literals(nodes)
    occurrences = SEARCHED / _period(prefix) if prefix else SEARCHED
    return SEARCHED * (1 + _overlaps(prefix)) + occurrences * _sequence(nodes[len(prefix) :]).steps


def _variants(nodes: Sequence[Any], most: int) -> list[list[Any]]:
    """Return sequences that together try what one does, with the choices near its beginning already made."""
    head: list[Any] = []
    nodes = list(nodes)
    while nodes:
        op, value = nodes.pop(0)
        if op is ops.LITERAL:
            head.append((op, value))
        elif op is ops.SUBPATTERN:
            nodes = [*value[3], *nodes]
        elif op is ops.AT:
            continue  # it may only make what follows rarer
        else:
            break
    else:
        return [head]
    if op is ops.BRANCH and len(value[1]) <= most:
        choices = [list(branch) for branch in value[1]]
    elif op in _REPEATS and value[:2] == (0, 1) and most >= 2:
        choices = [list(value[2]), []]
    else:
        return [[*head, (op, value), *nodes]]
    return [found for choice in choices for found in _variants([*head, *choice, *nodes], most // len(choices))]


def _sequence(nodes: Sequence[Any]) -> _Cost:
    ways, steps, at = 1.0, 0.0, 0
    while at < len(nodes):
        prefix = _literals(nodes[at:])
        if prefix:
            cost, at = _Cost(1, 1 + _overlaps(prefix)), at + len(prefix)
        else:
            cost, at = _cost(*nodes[at]), at + 1
        steps += ways * cost.steps
        ways *= cost.ways
    return _Cost(ways, steps)


def _cost(op: Any, value: Any) -> _Cost:
    if op in _SINGLE:
        return _Cost(1, 1 + (0.75 * len(value) if op is ops.IN else 0))
    if op is ops.AT:
        return _Cost(1, 3)  # the characters on both sides are looked at
    if op is ops.SUBPATTERN:
        return _sequence(list(value[3]))
    if op is ops.ATOMIC_GROUP:
        return _sequence(list(value))
    if op is ops.BRANCH:
        costs = [_sequence(list(branch)) for branch in value[1]]
        return _Cost(sum(cost.ways for cost in costs), sum(cost.steps for cost in costs) + len(costs))
    if op in _REPEATS:
        return _repeat(*value)
    if op in {ops.ASSERT, ops.ASSERT_NOT}:
        direction, body = value
        if direction < 0 and _repeats(body):
            raise _Unsafe("has a repetition in what must stand before")
        return _Cost(1, _sequence(list(body)).steps + 1)
    if op in {ops.GROUPREF, ops.GROUPREF_EXISTS}:
        raise _Unsafe("refers back to what it has matched, which can take very long")
    raise _Unsafe("has a part that channeld does not know")


def _repeat(least: int, most: int, body: Any) -> _Cost:
    """Return the cost of a repetition: without bound only of what matches in one way, and never of nothing."""
    once = _sequence(list(body))
    highest = min(most, SEARCHED)
    if once.ways > 1:
        if most > SEARCHED:
            raise _Unsafe("repeats something that can match in several ways, which can take very long")
        try:
            ways = sum(once.ways**times for times in range(min(least, highest), highest + 1))
        except OverflowError:
            ways = float("inf")
        return _Cost(ways, ways * max(once.steps, 1))
    ways = max(highest - least, 0) + 1
    # Short ones are begun so often that this is most of what they cost.
    to_begin = 5 + 2 * ways if most <= SEARCHED else 1
    return _Cost(ways, highest * max(once.steps, 1) + to_begin)


def _repeats(nodes: Any) -> bool:
    return any(op in _REPEATS or any(_repeats(inner) for inner in _inner(op, value)) for op, value in nodes)


def _inner(op: Any, value: Any) -> list[Any]:
    if op is ops.SUBPATTERN:
        return [value[3]]
    if op is ops.BRANCH:
        return list(value[1])
    if op in {ops.ASSERT, ops.ASSERT_NOT}:
        return [value[1]]
    return [value] if op is ops.ATOMIC_GROUP else []


def _literals(nodes: Sequence[Any]) -> list[int]:
    """Return the characters that a sequence begins with."""
    found: list[int] = []
    for op, value in nodes:
        if op is not ops.LITERAL:
            break
        found.append(ord(chr(value).lower()[0]))
    return found


def _failures(word: list[int]) -> list[int]:
    """Return for each beginning of a word how long its longest beginning is that is also its end."""
    lengths = [0]
    for at in range(1, len(word)):
        length = lengths[-1]
        while length and word[at] != word[length]:
            length = lengths[length - 1]
        lengths.append(length + (word[at] == word[length]))
    return lengths


def _period(word: list[int]) -> int:
    """Return how far apart two occurrences of a word stand at least."""
    return len(word) - _failures(word)[-1]


def _overlaps(word: list[int]) -> int:
    """Return how many begun occurrences of a word can run side by side: as many comparisons a character costs."""
    if not word:
        return 0
    lengths = _failures(word)
    chains: list[int] = []
    for length in lengths:
        chains.append(1 + (chains[length - 1] if length else 0))
    return max(chains)

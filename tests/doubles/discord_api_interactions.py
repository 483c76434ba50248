"""Presses, choices, modals and commands, and the three seconds a bot has to answer them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False)
class Interaction:
    """Something that a person did and that waits for an answer."""

    id: int
    token: str

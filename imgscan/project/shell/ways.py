"""The nouns of reading a script for the calls that it makes, and the signals that end parts of the reading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imgscan.frozen import frozen


@frozen(kw_only=False)
class Script:
    """A script to be read: its path and text, and how others are found by their path's known end."""

    path: str
    text: str
    find: Callable[[str, str], tuple[str, str] | None]


@frozen(kw_only=False)
class Made:
    """A call that a path makes: its words, whether the user was asked before, whether it is certain."""

    words: tuple[str, ...]
    asked: bool
    sure: bool


@frozen(kw_only=False)
class Path:
    """One way through the script. `stopped`: why the reading ended early, None if it did not."""

    made: tuple[Made, ...]
    asked: bool
    stopped: str | None = None


@dataclass(slots=True)
class Budget:
    """How many steps may still be read: for all ways through a script together."""

    left: int


class ExitSignal(Exception):
    """`exit`, `exec`, or a failure under errexit."""


class ReturnSignal(Exception):
    """`return`."""


class LoopSignal(Exception):
    """`break` and `continue`."""

    def __init__(self, again: bool, levels: int = 1) -> None:
        super().__init__()
        self.again = again
        self.levels = levels


class StopSignal(Exception):
    """What this does not follow, or too much of it."""

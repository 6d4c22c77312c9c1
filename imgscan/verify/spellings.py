"""The ways to write `down` with a volume flag, and calls beside them that must reach the engine or do no harm."""

from __future__ import annotations

from typing import Final

PLAIN: Final = ("down",)
"""A wrapper passes this on; a script that does not is none, or cannot be judged."""

SPELLINGS: Final[tuple[tuple[str, ...], ...]] = (
    ("down", "-v"),
    ("down", "--volumes"),
    ("down", "-v", "--remove-orphans"),
    ("down", "--remove-orphans", "-v"),
    ("down", "--volumes=true"),
    ("down", "-v=true"),
    ("down", "-t", "0", "-v"),
    ("down", "-vt0"),
    ("down", "--rmi", "local", "--volumes"),
    ("down", "-v", "-v"),
    ("--profile", "*", "down", "-v"),
    ("-p", "docker", "down", "-v"),
    ("--progress", "plain", "down", "-v"),
    ("volume", "prune", "-f"),
    ("system", "prune", "-f", "--volumes"),
    ("rm", "-f", "-s", "-v"),
    ("up", "-V"),
    (),
)
"""As the wrapper's arguments. `up -V` and `rm -v` take anonymous volumes alone, `prune` is no verb of compose; they show
what a wrapper makes of words that it did not expect."""

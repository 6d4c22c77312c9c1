"""How a user may ask compose to delete volumes: the arguments that a wrapper's guard is held against.

Options may come in any order, before or after the verb, alone, in a cluster of short ones or with a value (pflag, which
compose uses, and `docker compose --help`).
"""

from __future__ import annotations

from typing import Final

from imgscan.frozen import frozen
from imgscan.project.data.removal import Removes


@frozen(kw_only=False)
class Spelling:
    """The arguments, and which volumes compose deletes for them."""

    words: tuple[str, ...]
    removes: Removes

    @property
    def text(self) -> str:
        """As one would type it."""
        return " ".join(f"'{word}'" if "*" in word else word for word in self.words)


def _spelling(line: str, removes: Removes = Removes.MANAGED) -> Spelling:
    return Spelling(tuple(word.strip("'") for word in line.split(" ")), removes)


SPELLINGS: Final[tuple[Spelling, ...]] = (
    _spelling("down -v"),
    _spelling("down --volumes"),
    _spelling("down -v --remove-orphans"),
    _spelling("down --remove-orphans -v"),
    _spelling("down --volumes=true"),
    _spelling("down -v=true"),
    _spelling("down -t 0 -v"),
    _spelling("down -vt0"),
    _spelling("down --rmi local --volumes"),
    _spelling("down -v -v"),
    _spelling("--profile '*' down -v"),
    _spelling("-p docker down -v"),
    _spelling("--progress plain down -v"),
    _spelling("rm -v", Removes.ANONYMOUS),
    _spelling("rm -fsv", Removes.ANONYMOUS),
    _spelling("rm --stop --force --volumes", Removes.ANONYMOUS),
    _spelling("up -V", Removes.ANONYMOUS),
    _spelling("up -d -V", Removes.ANONYMOUS),
)
"""Every spelling that deletes what compose manages comes before those that delete anonymous volumes only."""

HARMLESS: Final[tuple[tuple[str, ...], ...]] = (("ps",), ("down",), ("logs",))
"""Calls that a wrapper is expected to let through: by them one knows that a script is a wrapper."""

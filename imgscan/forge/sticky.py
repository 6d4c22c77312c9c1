"""One comment that stays: the comments there are, who we are and what to say -> what to do. Pure.

Ours is what we wrote and what begins with our marker: anybody can write the marker, nobody can write as us.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from imgscan.frozen import frozen


@frozen
class Comment:
    """A comment on a pull request; `author` is the login name, "" of somebody who is gone."""

    id: int
    author: str
    body: str


class Act(StrEnum):
    """What to do about the comment itself."""

    CREATE = "create"
    UPDATE = "update"
    SKIP = "skip"


@frozen
class Plan:
    """`comment_id` is that of the comment that stays, None if there is none; `duplicates` are to be deleted."""

    act: Act
    comment_id: int | None = None
    duplicates: tuple[int, ...] = ()


def make_plan(comments: Iterable[Comment], *, me: str, marker: str, body: str, create: bool) -> Plan:
    """The oldest of ours stays and is brought up to date if it says something else; later ones go. None is created
    unless `create`."""
    ours = sorted((c for c in comments if is_ours(c, me, marker)), key=lambda comment: comment.id)
    if not ours:
        return Plan(act=Act.CREATE if create else Act.SKIP)
    first, *rest = ours
    return Plan(
        act=Act.SKIP if _same(first.body, body) else Act.UPDATE,
        comment_id=first.id,
        duplicates=tuple(comment.id for comment in rest),
    )


def is_ours(comment: Comment, me: str, marker: str) -> bool:
    """Whether we wrote it, and as the comment of this name. Login names differ by more than case."""
    first_line = comment.body.replace("\r\n", "\n").split("\n", 1)[0]
    return bool(me) and comment.author.casefold() == me.casefold() and first_line.rstrip() == marker


def _same(one: str, other: str) -> bool:
    """Forges keep line ends and the blanks around a text as they like."""
    return one.replace("\r\n", "\n").strip() == other.replace("\r\n", "\n").strip()

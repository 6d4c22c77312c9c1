"""Putting the comment there: a forge and a body -> one comment of ours, in the state that was asked for.

Somebody else may do so at the same time, or delete what we are about to change: so what was found is looked at anew
whenever it turned out to be otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from imgscan.errors import EngineError
from imgscan.forge.api import Api
from imgscan.forge.refusals import GoneError
from imgscan.forge.sticky import Act, Comment, Plan, make_plan
from imgscan.frozen import frozen
from imgscan.source.backoff import TransientError

_TRIES: Final = 3


class Forge(Protocol):
    """The comments of one pull request. Every method raises EngineError; `create` UnsureError, too."""

    api: Api

    def me(self) -> str:
        """The login name that the token writes as."""
        ...

    def comments(self) -> Iterable[Comment]:
        """Those that people and programs wrote, of every page."""
        ...

    def create(self, body: str) -> Comment:
        """A new one."""
        ...

    def update(self, comment_id: int, body: str) -> None:
        """Another text for one that is there."""
        ...

    def delete(self, comment_id: int) -> None:
        """Take one away."""
        ...


@frozen
class Posted:
    """What was done, to which comment (None: there is none), how many duplicates went, and as whom we wrote if that is
    not who we took ourselves for."""

    act: Act
    comment_id: int | None
    deleted: int = 0
    stranger: str = ""


def post(forge: Forge, *, marker: str, body: str, create: bool) -> Posted:
    """See to it that the comment of this marker says `body`; none is made unless `create`.

    Raises RefusedError if the token may not, EngineError.
    """
    return forge.api.retrying(
        lambda: _post(forge, marker, body, create=create), "posting the comment", also_unsure=True
    )


def _post(forge: Forge, marker: str, body: str, *, create: bool) -> Posted:
    me = forge.me()
    for _ in range(_TRIES):
        plan = make_plan(forge.comments(), me=me, marker=marker, body=body, create=create)
        try:
            return _carry_out(forge, plan, me, body)
        except _ChangedError:
            continue
    raise TransientError("the comments change while they are read")


class _ChangedError(Exception):
    """The comment to update is gone."""


def _carry_out(forge: Forge, plan: Plan, me: str, body: str) -> Posted:
    comment_id, stranger = plan.comment_id, ""
    if plan.act is Act.CREATE:
        made = forge.create(body)
        comment_id = made.id
        stranger = made.author if made.author.casefold() != me.casefold() else ""
    elif plan.act is Act.UPDATE and plan.comment_id is not None:
        try:
            forge.update(plan.comment_id, body)
        except GoneError as error:
            raise _ChangedError from error
    return Posted(act=plan.act, comment_id=comment_id, deleted=_delete(forge, plan.duplicates), stranger=stranger)


def _delete(forge: Forge, duplicates: Iterable[int]) -> int:
    """A duplicate that stays is no reason to fail: the comment itself is right."""
    count = 0
    for comment_id in duplicates:
        try:
            forge.delete(comment_id)
        except EngineError:
            continue
        count += 1
    return count

"""Parts that open something together and are found by a rule each: a key id and its secret.

In: located hits. Out: the hits, as bad as they are together, and where the other parts are, in words. What holds no
secret and belongs to one all the same, as a user to a password, is `beside`'s.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, TypeVar

from imgscan.detect.secrets.beside import NEAR_LINES
from imgscan.detect.secrets.hits import SecretHit
from imgscan.frozen import frozen
from imgscan.model import Location, Place, Severity

_FILES: Final = frozenset({Place.FILE, Place.CONTEXT, Place.COMPOSE, Place.DOCKERFILE, Place.SCRIPT})


class Parts(NamedTuple):
    """Two rules whose secrets are of no use without each other: an id, which says little alone, and its secret; `more`
    is a third part that some have."""

    key_id: str
    id_name: str
    secret: str
    secret_name: str
    more: str = ""
    more_name: str = ""
    alone: Severity = Severity.LOW
    together: Severity = Severity.CRITICAL


PARTS: Final = (
    Parts(
        "secret-aws-access-key",
        "key id",
        "secret-aws-secret-key",
        "secret key",
        "secret-aws-session-token",
        "session token",
    ),
    Parts("secret-razorpay-key-id", "key id", "secret-razorpay-secret", "secret"),
    Parts("secret-tencent-key", "secret id", "secret-tencent-secret", "secret key"),
)


Item = TypeVar("Item")


@frozen
class Joined:
    """A hit with what is known of it now, and what stands beside it, in words."""

    hit: SecretHit
    beside: tuple[str, ...] = ()


def join(items: Sequence[Item], view: Callable[[Item], tuple[SecretHit, Location]]) -> Iterator[tuple[Item, Joined]]:
    """Each located hit with its parts: an id without its secret is as bad as `alone`, both are as bad as `together`.
    What is told for information only, as known to everybody, opens nothing and is no part."""
    roles = {rule: (each, role) for each in PARTS for role, rule in enumerate((each.key_id, each.secret, each.more))}
    documents: dict[tuple[object, ...], dict[str, _Found]] = {}
    for item in items:
        hit, location = view(item)
        if _is_part(hit, roles):
            found = documents.setdefault(_document(location), {}).setdefault(hit.rule.id, [])
            found.append((location.line or 0, location.path or ""))
    for found in (each for document in documents.values() for each in document.values()):
        found.sort()
    for item in items:
        hit, location = view(item)
        if not _is_part(hit, roles):
            yield item, Joined(hit=hit)
            continue
        parts, role = roles[hit.rule.id]
        yield item, _with_parts(parts, role, hit, location, documents[_document(location)])


def _is_part(hit: SecretHit, roles: Container[str]) -> bool:
    return hit.rule.id in roles and hit.severity is not Severity.INFO


_Found = list[tuple[int, str]]
"""Lines and paths at which a rule found something in one document, sorted."""


def _with_parts(parts: Parts, role: int, hit: SecretHit, location: Location, others: Mapping[str, _Found]) -> Joined:
    names = {parts.key_id: parts.id_name, parts.secret: parts.secret_name, parts.more: parts.more_name}
    near = {rule: _nearest(location, others.get(rule, [])) for rule in names if rule != hit.rule.id}
    told = tuple(f"its {names[rule]} is {where}" for rule, where in near.items() if where)
    if role == 0:
        hit = replace(hit, severity=parts.together if near[parts.secret] else min(hit.severity, parts.alone, key=_rank))
    elif role == 1 and near[parts.key_id]:
        hit = replace(hit, severity=parts.together)
    return Joined(hit=hit, beside=told)


def _nearest(location: Location, found: _Found) -> str:
    """Where the nearest of what was found stands, in words; "" if none is near."""
    if location.place not in _FILES:
        return f"in {found[0][1]}" if found else ""
    line = location.line or 0
    at = bisect_left(found, (line, ""))
    lines = [other for other, _ in found[max(at - 1, 0) : at + 1] if abs(other - line) <= NEAR_LINES]
    return f"on line {min(lines, key=lambda other: abs(other - line))}" if lines else ""


def _rank(severity: Severity) -> int:
    return severity.rank


def _document(location: Location) -> tuple[object, ...]:
    """What stands together: a file, or all of an environment, of a history."""
    if location.place in _FILES:
        return location.place, location.layer, location.path, location.inside
    return (location.place,)

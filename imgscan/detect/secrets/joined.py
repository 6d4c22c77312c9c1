"""Parts that open something together: a key id and its secret, a user, a password and a host.

In: located hits, or a variable's name and the text around it. Out: what stands beside it, in words. Two tables say what
belongs together: rules of which both are found, and names of which only one holds a secret.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, TypeVar

from imgscan.detect.secrets.confirm import Match
from imgscan.detect.secrets.hits import SecretHit
from imgscan.detect.secrets.redact import assigned_name
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Location, Place, Severity

NEAR_LINES: Final = 20
"""So many lines apart two parts of one thing may stand in a file."""
_NEAR_BYTES: Final = 4096
_NAME_BYTES: Final = 160
_FILES: Final = frozenset({Place.FILE, Place.CONTEXT, Place.COMPOSE, Place.DOCKERFILE, Place.SCRIPT})
_ASSIGNMENT: Final = lazy_re(
    rb"([A-Za-z_][A-Za-z0-9_.-]{0,80})[\"']?[ \t]{0,8}(?:=>|:=|[:=])[ \t]{0,8}[\"']?([^\s\"'`,;<>{}]{1,200})"
)
_WORDS: Final = lazy_re(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_HOST: Final = lazy_re(rb"(?:[a-z][a-z-]{0,30}|(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z0-9-]{1,63})(?::[0-9]{1,5})?")


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
)


class Group(NamedTuple):
    """Endings of names of one thing: `secret` those of the secret, `others` those of what goes with it; `hosts` are
    those that say where it opens."""

    secret: tuple[str, ...]
    others: tuple[str, ...]
    hosts: tuple[str, ...] = ()


_HOSTS: Final = ("HOST", "HOSTNAME", "SERVER", "ADDR", "ADDRESS", "ENDPOINT", "URL")
GROUPS: Final = (
    Group(("CLIENT_SECRET",), ("CLIENT_ID", "TENANT_ID", "DOMAIN", "ISSUER")),
    Group(("AUTH_TOKEN", "API_KEY_SECRET"), ("ACCOUNT_SID", "API_KEY_SID", "API_KEY")),
    Group(("SECRET_ACCESS_KEY", "SECRET_KEY"), ("ACCESS_KEY_ID", "ACCESS_KEY", "REGION"), ("ENDPOINT", "ENDPOINT_URL")),
    Group(("ACCOUNT_KEY", "STORAGE_KEY"), ("ACCOUNT_NAME", "STORAGE_ACCOUNT", "ACCOUNT")),
    Group(("CONSUMER_SECRET", "API_SECRET"), ("CONSUMER_KEY", "API_KEY")),
    Group(("ACCESS_TOKEN_SECRET",), ("ACCESS_TOKEN",)),
    Group(("PGPASSWORD",), ("PGUSER", "PGDATABASE"), ("PGHOST",)),
    Group(("ROOT_PASSWORD",), ("USER", "DATABASE", "DB"), _HOSTS),
    Group(("PASSWORD", "PASSWD", "PASS", "PWD"), ("USER", "USERNAME", "LOGIN", "DATABASE", "DB", "NAME"), _HOSTS),
)
"""The first group whose secret ends a name is taken."""


Item = TypeVar("Item")


@frozen
class Joined:
    """A hit with what is known of it now, and what stands beside it, in words."""

    hit: SecretHit
    beside: tuple[str, ...] = ()


def beside(name: str, text: bytes) -> str:
    """What stands in `text` that belongs to the secret of a variable, by its name: `DB_USER and DB_HOST (db.internal)
    stand beside it`. "" if nothing does. Of values only a host's is shown."""
    plain = _plain(name)
    ending, group = next(((e, g) for g in GROUPS for e in g.secret if _ends(plain, e)), ("", None))
    if group is None:
        return ""
    stem = plain[: len(plain) - len(ending)]
    wanted = {stem + part: number for number, part in enumerate((*group.others, *group.hosts))}
    found: dict[int, str] = {}
    for match in _ASSIGNMENT.finditer(text):
        other = match.group(1).decode("ascii")
        number = wanted.get(_plain(other))
        if number is None or number in found:
            continue
        host = match.group(2) if number >= len(group.others) else b""
        shown = f" ({host.decode('ascii')})" if host and _HOST.fullmatch(host) is not None else ""
        found[number] = other + shown
    names = [found[number] for number in sorted(found)]
    if not names:
        return ""
    listed = ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
    return f"{listed} {'stand' if len(names) > 1 else 'stands'} beside it"


def with_beside(hit: SecretHit, match: Match, data: bytes) -> SecretHit:
    """The hit of a match in a block, with what stands near it there."""
    name = match.name or assigned_name(bytes(data[max(match.start - _NAME_BYTES, 0) : match.start]))
    words = beside(name, around(data, match.start)) if name else ""
    return replace(hit, beside=words) if words else hit


def around(data: bytes, at: int) -> bytes:
    """The text that is near an offset: so many lines before and after it, and not more bytes than these have."""
    low, high = max(at - _NEAR_BYTES, 0), at + _NEAR_BYTES
    before = bytes(data[low:at]).split(b"\n")[-NEAR_LINES - 1 :]
    after = bytes(data[at:high]).split(b"\n")[: NEAR_LINES + 1]
    return b"\n".join(before) + b"\n".join(after)


def _plain(name: str) -> str:
    """`dbPassword`, `db.password` and `DB-PASSWORD` as DB_PASSWORD."""
    return "_".join(word.upper() for word in _WORDS.findall(name))


def _ends(name: str, ending: str) -> bool:
    return name == ending or name.endswith("_" + ending)


def join(items: Sequence[Item], view: Callable[[Item], tuple[SecretHit, Location]]) -> Iterator[tuple[Item, Joined]]:
    """Each located hit with its parts: an id without its secret is as bad as `alone`, both are as bad as `together`."""
    roles = {rule: (each, role) for each in PARTS for role, rule in enumerate((each.key_id, each.secret, each.more))}
    documents: dict[tuple[object, ...], dict[str, _Found]] = {}
    for item in items:
        hit, location = view(item)
        if hit.rule.id in roles:
            found = documents.setdefault(_document(location), {}).setdefault(hit.rule.id, [])
            found.append((location.line or 0, location.path or ""))
    for found in (each for document in documents.values() for each in document.values()):
        found.sort()
    for item in items:
        hit, location = view(item)
        if hit.rule.id not in roles:
            yield item, Joined(hit=hit)
            continue
        parts, role = roles[hit.rule.id]
        yield item, _with_parts(parts, role, hit, location, documents[_document(location)])


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

"""What stands beside a secret and belongs to it, though it is none itself: the user and the host of a password.

In: the name of a variable and the assignments around it. Out: which of them go with it, in words; a table says so.
Each stretch of a block is looked through once, however many secrets stand in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from imgscan.detect.secrets.confirm import Match
from imgscan.detect.secrets.hits import SecretHit
from imgscan.detect.secrets.redact import assigned_name
from imgscan.lazyre import lazy_re

NEAR_LINES: Final = 20
"""So many lines before and after a secret belong to what is around it."""
_NEAR_BYTES: Final = 4096
_NAME_BYTES: Final = 160
_STRETCH_BYTES: Final = 4096
_LONGEST_ASSIGNMENT: Final = 512
# A name begins where no other one goes on: else a long text without an end would be tried at each of its letters.
_ASSIGNMENT: Final = lazy_re(
    rb"(?<![A-Za-z0-9_])([A-Za-z_][A-Za-z0-9_.-]{0,80})[\"']?[ \t]{0,8}(?:=>|:=|[:=])[ \t]{0,8}"
    rb"[\"']?([^\s\"'`,;<>{}]{1,200})"
)
_WORDS: Final = lazy_re(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_HOST: Final = lazy_re(rb"(?:[a-z][a-z-]{0,30}|(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z0-9-]{1,63})(?::[0-9]{1,5})?")


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


class Neighbour(NamedTuple):
    """A name that something is assigned to, at an offset; `plain` is its form in which names are compared."""

    at: int
    name: str
    plain: str
    value: bytes


class Neighbours:
    """The assignments of a block, looked for where somebody asks for them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._stretches: dict[int, tuple[Neighbour, ...]] = {}
        self._all: Mapping[str, Neighbour] | None = None

    def near(self, at: int) -> Mapping[str, Neighbour]:
        """Those so many lines around an offset, and not more bytes than these have, by their plain names; the first of
        each name."""
        low, high = _around(self.data, at)
        return _by_name(each for each in self._between(low, high) if low <= each.at < high)

    def all(self) -> Mapping[str, Neighbour]:
        """Those of the whole block."""
        if self._all is None:
            self._all = _by_name(self._between(0, len(self.data)))
        return self._all

    def _between(self, low: int, high: int) -> Iterator[Neighbour]:
        for number in range(low // _STRETCH_BYTES, -(-high // _STRETCH_BYTES)):
            if number not in self._stretches:
                self._stretches[number] = tuple(self._find(number * _STRETCH_BYTES))
            yield from self._stretches[number]

    def _find(self, begin: int) -> Iterator[Neighbour]:
        end = begin + _STRETCH_BYTES
        for match in _ASSIGNMENT.finditer(self.data, begin, end + _LONGEST_ASSIGNMENT):
            if match.start() >= end:
                return
            name = match.group(1).decode("ascii")
            yield Neighbour(match.start(), name, _plain(name), match.group(2))


def beside(name: str, others: Callable[[], Mapping[str, Neighbour]]) -> str:
    """What of `others` belongs to the secret of a variable, by its name: `DB_USER and DB_HOST (db.internal) stand
    beside it`. "" if nothing does. Of values only a host's is shown."""
    plain = _plain(name)
    ending, group = next(((e, g) for g in GROUPS for e in g.secret if _ends(plain, e)), ("", None))
    if group is None:
        return ""
    stem = plain[: len(plain) - len(ending)]
    around = others()
    names = [
        _shown(around[stem + part], is_host=part in group.hosts)
        for part in (*group.others, *group.hosts)
        if stem + part in around
    ]
    if not names:
        return ""
    listed = ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
    return f"{listed} {'stand' if len(names) > 1 else 'stands'} beside it"


def with_beside(hit: SecretHit, match: Match, around: Neighbours) -> SecretHit:
    """The hit of a match in a block, with what stands near it there."""
    name = match.name or assigned_name(around.data[max(match.start - _NAME_BYTES, 0) : match.start])
    words = beside(name, lambda: around.near(match.start)) if name else ""
    return replace(hit, beside=words) if words else hit


def _shown(found: Neighbour, *, is_host: bool) -> str:
    return f"{found.name} ({found.value.decode('ascii')})" if is_host and _HOST.fullmatch(found.value) else found.name


def _around(data: bytes, at: int) -> tuple[int, int]:
    low, high = max(at - _NEAR_BYTES, 0), min(at + _NEAR_BYTES, len(data))
    begin, end = at, at
    for _ in range(NEAR_LINES + 1):
        begin = data.rfind(b"\n", low, begin)
        if begin < 0:
            break
    for _ in range(NEAR_LINES + 1):
        end = data.find(b"\n", end, high) + 1
        if not end:
            break
    return begin + 1 if begin >= 0 else low, end or high


def _by_name(found: Iterator[Neighbour]) -> Mapping[str, Neighbour]:
    by_name: dict[str, Neighbour] = {}
    for each in found:
        by_name.setdefault(each.plain, each)
    return by_name


def _plain(name: str) -> str:
    """`dbPassword`, `db.password` and `DB-PASSWORD` as DB_PASSWORD."""
    return "_".join(word.upper() for word in _WORDS.findall(name))


def _ends(name: str, ending: str) -> bool:
    return name == ending or name.endswith("_" + ending)

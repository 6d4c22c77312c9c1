"""A secret found in a document; packed for another process or for storage; overlapping hits folded into one."""

from __future__ import annotations

import hashlib
import hmac
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from enum import Enum
from typing import Final

from imgscan.detect.secrets.keystores import KEYSTORE, find_keystore
from imgscan.detect.secrets.places import INSIDE
from imgscan.detect.secrets.redact import excerpt, is_strong
from imgscan.detect.secrets.rules import SecretRule, Weight
from imgscan.frozen import frozen
from imgscan.model import Confidence, Severity, Validity

_SEALED: Final = "~"
_SHOWN_DIGITS: Final = 2
"""Of the identity of a secret that could be guessed so much goes into a fingerprint; see `secret_fingerprint_parts`."""


@frozen
class SecretHit:
    """A secret found in a document.

    `line` counts from 1 and `offset` is in bytes, both in the document; `context` is a redacted excerpt. `detail` is
    what an offline check learnt (an AWS account number, "encrypted"), never part of the secret; `proven` says that a
    checksum fits; `public` is the fingerprint of a private key's public half; `beside` says in words what belongs to it
    and stands near. `severity` and `confidence` are those of the text: whose place it stands in is weighed later
    (`weighing`). `mark` is the comment beside it that asks to ignore it (see `marks`), its name alone. `secret` is
    plaintext: it must go nowhere but into `redact` and `secret_fingerprint_parts`. A hit that was kept from an earlier
    scan, or sealed, has no plaintext, but the `identity` that it had then. `inside` is the path of an archive's member,
    if it lies in one (`lib/a.jar!/app.properties`): `line` and `offset` are that member's then.
    """

    rule: SecretRule
    secret: bytes = field(repr=False)
    line: int
    offset: int
    context: str
    validity: Validity
    confidence: Confidence
    severity: Severity
    detail: str = ""
    proven: bool = False
    kept_identity: str = ""
    inside: str = ""
    mark: str = ""
    public: str = ""
    beside: str = ""

    @property
    def identity(self) -> str:
        """What makes it the same secret elsewhere: SHA-256 over rule and secret, in hexadecimal; sealed, see
        `seal_hit`."""
        return self.kept_identity or hashlib.sha256(self.rule.id.encode() + b"\0" + self.secret).hexdigest()

    @property
    def is_strong(self) -> bool:
        """Whether nobody can find the secret by trying; only such hits are kept."""
        return _SEALED not in self.kept_identity if self.kept_identity else is_strong(self.secret)

    @property
    def members(self) -> tuple[str, ...]:
        """The archives' members on the way to it."""
        return tuple(self.inside.split(INSIDE)) if self.inside else ()

    def path_in(self, file: str) -> str:
        """The path for readers, where `file` is that of the file in which it was found."""
        return f"{file}{INSIDE}{self.inside}" if self.inside else file


def seal_hit(hit: SecretHit, key: bytes) -> SecretHit:
    """The hit without its plaintext, and of the same fingerprint. The identity of one that could be guessed is an
    HMAC-SHA256 under `key`: who has not got that cannot try."""
    identity = hit.identity
    if not hit.kept_identity and not hit.is_strong:
        sealed = hmac.new(key, hit.rule.id.encode() + b"\0" + hit.secret, hashlib.sha256).hexdigest()
        identity = identity[:_SHOWN_DIGITS] + _SEALED + sealed
    return replace(hit, secret=b"", kept_identity=identity)


PackedHit = tuple[str, bytes, int, int, str, Validity, Confidence, Severity, str, bool, str, str, str, str, str]
"""A hit as plain values, its rule by its id."""


class Form(Enum):
    """What of a secret goes into a packed hit."""

    PLAIN = "the secret, for another process"
    DIGEST = "its identity, for storage: only of strong secrets"
    PLACE = "nothing, for storage: it can be looked up"


def pack_hit(hit: SecretHit, form: Form = Form.PLAIN) -> PackedHit:
    """A hit as plain values."""
    return (
        hit.rule.id,
        hit.secret if form is Form.PLAIN else b"",
        hit.line,
        hit.offset,
        hit.context,
        hit.validity,
        hit.confidence,
        hit.severity,
        hit.detail,
        hit.proven,
        hit.identity if form is Form.DIGEST else hit.kept_identity,
        hit.inside,
        hit.mark,
        hit.public,
        hit.beside,
    )


def unpack_hit(packed: PackedHit, rules: Mapping[str, SecretRule]) -> SecretHit:
    """The hit again. Raises KeyError for a rule that is not among `rules`."""
    rule_id, secret, line, offset, context, validity, confidence, severity, detail, proven, *more = packed
    identity, inside, mark, public, beside = more
    return SecretHit(
        rule=rules[rule_id],
        secret=secret,
        line=line,
        offset=offset,
        context=context,
        validity=validity,
        confidence=confidence,
        severity=severity,
        detail=detail,
        proven=proven,
        kept_identity=identity,
        inside=inside,
        mark=mark,
        public=public,
        beside=beside,
    )


@frozen
class Candidate:
    """A hit and the stretches of the document that its secret and its whole match cover.

    `hit` is None where an own rule looked and found a specimen or a reference: a foreign rule that knows less about the
    same text is not listened to there. `packed`: the stretch holds more than this secret, and of what it holds each is
    there once.
    """

    hit: SecretHit | None
    start: int
    end: int
    match_start: int
    match_end: int
    packed: bool = False


def keystore_candidates(rules: Mapping[str, SecretRule], data: bytes) -> list[Candidate]:
    """The key store that a document beginning with `data` is, if it is one: at most one candidate."""
    found, rule = find_keystore(data), rules.get(KEYSTORE)
    if found is None or rule is None:
        return []
    secret = data[found.start : found.end]
    hit = SecretHit(
        rule=rule,
        secret=secret,
        line=1,
        offset=found.start,
        context=excerpt(b"", secret, reveal=False),
        validity=Validity.UNKNOWN,
        confidence=found.confidence,
        severity=found.severity,
        detail=found.kind,
    )
    return [Candidate(hit=hit, start=found.start, end=found.end, match_start=0, match_end=found.end)]


def fold(candidates: Iterable[Candidate]) -> list[SecretHit]:
    """One hit for each stretch of text: the rule that says more about it wins, then the longer secret. A foreign rule's
    hit is folded into any own hit, and dropped in any text found harmless, whose match it touches. Sorted by place."""
    secrets, matches = _Spans(), _Spans()
    kept = []
    for candidate in sorted(candidates, key=_rank):
        whole = candidate.match_start, candidate.match_end
        if candidate.hit is None:
            matches.add(*whole)
            continue
        foreign = candidate.hit.rule.weight is Weight.FOREIGN
        taken = secrets.touch(candidate.start, candidate.end) or (foreign and matches.touch(*whole))
        if taken and not candidate.packed:
            continue
        secrets.add(candidate.start, candidate.end)
        if not foreign:
            matches.add(*whole)
        kept.append(candidate.hit)
    return sorted(kept, key=lambda hit: (hit.offset, hit.rule.id))


def _rank(candidate: Candidate) -> tuple[int, int, int, int, str]:
    """Own hits by what they say (of rules alike, the one for this kind of file), then what was found harmless, then
    foreign hits."""
    if candidate.hit is None:
        return -Weight.GENERIC, 1, candidate.start, 0, ""
    rule = candidate.hit.rule
    return -rule.weight, candidate.start - candidate.end, candidate.start, rule.path is None, rule.id


class _Spans:
    """A union of stretches, kept as sorted stretches that do not overlap, so that one more is found by bisection."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def touch(self, start: int, end: int) -> bool:
        return bisect_right(self._ends, start) < bisect_left(self._starts, end)

    def add(self, start: int, end: int) -> None:
        low, high = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if low < high:
            start, end = min(start, self._starts[low]), max(end, self._ends[high - 1])
        self._starts[low:high] = [start]
        self._ends[low:high] = [end]


def distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Each rule's hit on each stretch once."""
    return list(
        {
            (c.hit.rule.id, c.start, c.end, c.hit.secret) if c.hit else ("", c.match_start, c.match_end, b""): c
            for c in candidates
        }.values()
    )

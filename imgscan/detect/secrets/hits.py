"""A confirmed match judged: is it a secret, how sure is that, how bad is it there; and overlapping hits folded."""

from __future__ import annotations

import hashlib
import hmac
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from enum import Enum
from functools import lru_cache
from typing import Final

from imgscan.detect.secrets import assignments, filters, generic, glued, kubernetes, uris
from imgscan.detect.secrets.confirm import Match
from imgscan.detect.secrets.keystores import KEYSTORE, find_keystore
from imgscan.detect.secrets.places import INSIDE, is_vendored, may_be_own
from imgscan.detect.secrets.redact import excerpt, is_strong
from imgscan.detect.secrets.rules import SecretRule, Weight
from imgscan.detect.secrets.validators import Checked, check
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Confidence, Severity, Validity

_BEFORE_BYTES: Final = 160
_SAID_BYTES: Final = 24
_COUNTED: Final = "it counts up, as made-up examples do"
_SAID_TO_BE_ONE: Final = lazy_re(rb"(?i)(?:\be\.g\.|\bfor (?:example|instance)\b)[\s:,=\"'`(-]{0,4}$")
"""What stands right before a specimen in a manual."""
_OF_TESTS: Final = lazy_re(rb"PASS[\"']?[ \t]{0,8}:|,")
"""In front of a value under a lone `pass`: what a test printed, or an element of a list."""
_DEFAULT: Final = b"${"
"""Of `${name:value}`, as Spring writes it: a literal, though no quote stands before it."""
_QUOTES: Final = frozenset((b'"', b"'"))
_SEALED: Final = "~"
_SHOWN_DIGITS: Final = 2
"""Of the identity of a secret that could be guessed so much goes into a fingerprint; see `secret_fingerprint_parts`."""
_LESS_SURE: Final = {
    Confidence.HIGH: Confidence.MEDIUM,
    Confidence.MEDIUM: Confidence.LOW,
    Confidence.LOW: Confidence.LOW,
}


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

    `hit` is None where an own rule looked and found a specimen, a reference or a published key: a foreign rule that
    knows less about the same text is not listened to there.
    """

    hit: SecretHit | None
    start: int
    end: int
    match_start: int
    match_end: int


def judge(match: Match, data: bytes, path: str, *, line: int, offset: int, literal: bool = False) -> SecretHit | None:
    """The hit that a match in block `data` of document `path` is, None when it is no secret. `literal`: the document is
    image configuration or build instructions, so an assignment is an environment's."""
    rule, secret = match.rule, match.secret
    if rule.id == assignments.ENV_ASSIGNMENT:
        return _judge_assignment(match, data, path, line=line, offset=offset, literal=literal)
    if rule.id == uris.URI_CREDENTIALS:
        return _judge_uri(match, data, line=line, offset=offset)
    if rule.id in (kubernetes.KUBERNETES_SECRET, generic.GENERIC):
        return _judge_named(match, data, path, line=line, offset=offset)
    if rule.weight is Weight.FOREIGN and _is_inside_word(match, data):
        return None
    if rule.weight is Weight.SERVICE and match.name and not generic.is_service_secret(match.name, secret):
        return None
    if filters.has_too_little_entropy(secret, rule.entropy) or any(filters.FILTERS[f](secret) for f in rule.filters):
        return None
    checked = check(rule.validators, secret)
    if match.glued and glued.is_by_chance(rule, checked, data, match.start, match.end):
        return None
    counted = "stand-in" in rule.filters and filters.is_sequential(secret)
    severity, confidence = (Severity.INFO, Confidence.LOW) if counted else _weigh(rule, checked)
    if match.glued and not checked.proven:
        confidence = _LESS_SURE[confidence]
    if not checked.proven and _SAID_TO_BE_ONE.search(bytes(data[max(match.start - _SAID_BYTES, 0) : match.start])):
        severity, confidence = min(severity, Severity.MEDIUM, key=lambda each: each.rank), Confidence.LOW
    return SecretHit(
        rule=rule,
        secret=secret,
        line=line,
        offset=offset,
        context=excerpt(bytes(data[max(match.start - _BEFORE_BYTES, 0) : match.start]), secret, reveal=rule.reveal),
        validity=checked.validity,
        confidence=confidence,
        severity=severity,
        detail=_COUNTED if counted else checked.detail,
        proven=checked.proven,
        public=checked.public,
    )


def _is_inside_word(match: Match, data: bytes) -> bool:
    """True when the letters go on before or after a token: a piece of base64 or of a digest, not a token."""
    before, after = data[match.match_start - 1 : match.match_start + 1], data[match.match_end - 1 : match.match_end + 1]
    return (len(before) == 2 and bytes(before).isalnum()) or (len(after) == 2 and bytes(after).isalnum())


def _weigh(rule: SecretRule, checked: Checked) -> tuple[Severity, Confidence]:
    """The rule's severity and confidence after checks: a checksum that does not fit makes it less likely to be live."""
    severity, confidence = checked.severity or rule.severity, rule.confidence
    if checked.proven:
        return severity, Confidence.HIGH
    return severity, Confidence.LOW if checked.validity is Validity.INVALID else confidence


def _judge_uri(match: Match, data: bytes, *, line: int, offset: int) -> SecretHit | None:
    text = bytes(data[match.match_start : match.match_end])
    verdict = uris.judge_uri(text)
    if verdict is None:
        return None
    severity, confidence = verdict
    return SecretHit(
        rule=match.rule,
        secret=match.secret,
        line=line,
        offset=offset,
        context=uris.uri_context(text),
        validity=Validity.UNKNOWN,
        confidence=confidence,
        severity=severity,
    )


def _judge_assignment(
    match: Match, data: bytes, path: str, *, line: int, offset: int, literal: bool
) -> SecretHit | None:
    """A `name = value` of a configuration file. In programs only a quoted value is a literal, in shell scripts only
    one that follows the `=` at once."""
    before, env_file = _assigned_in(path)
    is_default = data[match.match_start : match.match_start + len(_DEFAULT)] == _DEFAULT
    if before is not None and not is_default and data[match.start - 1 : match.start] not in before:
        return None
    between = data[match.match_start : match.start]
    if assignments.is_lone(match.name) and _OF_TESTS.search(between) is not None:
        return None
    if (
        data[match.match_start - 2 : match.match_start] == b"::"
        and between[len(match.name) : len(match.name) + 1] == b'"'
    ):
        return None  # the name of a type, as CloudFormation has them
    verdict = assignments.judge_value(match.name, match.secret, code=not env_file)
    if verdict is None:
        return None
    severity, confidence = verdict
    if not (env_file or literal):
        severity, confidence = Severity.LOW, _LESS_SURE[confidence]
    return assignment_hit(match.rule, match.name, match.secret, (severity, confidence), line=line, offset=offset)


@lru_cache(maxsize=64)
def _assigned_in(path: str) -> tuple[frozenset[bytes] | None, bool]:
    """What a value must follow in a document of a path to be taken for a literal (None: anything), and whether it is an
    env file."""
    before: frozenset[bytes] | None = None
    if is_vendored(path) and not may_be_own(path):
        before = frozenset()
    elif assignments.is_code(path):
        before = frozenset((b'"', b"'", b"`", b">"))
    elif assignments.is_shell(path):
        before = frozenset((b'"', b"'", b"="))
    return before, assignments.is_env_file(path)


def _judge_named(match: Match, data: bytes, path: str, *, line: int, offset: int) -> SecretHit | None:
    """A value of a Kubernetes Secret, or a rare one under a name that hints at a secret."""
    if match.rule.id == kubernetes.KUBERNETES_SECRET:
        verdict = kubernetes.judge_kubernetes(match.name, match.secret, data, match.start)
    elif (
        is_vendored(path)
        or (assignments.has_macros(path) and data[match.start - 1 : match.start] not in _QUOTES)
        or not generic.is_generic_secret(match.name, match.secret)
    ):
        verdict = None
    else:
        verdict = match.rule.severity, match.rule.confidence
    if verdict is None:
        return None
    return assignment_hit(match.rule, match.name, match.secret, verdict, line=line, offset=offset)


def assignment_hit(
    rule: SecretRule, name: str, value: bytes, verdict: tuple[Severity, Confidence], *, line: int, offset: int
) -> SecretHit:
    """The hit for a literal value under a sensitive name."""
    return SecretHit(
        rule=rule,
        secret=value,
        line=line,
        offset=offset,
        context=excerpt(f"{name}=".encode("utf-8", "replace"), value, reveal=False),
        validity=Validity.UNKNOWN,
        confidence=verdict[1],
        severity=verdict[0],
    )


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
        if secrets.touch(candidate.start, candidate.end) or (foreign and matches.touch(*whole)):
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

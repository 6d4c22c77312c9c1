"""A confirmed match judged: is it a secret, how sure is that, how bad is it there."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from imgscan.detect.secrets import (
    assignments,
    filekinds,
    filters,
    generic,
    kubernetes,
    named,
    publishable,
    uris,
    wording,
    written,
)
from imgscan.detect.secrets.chance import came_by_chance, is_in_noise
from imgscan.detect.secrets.confirm import Match
from imgscan.detect.secrets.hits import SecretHit
from imgscan.detect.secrets.places import is_vendored
from imgscan.detect.secrets.redact import assigned_name, excerpt
from imgscan.detect.secrets.rules import SecretRule, Weight
from imgscan.detect.secrets.validators import Checked, check
from imgscan.lazyre import lazy_re
from imgscan.model import Confidence, Severity, Validity

_BEFORE_BYTES: Final = 160
_SAID_BYTES: Final = 24
_COUNTED: Final = "it counts up, as made-up examples do"
_OF_WORDS: Final = "it is made of words, as examples are"
_SAID_TO_BE_ONE: Final = lazy_re(rb"(?i)(?:\be\.g\.|\bfor (?:example|instance)\b)[\s:,=\"'`(-]{0,4}$")
"""What stands right before a specimen in a manual."""
_GENERIC_OF_OTHERS: Final = "secret-trufflehog3-generic"
_SHORT_OF_OTHERS: Final = 16
_BASIC_AUTH: Final = "secret-basic-auth"
_OF_COMMANDS: Final = frozenset(("secret-command-password", "secret-curl-user"))
_OF_CALLS: Final = frozenset(("secret-login-call", "secret-connect-call", "secret-client-call"))
_NAMED_BY_ANY: Final = frozenset((assignments.ENV_ASSIGNMENT, generic.GENERIC))


def judge(match: Match, data: bytes, path: str, *, line: int, offset: int, literal: bool = False) -> SecretHit | None:
    """The hit that a match in block `data` of document `path` is, None when it is no secret. `literal`: the document is
    image configuration or build instructions, so an assignment is an environment's."""
    hit = _judge(match, data, path, line=line, offset=offset, literal=literal)
    if hit is None or publishable.is_no_secret(data, match.start, match.secret):
        return None
    if written.begins_in_escape(match, data) or (match.name and written.is_next_name(match, data)):
        return None
    if publishable.is_specimen(match.secret):
        return None
    hit = _as_published(hit)
    if hit.proven or hit.severity is Severity.INFO:
        return hit
    if publishable.is_for_pages(data, match.start, match.secret):
        return _as_public(hit, publishable.MADE_PUBLIC)
    before = bytes(data[max(match.start - _BEFORE_BYTES, 0) : match.start])
    if hit.severity is Severity.LOW and hit.rule.id in _NAMED_BY_ANY and not written.is_in_comment(match, data):
        hit = _with_service(hit, match, data)
    why = publishable.why_public(match.name or assigned_name(before), match.secret)
    if (
        why == publishable.ID_ALONE
        and hit.rule.weight is Weight.SPECIFIC
        and publishable.has_other_half(data, match.end)
    ):
        return hit
    return _as_public(hit, why)


def _with_service(hit: SecretHit, match: Match, data: bytes) -> SecretHit:
    """The hit under a name that any secret has, as bad as one of a service where that is named beside it."""
    if not named.is_named_beside(match.name, match.secret, data, match.start, match.end):
        return hit
    return replace(hit, severity=Severity.MEDIUM, confidence=Confidence.MEDIUM)


def _as_public(hit: SecretHit, why: str) -> SecretHit:
    """The hit, low and with the reason if there is one why it is no secret."""
    if not why:
        return hit
    return replace(hit, severity=min(hit.severity, Severity.LOW, key=lambda each: each.rank), detail=hit.detail or why)


def _as_published(hit: SecretHit) -> SecretHit:
    """The hit, of no weight and with where it is known from if everybody has it."""
    where = publishable.published_in(hit.secret)
    if not where:
        return hit
    detail = f"known to everybody: {where}"
    return replace(hit, severity=Severity.INFO, confidence=Confidence.LOW, detail=detail, proven=False)


def _judge(match: Match, data: bytes, path: str, *, line: int, offset: int, literal: bool) -> SecretHit | None:
    rule, secret = match.rule, match.secret
    if rule.id == assignments.ENV_ASSIGNMENT:
        return _judge_assignment(match, data, path, line=line, offset=offset, literal=literal)
    if rule.id == uris.URI_CREDENTIALS:
        return _judge_uri(match, data, line=line, offset=offset)
    if rule.id in (kubernetes.KUBERNETES_SECRET, generic.GENERIC):
        return _judge_named(match, data, path, line=line, offset=offset)
    if rule.weight is Weight.FOREIGN and (written.is_inside_word(match, data) or _is_said_by_name_alone(rule, secret)):
        return None
    if rule.weight is Weight.SERVICE and match.name and not _is_of_service(match, data):
        return None
    if filters.has_too_little_entropy(secret, rule.entropy) or any(filters.FILTERS[f](secret) for f in rule.filters):
        return None
    checked = check(rule.validators, secret)
    if came_by_chance(match, data, checked):
        return None
    counted = "stand-in" in rule.filters and filters.is_sequential(secret)
    severity, confidence = (Severity.INFO, Confidence.LOW) if counted else _weigh(rule, checked)
    if match.glued and not checked.proven:
        confidence = confidence.lowered
    most = None if checked.proven else _most_of_words(match, data, path)
    if most is not None:
        severity, confidence = min(severity, most, key=lambda each: each.rank), Confidence.LOW
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
        detail=_COUNTED if counted else checked.detail or (_OF_WORDS if most is Severity.LOW else ""),
        proven=checked.proven,
        public=checked.public,
    )


def _is_of_service(match: Match, data: bytes) -> bool:
    """Whether what stands under a service's name is a secret of it: a literal, and like one."""
    return not written.is_element(match, data) and generic.is_service_secret(match.name, match.secret)


def _most_of_words(match: Match, data: bytes, path: str) -> Severity | None:
    """How bad a secret made of words can be, which is as likely what a manual or a test takes for one; None for any
    other."""
    if match.rule.id == _BASIC_AUTH:
        password = filters.password_of(match.secret)
        shown = written.is_in_comment(match, data) and wording.is_one_word(password)
        return Severity.LOW if shown or wording.is_dressed_word(password) else None
    if match.rule.reveal:
        of_words = wording.is_one_word(match.secret) and wording.is_language(match.secret)
        return Severity.LOW if of_words or wording.reads_like_words(match.secret) else None
    if wording.is_one_word(match.secret):
        said_so = assignments.is_sensitive_name(match.secret.decode())
        stands_in = said_so or written.is_in_comment(match, data) or written.is_repeated(match, data)
        return Severity.LOW if stands_in else Severity.MEDIUM
    if match.rule.id in _OF_COMMANDS and filekinds.shows_commands(path) and wording.is_language(match.secret):
        return Severity.LOW
    if match.rule.id not in _OF_COMMANDS | _OF_CALLS:
        return None
    made_up = wording.is_dressed_word(match.secret) or wording.says_what_it_is(match.secret)
    return Severity.LOW if made_up else None


def _is_said_by_name_alone(rule: SecretRule, secret: bytes) -> bool:
    """True for words that a rule of others takes for a secret because of the word before them, or of what they begin
    with (`key-`, `ya29.`): of letters alone, or short."""
    of_words = rule.id.startswith(_GENERIC_OF_OTHERS) or secret.replace(b"-", b"").isalpha()
    return (of_words or len(secret) < _SHORT_OF_OTHERS) and wording.is_language(secret)


def _weigh(rule: SecretRule, checked: Checked) -> tuple[Severity, Confidence]:
    """The rule's severity and confidence after checks: a checksum that does not fit makes it less likely to be live."""
    severity, confidence = checked.severity or rule.severity, rule.confidence
    if checked.proven:
        return severity, Confidence.HIGH
    return severity, Confidence.LOW if checked.validity is Validity.INVALID else confidence


def _judge_uri(match: Match, data: bytes, *, line: int, offset: int) -> SecretHit | None:
    text = bytes(data[match.match_start : match.match_end])
    verdict = uris.judge_uri(text)
    if verdict is None or b"\0" in text:
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
    one that follows the `=` at once. Outside of an environment it is a hint, unless the value looks like nothing
    else."""
    _, env_file, settings = written.assigned_in(path)
    # Asked first, as it is remembered: nearly all are none.
    verdict = assignments.judge_value(match.name, match.secret, written.written_as(match, data, env_file=env_file))
    if verdict is None or not written.is_literal(match, data, path) or written.names_no_variable(match, data):
        return None
    if not (env_file or literal) and written.is_element(match, data):
        return None
    if is_in_noise(data, match.match_start):
        return None
    severity, confidence = verdict
    if not (env_file or literal):
        settled = settings and assignments.is_made_or_chosen(match.name, match.secret)
        settled = settled and not written.is_shown(match, data, path)
        severity, confidence = severity if settled else Severity.LOW, confidence.lowered
    return _assignment_hit(match.rule, match.name, match.secret, (severity, confidence), line=line, offset=offset)


def _judge_named(match: Match, data: bytes, path: str, *, line: int, offset: int) -> SecretHit | None:
    """A value of a Kubernetes Secret, or a rare one under a name that hints at a secret."""
    verdict = None
    if match.rule.id == kubernetes.KUBERNETES_SECRET:
        verdict = kubernetes.judge_kubernetes(match.name, match.secret, data, match.start)
    elif _is_hint(match, data, path):
        verdict = match.rule.severity, match.rule.confidence
    if verdict is None or is_in_noise(data, match.match_start):
        return None
    return _assignment_hit(match.rule, match.name, match.secret, verdict, line=line, offset=offset)


def _is_hint(match: Match, data: bytes, path: str) -> bool:
    """Whether a value under a name that hints at a secret is a literal, and rarer than what surrounds it."""
    if (
        is_vendored(path)
        or filekinds.has_macros(path)
        or filekinds.is_page(path)
        or written.names_file_or_arn(match, data)
    ):
        return False
    return written.is_literal(match, data, path) and generic.is_generic_secret(match.name, match.secret)


def variable_hit(rule: SecretRule, name: str, value: bytes, verdict: tuple[Severity, Confidence]) -> SecretHit:
    """The hit for a variable of an environment, which is known to be one without looking for it."""
    hit = _assignment_hit(rule, name, value, verdict, line=1, offset=0)
    return _as_published(_as_public(hit, publishable.why_public(name, value)))


def _assignment_hit(
    rule: SecretRule, name: str, value: bytes, verdict: tuple[Severity, Confidence], *, line: int, offset: int
) -> SecretHit:
    """The hit for a literal value under a name."""
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

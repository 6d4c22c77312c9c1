r"""Secret rules as data: `rules/secrets/*.yml` in, `SecretRule` records out.

A pack is one YAML file: `family`, the family's `remedy`, `bad` and `good` texts, a list of rules and, where patterns
have something in common, `parts` by name, taken in by `%{name}`. A rule's record has `id, title, severity, confidence,
variable, grants, rotate, pattern | patterns` and, where they apply, `seldom, trigger, max_length, keywords, prefixes,
scope, weight, entropy, validators, filters, reveal, path, source, examples, near_misses`. Patterns are RE2 (linear
time) on bytes; `.` is any byte but a newline, `\b` and classes are ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import IntEnum, StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from imgscan.errors import ImgscanError
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Confidence, Rule, Severity
from imgscan.rulebook import load_rules, load_yaml, rules_dir

RISK_ID: Final = "SEC-001"
_EVERYWHERE: Final = ("SEC-001-20", "SEC-001-21", "SEC-001-23")
"""What every secret rule is asked: files of all layers, configuration and history, attestations of the build."""
DEFAULT_MAX_LENGTH: Final = 256
# The longest text one rule may cover: it decides how much two scan windows overlap. A 16384 bit RSA key as PEM is
# 12.7 kB; with each newline escaped and quoted it stays below this.
LONGEST_MATCH: Final = 32 * 1024


class Scope(StrEnum):
    """Where a rule is looked for: in all bytes, in small configuration-like text, or only in such files as its own
    `path` names; or what is looked at is a whole file (see `keystores`), by no pattern."""

    EVERYWHERE = "everywhere"
    CONFIG = "config"
    NAMED = "named"
    FILE = "file"


class Weight(IntEnum):
    """Who wins when two rules see the same text: the one that says more about it."""

    FOREIGN = 0
    HINT = 1
    GENERIC = 2
    SERVICE = 3
    CONTEXT = 4
    SPECIFIC = 5


class PathTest(Protocol):
    """Says whether some part of a path fits; its representation is the same in every run."""

    def search(self, path: str, /) -> object | None:
        """What of the path fits, None for nothing."""
        ...


@frozen
class SecretRule:
    """One kind of secret: what to say of it (`about`) and how to find it.

    `patterns` confirm a hit; the secret is their group named `secret`, else their first group that took part, else (and
    with `whole`) the whole match; a group named `name` is what it is assigned to. `triggers` (the patterns, unless the
    record has a `trigger`) are what the matcher looks for, and instead of those of the patterns that are `seldom` met
    what they have in common. `max_length` bounds a whole match, context included, in
    bytes. `prefixes` are literal beginnings that are looked for inside base64 too. `reveal` is False for passwords, of
    which an excerpt shows nothing. `quoted` says that the secret is the last quoted string of the match, `path` which
    files the rule is for, `file` the file in which its secrets mostly lie.
    """

    about: Rule
    patterns: tuple[bytes, ...]
    triggers: tuple[bytes, ...]
    seldom: tuple[bytes, ...] = ()
    whole: bool = False
    max_length: int = DEFAULT_MAX_LENGTH
    scope: Scope = Scope.EVERYWHERE
    weight: Weight = Weight.SPECIFIC
    keywords: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    entropy: float | None = None
    validators: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    reveal: bool = True
    quoted: bool = False
    path: PathTest | None = None
    file: str = ".env"
    examples: tuple[Any, ...] = ()
    near_misses: tuple[Any, ...] = ()

    @property
    def id(self) -> str:
        """The rule's public name, `secret-…`."""
        return self.about.id

    def is_for(self, path: str) -> bool:
        """True when the rule is for a document of this path; most are for all."""
        return self.path is None or self.path.search(path) is not None

    @property
    def severity(self) -> Severity:
        """How bad the secret is when it is real and lies where it works."""
        return self.about.severity

    @property
    def confidence(self) -> Confidence:
        """How likely a hit is the secret, before checks of its content and place."""
        return self.about.confidence


@frozen
class Pack:
    """Rules of one origin, and what could not be taken from it."""

    name: str
    rules: tuple[SecretRule, ...]
    notes: tuple[str, ...] = ()


@cache
def own_pack() -> Pack:
    """imgscan's own rules, all families, sorted by file name and place in the file."""
    rules = [
        rule_from_record(record, family)
        for path in sorted((rules_dir() / "secrets").glob("*.yml"))
        for family in (load_yaml(path),)
        for record in family["rules"]
    ]
    ids = [rule.id for rule in rules]
    if len(set(ids)) != len(ids):
        raise ImgscanError(f"two secret rules share an id: {sorted({i for i in ids if ids.count(i) > 1})}")
    return Pack(name="imgscan", rules=tuple(rules))


def default_rules(*, trufflehog3: bool = True, rule_files: Sequence[Path] = ()) -> dict[str, Rule]:
    """Every secret rule as a `model.Rule`, by id: imgscan's own, the user's and, when it is installed, trufflehog3's.

    Raises InputError for a rule file that cannot be used.
    """
    return {rule.id: rule.about for pack in load_packs(rule_files, trufflehog3=trufflehog3) for rule in pack.rules}


def load_packs(rule_files: Sequence[Path], *, trufflehog3: bool = True) -> list[Pack]:
    """imgscan's pack, the user's files, trufflehog3's. Raises InputError for a rule file that cannot be used."""
    from imgscan.detect.secrets.trufflehog3 import installed_pack

    packs = [own_pack()]
    if rule_files:
        from imgscan.detect.secrets.userrules import user_pack

        taken = {rule.id for rule in packs[0].rules} | load_rules().keys()
        for path in rule_files:
            packs.append(user_pack(path, taken))
            taken |= {rule.id for rule in packs[-1].rules}
    return [*packs, installed_pack()] if trufflehog3 else packs


def rule_from_record(record: Mapping[str, Any], family: Mapping[str, Any]) -> SecretRule:
    """One record of a pack, the family's texts filled in; a missing key raises KeyError with its name."""
    texts = () if record.get("scope") == Scope.FILE else record.get("patterns") or (record["pattern"],)
    parts = family.get("parts", {})
    patterns = tuple(_pattern(text, parts) for text in texts)
    trigger = record.get("trigger")
    triggers = patterns if trigger is None else tuple(_pattern(text, parts) for text in _listed(trigger))
    seldom = tuple(_pattern(text, parts) for text in record.get("seldom", ()))
    weight = Weight[record.get("weight", "specific").upper()]
    filters = tuple(record.get("filters", ("placeholder",)))
    if weight >= Weight.CONTEXT and record["confidence"] == Confidence.HIGH:
        # A token of a form that only one service has, made up by counting, is hardly anybody's; but unlike
        # `your-token-here` it does not say so itself: it is demoted, not hidden.
        filters = tuple("stand-in" if name == "placeholder" else name for name in filters)
    return SecretRule(
        about=_about(record, family),
        patterns=patterns + seldom,
        triggers=triggers,
        seldom=seldom,
        max_length=min(record.get("max_length", DEFAULT_MAX_LENGTH), LONGEST_MATCH),
        scope=Scope(record.get("scope", "everywhere")),
        weight=weight,
        keywords=tuple(record.get("keywords", ())),
        prefixes=tuple(record.get("prefixes", ())),
        entropy=record.get("entropy"),
        validators=tuple(record.get("validators", ())),
        filters=filters,
        reveal=record.get("reveal", True),
        path=lazy_re(record["path"], re.IGNORECASE) if "path" in record else None,
        file=record.get("file", ".env"),
        examples=tuple(tuple(parts) for parts in record.get("examples", ())),
        near_misses=tuple(tuple(parts) for parts in record.get("near_misses", ())),
    )


def _pattern(text: str, parts: Mapping[str, str]) -> bytes:
    """A pattern as it is written, with the family's parts where it says `%{name}`."""
    if "%{" in text:
        for name, part in parts.items():
            text = text.replace(f"%{{{name}}}", part)
    return text.encode("latin-1")


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _about(record: Mapping[str, Any], family: Mapping[str, Any]) -> Rule:
    """The record as a product: `{variable}`, `{file}` and `{id}` in the family's texts become the rule's own."""
    variable = record["variable"]
    words = {
        "variable": variable,
        "id": variable.lower(),
        "file": record.get("file", ".env"),
        "title": record["title"],
    }
    return Rule(
        id=record["id"],
        title=record["title"],
        severity=Severity(record["severity"]),
        confidence=Confidence(record["confidence"]),
        why=f"{record['grants'].strip()} {family['why'].strip()}",
        fix=f"{record['rotate'].strip()} {record.get('remedy', family['remedy']).strip().format_map(words)}",
        bad=record.get("bad", family["bad"]).strip("\n").format_map(words),
        good=record.get("good", family["good"]).strip("\n").format_map(words),
        risk_id=RISK_ID,
        source=record.get("source"),
        cites=(*record.get("cites", ()), *_EVERYWHERE),
    )

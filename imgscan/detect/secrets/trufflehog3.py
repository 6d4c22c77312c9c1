"""trufflehog3's rules, and rule files of the same shape, as a `Pack`.

The installed distribution's data file is read; the package is never imported. Shape: a list of `{id, message, pattern,
severity}`. Patterns must be RE2 (no look-around, no back-references), so that no file can make them slow. Its entropy
rules (`alphabet` and `threshold` instead of a `pattern`) are not taken: on package trees they flag every digest and
every minified file (39 % false alarms in published comparisons), and what they find of value the other rules find.
"""

from __future__ import annotations

import importlib.util
import itertools
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Final

from imgscan.detect.secrets.rules import RISK_ID, Pack, SecretRule, Weight
from imgscan.detect.secrets.userpatterns import checked_pattern
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Confidence, Rule, Severity
from imgscan.parsed import parsed_once

_PACKAGE: Final = "trufflehog3"
_RULE_FILE: Final = "static/rules.yml"
_LARGEST_FILE: Final = 256 * 1024
_MOST_RULES: Final = 1000
_MATCH_BYTES: Final = 512
_QUOTE_AT_END: Final = lazy_re(r"""\[['"|]+\]$""")
_LETTER: Final = lazy_re(rb"\[([a-z])\|([A-Z])\]")
_SEVERITIES: Final = {
    "CRITICAL": Severity.CRITICAL,
    "HIGH": Severity.HIGH,
    "MEDIUM": Severity.MEDIUM,
    "LOW": Severity.LOW,
}
# Theirs that match a label rather than a secret: alone (imgscan's own rule found no key there) they say little.
_LABELS: Final = frozenset(
    {"private.key", "private.pgp-key", "google.gcp-service-account", "google.oauth-token", "generic.password-in-url"}
)


@frozen
class _Record:
    """A rule as it stands; `pattern` is its checked pattern, None where it has none."""

    fields: dict[str, str]
    line: int
    pattern: bytes | None


def _find_package() -> Path | None:
    """Where the package lies, without importing it. Its metadata would say, too, but takes longer to read."""
    spec = importlib.util.find_spec(_PACKAGE)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


@cache
def installed_pack(find: Callable[[], Path | None] = _find_package) -> Pack:
    """trufflehog3's own rules. Not installed: no rules. Missing or damaged: no rules and a note."""
    folder = find()
    if folder is None:
        return Pack(name=_PACKAGE, rules=())
    try:
        return pack_from_file(folder / _RULE_FILE, name=_PACKAGE)
    except InputError as error:
        return Pack(name=_PACKAGE, rules=(), notes=(f"trufflehog3's rules are not used: {error}",))


def pack_from_file(path: Path, *, name: str) -> Pack:
    """A rule file as a pack; rule ids become `secret-<name>-<id>`.

    Raises InputError with file and line for a file that is too large or no YAML, and for a pattern that is no RE2.
    """
    records = _read_records(path, path.name)
    notes = [f"{path.name}:{r.line}: rule without a pattern is not used" for r in records if r.pattern is None]
    rules = tuple(_rule(record, record.pattern, name, path.name) for record in records if record.pattern is not None)
    return Pack(name=name, rules=_with_unique_ids(rules), notes=() if name == _PACKAGE else tuple(notes))


def _with_unique_ids(rules: tuple[SecretRule, ...]) -> tuple[SecretRule, ...]:
    """The first rule of each id; a file may repeat them."""
    return tuple({rule.id: rule for rule in reversed(rules)}[rule_id] for rule_id in dict.fromkeys(r.id for r in rules))


def _read_records(path: Path, shown: str) -> list[_Record]:
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(f"the rule file {shown} cannot be read: {error.strerror}") from error
    if len(data) > _LARGEST_FILE:
        raise InputError(f"the rule file {shown} is larger than {_LARGEST_FILE // 1024} KiB")
    return parsed_once(data, partial(_parse_records, shown), "checked rules of a file", kind=list[_Record])


def _parse_records(shown: str, data: bytes) -> list[_Record]:
    import yaml

    try:
        root = yaml.compose(data, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise InputError(f"{shown}:{line}: not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"{shown}: not valid YAML") from error
    records = list(itertools.islice(_records_of(root, shown), _MOST_RULES + 1))
    if len(records) > _MOST_RULES:
        raise InputError(f"the rule file {shown} has more than {_MOST_RULES} rules")
    return records


def _records_of(root: object, shown: str) -> Iterator[_Record]:
    """The rules of a composed document: a list, or a mapping with the list under `rules`."""
    import yaml

    if isinstance(root, yaml.MappingNode):
        root = next((value for key, value in root.value if key.value == "rules"), None)
    if not isinstance(root, yaml.SequenceNode):
        raise InputError(f"{shown}:1: a rule file is a list of rules with id, message, pattern and severity")
    for node in root.value:
        line = node.start_mark.line + 1
        if not isinstance(node, yaml.MappingNode):
            raise InputError(f"{shown}:{line}: a rule is a mapping with id, message, pattern and severity")
        pairs = [
            (k.value, v.value) for k, v in node.value if isinstance(v, yaml.ScalarNode) and isinstance(k.value, str)
        ]
        fields = dict(pairs)
        pattern = checked_pattern(fields["pattern"], f"{shown}:{line}") if "pattern" in fields else None
        yield _Record(fields=fields, line=line, pattern=pattern)


def _rule(record: _Record, pattern: bytes, pack: str, shown: str) -> SecretRule:
    fields, where = record.fields, f"{shown}:{record.line}"
    own_id = re.sub(r"[^a-z0-9]+", "-", fields.get("id", "").lower()).strip("-")
    if not own_id:
        raise InputError(f"{where}: the rule has no id")
    severity = _SEVERITIES.get(fields.get("severity", "MEDIUM").upper())
    if severity is None:
        raise InputError(f"{where}: severity is one of {', '.join(_SEVERITIES)}")
    vague = b".*" in pattern or fields["id"] in _LABELS
    foreign = pack == _PACKAGE
    if foreign and vague:
        severity = Severity.INFO if fields["id"] in _LABELS else Severity.LOW
    quoted = _QUOTE_AT_END.search(fields["pattern"]) is not None
    return SecretRule(
        about=_about(f"secret-{pack}-{own_id}", fields.get("message", own_id), severity, vague, pack),
        patterns=(pattern,),
        triggers=(_LETTER.sub(_either_case, pattern),),
        max_length=_MATCH_BYTES,
        whole=True,
        weight=Weight.FOREIGN if foreign else Weight.CONTEXT,
        filters=("placeholder",) if foreign else (),
        quoted=quoted and foreign,
        reveal=not vague,
    )


def _either_case(letter: re.Match[bytes]) -> bytes:
    """`[s|S]` is meant to be `[sS]`, with which a matcher finds the word that it is a letter of ten times as fast."""
    small, large = letter.groups()
    return b"[" + small + large + b"]" if small.upper() == large else letter.group()


def _about(rule_id: str, message: str, severity: Severity, vague: bool, pack: str) -> Rule:
    title = re.sub(r"\s+", " ", message).strip()[:120] or rule_id
    return Rule(
        id=rule_id,
        title=title,
        severity=severity,
        confidence=Confidence.LOW if vague else Confidence.MEDIUM,
        why=f'Text in the image matches the rule "{title}" of {pack}. Whoever can pull the image can read and use it.',
        fix=(
            "Check what it is. If it is a secret, revoke it where it was issued, take it out of the build, and hand it "
            "over at run time or with RUN --mount=type=secret."
        ),
        bad="COPY . .        # the file with the secret is in the context",
        good="# .dockerignore lists the file\nRUN --mount=type=secret,id=token …",
        risk_id=RISK_ID,
        source=f"rules of {pack}",
    )

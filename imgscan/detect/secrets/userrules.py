"""Rule files that users write: a file in, a `Pack` out, or an error that names file, line and cure.

Two shapes: trufflehog3's (see `trufflehog3`), and imgscan's, a list of records with a part of the packs' keys: `id,
title, severity, pattern | patterns` and, where they apply, `confidence, keywords, prefixes, path, file, entropy,
filters, max_length, reveal, why, fix, examples, near_misses`. Examples are checked as they are read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imgscan.alike import alike
from imgscan.detect.secrets.examples import assemble
from imgscan.detect.secrets.filters import FILTERS
from imgscan.detect.secrets.rules import LONGEST_MATCH, RISK_ID, Pack, SecretRule
from imgscan.detect.secrets.userpatterns import checked_pattern, steps_of
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Confidence, Rule, Severity

if TYPE_CHECKING:
    import yaml

LARGEST_FILE: Final = 256 * 1024
MOST_RULES: Final = 1000
MOST_STEPS: Final = 300_000
"""Of all patterns of a file together."""
_REQUIRED: Final = ("id", "title", "severity")
_OPTIONAL: Final = (
    *("pattern", "patterns", "confidence", "keywords", "prefixes", "path", "file", "entropy", "filters"),
    *("max_length", "reveal", "why", "fix", "examples", "near_misses"),
)
_KEYS: Final = (*_REQUIRED, *_OPTIONAL)
_ID: Final = lazy_re(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_PREFIX: Final = "secret-"
_LONGEST_ID: Final = 80
_LONGEST_TEXT: Final = 2000
_LONGEST_EXAMPLE: Final = 64 * 1024
_MOST_ITEMS: Final = 64
_MOST_NODES: Final = 10_000
_MATCH_BYTES: Final = 1024
_SHORTEST_PREFIX: Final = 4
_DEFAULT_FIX: Final = (
    "Revoke it where it was issued, take it out of the build, and hand it over at run time or with RUN "
    "--mount=type=secret."
)


@frozen(kw_only=False)
class PathPattern:
    """A pattern that some part of a path must fit, in any case."""

    text: str

    def search(self, path: str, /) -> object | None:
        """What of the path fits, None for nothing."""
        found: object | None = _path_regex(self.text).search(path.encode("utf-8", "replace").decode())
        return found


def user_pack(path: Path, taken: Collection[str]) -> Pack:
    """The rules of a user's file; `taken` are ids that they may not have. Raises InputError with file and line."""
    from imgscan.detect.secrets.trufflehog3 import pack_from_file

    data = _read(path)
    records = _records(_composed(data, str(path)), str(path))
    if records and any(key.value == "message" for key, _ in records[0].value):
        pack = pack_from_file(path, name="user")
        clash = next((rule.id for rule in pack.rules if rule.id in taken), None)
        if clash is not None:
            raise InputError(f"{path}: another rule is called {clash}", next_step="give it an id of its own")
        return replace(pack, name=path.name)
    rules: dict[str, SecretRule] = {}
    steps = 0
    for node in records:
        record = _Record(node, str(path))
        rule = _rule(record)
        if rule.id in taken or rule.id in rules:
            raise record.error(f"another rule is called {rule.id}", "id", next_step="give it an id of its own")
        steps += sum(map(steps_of, rule.patterns))
        if steps > MOST_STEPS:
            raise record.error(f"the file's patterns are too large together: more than {MOST_STEPS} steps")
        _check_examples(rule, record)
        rules[rule.id] = rule
    return Pack(name=path.name, rules=tuple(rules.values()))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(f"the rule file {path} cannot be read: {error.strerror}") from error
    if len(data) > LARGEST_FILE:
        raise InputError(f"the rule file {path} is larger than {LARGEST_FILE // 1024} KiB")
    return data


def _composed(data: bytes, shown: str) -> yaml.Node | None:
    import yaml

    try:
        return yaml.compose(data, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise InputError(f"{shown}:{line}: not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"{shown}:1: not valid YAML") from error


def _records(root: yaml.Node | None, shown: str) -> list[yaml.MappingNode]:
    """The rules of a composed document: a list, or a mapping with the list under `rules`."""
    import yaml

    if isinstance(root, yaml.MappingNode):
        root = next((value for key, value in root.value if key.value == "rules"), None)
    shape = f"a rule file is a list of rules with {', '.join(_REQUIRED)} and pattern"
    if not isinstance(root, yaml.SequenceNode):
        raise InputError(f"{shown}:1: {shape}")
    for node in root.value:
        if not isinstance(node, yaml.MappingNode):
            raise InputError(f"{shown}:{node.start_mark.line + 1}: {shape}")
    if len(root.value) > MOST_RULES:
        raise InputError(f"{shown}: more than {MOST_RULES} rules")
    return list(root.value)


class _Record:
    """One rule's node: its keys checked, its values by type, errors with the line of the key."""

    def __init__(self, node: yaml.MappingNode, shown: str) -> None:
        self._shown = shown
        self._line = node.start_mark.line + 1
        self._nodes: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(key.value)
            self._nodes[name] = value
            if name not in _KEYS:
                near = alike(name, _KEYS)
                hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(_KEYS)}"
                raise self.error(f"unknown key {name!r}", name, next_step=hint)
        for name in _REQUIRED:
            if name not in self._nodes:
                raise self.error(f"the rule has no {name}")

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self._nodes

    def where(self, key: str = "") -> str:
        """File and line of a key, or of the rule."""
        node = self._nodes.get(key)
        return f"{self._shown}:{self._line if node is None else node.start_mark.line + 1}"

    def error(self, what: str, key: str = "", *, next_step: str = "") -> InputError:
        """An error at the key's line."""
        return InputError(f"{self.where(key)}: {what}", next_step=next_step)

    def text(self, key: str, default: str = "", longest: int = _LONGEST_TEXT) -> str:
        """A text that is not empty."""
        if key not in self._nodes:
            return default
        value = self._nodes[key].value
        if not isinstance(value, str) or not value.strip() or len(value) > longest:
            raise self.error(f"{key} is a text of at most {longest} characters that is not empty", key)
        return value.strip()

    def number(self, key: str, low: float, high: float) -> float | None:
        """A number of low..high, None if the key is not there."""
        if key not in self._nodes:
            return None
        try:
            value = float(self._nodes[key].value)
        except (TypeError, ValueError):
            value = -1.0
        if not low <= value <= high:
            raise self.error(f"{key} is a number from {low:g} to {high:g}", key)
        return value

    def choice(self, key: str, choices: Collection[str], default: str) -> str:
        """One of some words."""
        value = self.text(key, default).lower()
        if value not in choices:
            raise self.error(f"{key} is one of {', '.join(choices)}", key)
        return value

    def texts(self, key: str) -> tuple[tuple[str, str], ...]:
        """The texts of a list, each with its file and line."""
        return tuple((item.value, self._at(item)) for item in self.items(key) if self._is_text(item, key))

    def items(self, key: str) -> list[yaml.Node]:
        """The nodes of a list."""
        if key not in self._nodes:
            return []
        import yaml

        node = self._nodes[key]
        if not isinstance(node, yaml.SequenceNode) or len(node.value) > _MOST_ITEMS:
            raise self.error(f"{key} is a list of at most {_MOST_ITEMS}", key)
        return list(node.value)

    def parts(self, key: str) -> Iterator[tuple[list[Any], str]]:
        """The examples under a key as their parts (see `examples`), each with its file and line."""
        for item in self.items(key):
            budget = _Budget(_MOST_NODES)
            try:
                value = _plain(item, budget)
            except ValueError as error:
                raise InputError(f"{self._at(item)}: {error}") from error
            yield (value if isinstance(value, list) else [value]), self._at(item)

    def _at(self, node: yaml.Node) -> str:
        return f"{self._shown}:{node.start_mark.line + 1}"

    def _is_text(self, node: yaml.Node, key: str) -> bool:
        if not isinstance(node.value, str) or not node.value:
            raise InputError(f"{self._at(node)}: {key} is a list of texts")
        return True


class _Budget:
    """Counts down what may still be made of a document, in which aliases may repeat themselves without end."""

    def __init__(self, left: int) -> None:
        self._left = left

    def spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise ValueError("an example is too large")


def _plain(node: yaml.Node, budget: _Budget) -> Any:  # noqa: ANN401 - a part of an example
    """A node as texts, numbers, lists and mappings, with lengths that fit into memory."""
    import yaml

    budget.spend()
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, budget) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _plain(value, budget) for key, value in node.value}
    text = str(node.value)
    if node.tag.endswith(":int") and text.isascii() and text.isdigit():
        number = int(text[:9])
        if number > _LONGEST_EXAMPLE:
            raise ValueError(f"an example is at most {_LONGEST_EXAMPLE} bytes long")
        return number
    return text


def _rule(record: _Record) -> SecretRule:
    own_id = record.text("id", longest=_LONGEST_ID)
    if _ID.fullmatch(own_id) is None:
        raise record.error(f"an id is lower case words with dashes between them, not {own_id!r}", "id")
    severity = Severity(record.choice("severity", tuple(Severity), ""))
    confidence = Confidence(record.choice("confidence", tuple(Confidence), "medium"))
    patterns = _patterns(record)
    reveal = record.choice("reveal", ("true", "false"), "true") == "true"
    filters = tuple(name for name, _ in record.texts("filters")) if record.has("filters") else ("placeholder",)
    for name in filters:
        if name not in FILTERS:
            raise record.error(f"there is no filter {name!r}", "filters", next_step=f"filters: {', '.join(FILTERS)}")
    prefixes = tuple(text for text, _ in record.texts("prefixes"))
    if any(len(prefix) < _SHORTEST_PREFIX for prefix in prefixes):
        raise record.error(f"a prefix has at least {_SHORTEST_PREFIX} characters", "prefixes")
    return SecretRule(
        about=_about(record, own_id if own_id.startswith(_PREFIX) else _PREFIX + own_id, severity, confidence),
        patterns=patterns,
        triggers=patterns,
        max_length=int(record.number("max_length", 4, LONGEST_MATCH) or _MATCH_BYTES),
        keywords=tuple(text for text, _ in record.texts("keywords")),
        prefixes=prefixes,
        entropy=record.number("entropy", 0, 8),
        filters=filters,
        reveal=reveal,
        path=_path(record),
        file=record.text("file", ".env"),
    )


def _patterns(record: _Record) -> tuple[bytes, ...]:
    found = record.texts("patterns")
    if record.has("pattern"):
        found = ((record.text("pattern", longest=1 << 20), record.where("pattern")), *found)
    if not found:
        raise record.error("the rule has no pattern")
    return tuple(checked_pattern(text, where) for text, where in found)


def _path(record: _Record) -> PathPattern | None:
    if not record.has("path"):
        return None
    text = record.text("path")
    checked_pattern(text, record.where("path"))
    return PathPattern(text)


@cache
def _path_regex(text: str) -> Any:  # noqa: ANN401 - of a library without types
    import re2

    options = re2.Options()
    options.log_errors = options.case_sensitive = False
    return re2.compile(text, options)


def _about(record: _Record, rule_id: str, severity: Severity, confidence: Confidence) -> Rule:
    title = " ".join(record.text("title").split())
    return Rule(
        id=rule_id,
        title=title,
        severity=severity,
        confidence=confidence,
        why=record.text("why", f"{title}: whoever can pull the image can read and use it."),
        fix=record.text("fix", _DEFAULT_FIX),
        bad="COPY . .        # the file with the secret is in the context",
        good="# .dockerignore lists the file\nRUN --mount=type=secret,id=token …",
        risk_id=RISK_ID,
        source="a rule of the user's",
    )


def _check_examples(rule: SecretRule, record: _Record) -> None:
    """Raises InputError for an example in which the rule finds nothing, a near miss in which it does."""
    from imgscan.detect.secrets.scanner import SecretScanner

    texts: list[tuple[Mapping[str, Any] | list[Any], str, bool]] = []
    texts += [(parts, where, True) for parts, where in record.parts("examples")]
    texts += [(parts, where, False) for parts, where in record.parts("near_misses")]
    if not texts:
        return
    anywhere = replace(rule, path=rule.path if rule.is_for(rule.file) else None)
    scanner = SecretScanner([Pack(name="examples", rules=(anywhere,))], backend="re2")
    for number, (parts, where, expected) in enumerate(texts):
        try:
            text = assemble(list(parts), f"{rule.id}/{number}")
        except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
            raise InputError(f"{where}: not an example: a text, or a list of parts") from error
        if bool(scanner.scan_bytes(text, path=rule.file)) is not expected:
            problem = "finds nothing in this example" if expected else "finds a secret in this near miss"
            cure = "see to pattern, entropy, filters and max_length" if expected else ""
            raise InputError(f"{where}: {rule.id} {problem}", next_step=cure)

"""No plaintext leaves: texts are cleaned as they come in, and the finished report is swept once more.

In: texts from the engine (step names, logs, errors) and a finished `Report`. Out: the same without any secret that is
known or recognised. A secret is *known* when the scan found it, or when a build argument or a Dockerfile gave it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imgscan.detect.secrets.redact import redact
from imgscan.detect.secrets.wordlists import words
from imgscan.model import Report

if TYPE_CHECKING:
    from imgscan.detect.secrets.hits import SecretHit
    from imgscan.detect.secrets.scanner import SecretScanner

MIN_SWEPT: Final = 8
"""A shorter secret (`test`, `postgres`) is a word; replacing it everywhere would destroy the report's own text, and so
would `password`. Where it stands as a value it is recognised and replaced all the same."""
_MIN_LINE: Final = 16

Recognise = Callable[[str], Iterable[tuple[str, str]]]
"""Finds secrets in a text: pairs of plaintext and what may be shown of it."""


class Redactor:
    """Remembers secrets and takes them out of texts."""

    def __init__(self, recognise: Recognise, recognise_alone: Recognise | None = None) -> None:
        self._recognise = recognise
        self._recognise_alone = recognise_alone or recognise
        self._known: dict[str, str] = {}
        self._spared: set[str] = set()
        self.recognises_all = False
        """Whether a report is also swept of what `recognise_alone` finds in it: secrets that are not known, but that
        need no name beside them to be recognised."""
        self._pattern: re.Pattern[str] | None = None

    def learn(self, secret: str, shown: str) -> None:
        """Remember a secret; of a secret of several lines (a key) also every line that is long enough to be one."""
        for part in swept_parts(secret):
            self._remember(part, shown)

    def learn_hit(self, hit: SecretHit) -> None:
        """Remember the secret of a hit, so that no text of a report shows it."""
        if not hit.secret:
            # Kept from an earlier scan: a secret that is recognised wherever it stands.
            self.recognises_all = True
            return
        self.learn(hit.secret.decode("utf-8", "replace"), redact(hit.secret, reveal=hit.rule.reveal))

    def spare(self, names: Iterable[str]) -> None:
        """Take names of the project for words: a password that is one (`postgres`) is replaced only where it is
        recognised as a value, since every text that speaks of the service has it as well."""
        self._spared.update(name for name in names if name.isalpha())

    def clean(self, text: str) -> str:
        """The text without secrets; the ones recognised in it are remembered too."""
        for secret, shown in self._recognise(text):
            text = text.replace(secret, shown)
            self.learn(secret, shown)
        return self.replace_known(text)

    def replace_known(self, text: str) -> str:
        """The text without the secrets remembered so far."""
        if not self._known:
            return text
        if self._pattern is None:
            self._pattern = _pattern_of(self._known)
        return self._pattern.sub(lambda match: self._known[match.group()], text)

    def sweep(self, report: Report) -> Report:
        """The report with every text cleaned of known secrets, and made fit for UTF-8."""
        if self.recognises_all:
            texts = texts_of(msgspec.to_builtins(report))
            # Those that are long enough, all in one, which takes a hundredth of the time; no secret is told from two.
            whole = "\n\n".join(sorted({text for text in texts if len(text) >= _MIN_LINE}))
            for secret, shown in self._recognise_alone(whole):
                self.learn(secret, shown)
        held = self._held_by(report)
        return report if held is None else msgspec.convert(_swept(msgspec.to_builtins(report), held), type=Report)

    def _held_by(self, report: Report) -> dict[str, str] | None:
        """The secrets remembered so far that a report may hold, looked for in one go, as JSON writes both; None for a
        report that is fit for UTF-8 and holds none."""
        try:
            written = msgspec.json.encode(report)
        except UnicodeEncodeError:
            return self._known
        return {secret: shown for secret, shown in self._known.items() if _in_json(secret) in written} or None

    def _remember(self, secret: str, shown: str) -> None:
        # What may be shown can hold all of it: the first line of a key, in an excerpt of that key.
        if secret.lower() in words("placeholders"):
            return
        if secret not in self._spared and secret not in self._known and secret not in shown:
            self._known[secret] = shown
            self._pattern = None


def redactor_for(scanner: SecretScanner) -> Redactor:
    """One that takes out of a text whatever the scanner finds in it."""
    from imgscan.detect.secrets.filekinds import ALONE

    def recognise(text: str) -> Iterator[tuple[str, str]]:
        data = text.encode("utf-8", "surrogatepass")
        for hit in scanner.scan_bytes(data, path="log", literal=True):
            yield hit.secret.decode("utf-8", "replace"), redact(hit.secret, reveal=hit.rule.reveal)

    def recognise_alone(text: str) -> Iterator[tuple[str, str]]:
        for hit in scanner.scan_bytes(text.encode("utf-8", "backslashreplace"), path=ALONE):
            yield hit.secret.decode("utf-8", "replace"), redact(hit.secret, reveal=hit.rule.reveal)

    return Redactor(recognise, recognise_alone)


def _pattern_of(secrets: Iterable[str]) -> re.Pattern[str]:
    # The longest first, so that a secret is not left over behind a prefix of it that is a secret too.
    return re.compile("|".join(map(re.escape, sorted(secrets, key=len, reverse=True))))


def _swept(tree: Any, held: Mapping[str, str]) -> Any:  # noqa: ANN401 - a tree of builtins
    """A report without the secrets that it holds, and fit for UTF-8."""
    pattern = _pattern_of(held) if held else None

    def walk(value: Any) -> Any:  # noqa: ANN401 - a tree of builtins
        if isinstance(value, str):
            text = value.encode("utf-8", "backslashreplace").decode()
            return pattern.sub(lambda match: held[match.group()], text) if pattern is not None else text
        if isinstance(value, dict):
            return {key: walk_field(key, item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [walk(item) for item in value]
        return value

    def walk_field(key: str, value: Any) -> Any:  # noqa: ANN401 - a tree of builtins
        if key in _KEPT or (key in _NAMES and isinstance(value, str) and _is_called_so(value, held)):
            return value
        return walk(value)

    return walk(tree)


def _is_called_so(path: str, held: Iterable[str]) -> bool:
    # A folder may be called by a word that somebody took for a password; without it nobody finds the file.
    found = [secret for secret in held if secret in path]
    return bool(found) and path.isprintable() and all(map(str.isalpha, found))


def _in_json(text: str) -> bytes:
    """A text as it stands in JSON; one that is not fit for UTF-8 stands in none, as it is."""
    return msgspec.json.encode(text.encode("utf-8", "backslashreplace").decode())[1:-1]


_KEPT: Final = frozenset({"rule_id", "risk_id", "fingerprint", "severity", "evidence"})
"""Fields that are words of the program's own."""
_NAMES: Final = frozenset({"path", "top"})


def swept_parts(secret: str) -> list[str]:
    """What texts are swept of for a secret: all of it if it is long enough, and the long lines of several."""
    parts = [secret] if len(secret) >= MIN_SWEPT else []
    lines = secret.replace("\\n", "\n").splitlines()
    if len(lines) > 1:
        stripped = (line.strip() for line in lines)
        parts += [line for line in stripped if len(line) >= _MIN_LINE and "-----" not in line]
    return parts


def texts_of(document: Any) -> list[str]:  # noqa: ANN401 - a tree of builtins
    """All texts of a tree, one by one."""
    texts: list[str] = []
    _collect(document, texts)
    return texts


def _collect(value: Any, texts: list[str]) -> None:  # noqa: ANN401 - a tree of builtins
    """All texts of the tree."""
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, texts)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _collect(item, texts)

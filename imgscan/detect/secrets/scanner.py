"""Scan one document of any size for secrets: bytes in, redacted hits out.

A document is read in windows of a mebibyte; per window all patterns are matched at once, hits confirmed, judged and
placed. Nothing is joined across documents.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from imgscan import __version__
from imgscan.cachedir import cache_dir
from imgscan.detect.secrets import assignments
from imgscan.detect.secrets.confirm import MOST_MATCHES, Match, matches, spans
from imgscan.detect.secrets.encoded import decoded_runs, encoded_pattern
from imgscan.detect.secrets.hits import Candidate, SecretHit, assignment_hit, distinct, fold, judge
from imgscan.detect.secrets.matcher import Matcher, load_matcher, shortest
from imgscan.detect.secrets.redact import redact, secret_fingerprint_parts
from imgscan.detect.secrets.rules import LONGEST_MATCH, Pack, Scope, SecretRule, Weight, default_rules, own_pack
from imgscan.detect.secrets.windows import WINDOW_BYTES, NulIndex, Window, holds_utf16, read_windows, without_nuls

__all__ = ["SecretHit", "SecretScanner", "default_rules", "load_scanner", "redact", "secret_fingerprint_parts"]

_ENCODED_BYTES: Final = 64
_HARMLESS: Final = ""


class RuleSet:
    """The rules of one scope with the matcher for all of their patterns."""

    def __init__(self, rules: Sequence[SecretRule], *, encoded: bool, backend: str, cache: Path | None) -> None:
        self._entries = [
            (rule, rule.patterns if trigger not in rule.patterns else (trigger,))
            for rule in rules
            for trigger in rule.triggers
        ]
        self._patterns = [shortest(trigger) for rule in rules for trigger in rule.triggers]
        self._lengths = [rule.max_length for rule in rules for _ in rule.triggers]
        prefixes = encoded_pattern(prefix for rule in rules for prefix in rule.prefixes) if encoded else b""
        if prefixes:
            self._patterns.append(prefixes)
            self._lengths.append(_ENCODED_BYTES)
        self._backend, self._cache = backend, cache

    @cached_property
    def matcher(self) -> Matcher:
        """The compiled matcher, made when first needed."""
        return load_matcher(self._patterns, self._lengths, backend=self._backend, cache=self._cache)

    def find(self, data: bytes, spent: frozenset[str]) -> tuple[list[Match], list[tuple[int, int]]]:
        """Confirmed matches of rules that are not `spent`, and where token prefixes stand in base64."""
        found: list[Match] = []
        encoded: list[tuple[int, int]] = []
        for index, low, high in self.matcher.regions(data):
            if index == len(self._entries):
                encoded += spans(self._patterns[index], data, low, high)
                continue
            rule, patterns = self._entries[index]
            if rule.id not in spent:
                for pattern in patterns:
                    found += matches(rule, pattern, data, low, high)
        return found, encoded


class SecretScanner:
    """All packs' rules, ready to scan. May be shared by threads.

    `notes` says what could not be loaded; `pack_names` which packs are in use.
    """

    def __init__(self, packs: Sequence[Pack], *, backend: str = "auto", cache: Path | None = None) -> None:
        rules = [rule for pack in packs for rule in pack.rules]
        everywhere = [rule for rule in rules if rule.scope is Scope.EVERYWHERE]
        config = [rule for rule in rules if rule.scope is Scope.CONFIG]
        self.rules = {rule.id: rule for rule in rules}
        self.pack_names = tuple(f"{pack.name} ({len(pack.rules)} rules)" for pack in packs if pack.rules)
        self.notes = tuple(note for pack in packs for note in pack.notes)
        self._everywhere = RuleSet(everywhere, encoded=True, backend=backend, cache=cache)
        self._config = RuleSet(config, encoded=False, backend=backend, cache=cache)

    @cached_property
    def version(self) -> str:
        """What changes with every rule, and with imgscan itself: results of one version are good for that one only."""
        digest = hashlib.sha256(__version__.encode())
        for rule_id in sorted(self.rules):
            digest.update(repr(self.rules[rule_id]).encode())
        return digest.hexdigest()

    def prepare(self) -> None:
        """Load what is otherwise loaded when first needed, for processes that are about to be forked."""
        for rules in (self._everywhere, self._config):
            rules.matcher.regions(b"")

    def is_recognised(self, secret: bytes) -> bool:
        """Whether a secret is found in any text by itself alone, without the name or place that gave it away."""
        found = self.scan_bytes(secret, path="text")
        return any(hit.secret == secret for hit in found)

    def scan(
        self,
        read: Callable[[int], bytes],
        *,
        path: str,
        size: int | None,
        literal: bool = False,
        note: Callable[[str], None] | None = None,
    ) -> list[SecretHit]:
        """The secrets of a document.

        `read(n)` gives up to n bytes, b"" at the end. `path` says what kind of document it is, `size` (bytes, if known)
        is a hint. `literal` says that it is image configuration or build instructions, whatever `path` is called:
        assignments in it are looked for, and are as bad as in an environment. `note` is told when a rule has so many
        hits that the rest are left out.
        """
        config = literal or assignments.is_config_like(path, size)
        found: list[Candidate] = []
        counts: dict[str, int] = {}
        for window in read_windows(read, overlap=LONGEST_MATCH):
            spent = _spent(counts)
            job = _Job(path=path, config=config and window.first and window.last, literal=literal, spent=spent)
            for candidate in distinct(self._candidates(window, job)):
                rule_id = candidate.hit.rule.id if candidate.hit is not None else _HARMLESS
                counts[rule_id] = counts.get(rule_id, 0) + 1
                if rule_id != _HARMLESS or counts[rule_id] <= MOST_MATCHES:
                    found.append(candidate)
        if note is not None:
            for rule_id in sorted(_spent(counts) - {_HARMLESS}):
                note(f"{rule_id}: more than {MOST_MATCHES} hits, the rest of the file was not searched for this rule")
        return fold(found)

    def scan_bytes(
        self, data: bytes, *, path: str, literal: bool = False, note: Callable[[str], None] | None = None
    ) -> list[SecretHit]:
        """The secrets of a document that is in memory; see `scan`."""
        if not literal and len(data) <= WINDOW_BYTES and self._is_clean(data, path):
            return []
        return self.scan(io.BytesIO(data).read, path=path, size=len(data), literal=literal, note=note)

    def _is_clean(self, data: bytes, path: str) -> bool:
        """Whether a document that fits in a window holds nothing that any rule begins with: true of nearly all."""
        return (
            not assignments.is_config_like(path, len(data))
            and not self._everywhere.matcher.regions(data)
            and not holds_utf16(data)
        )

    def scan_assignment(self, name: str, value: str, *, path: str) -> list[SecretHit]:
        """The secrets of an environment variable, build argument or label: `name` and `value` are known to be apart.

        Offsets count in the value.
        """
        raw = assignments.literal_of(value.encode("utf-8", "surrogateescape"))
        prefix = name.encode("utf-8", "surrogateescape") + b"="
        data = prefix + raw
        window = Window(data=data, offset=-len(prefix), lines=0, own_start=0, own_end=len(data), first=True, last=True)
        found = [
            candidate
            for candidate in self._candidates(window, _Job(path=path, config=True, literal=True))
            if candidate.hit is None or candidate.hit.rule.id != assignments.ENV_ASSIGNMENT
        ]
        generic = self.rules.get(assignments.ENV_ASSIGNMENT)
        verdict = assignments.judge_value(name, raw, code=False)
        if generic is not None and verdict is not None:
            hit = assignment_hit(generic, name, raw, verdict, line=1, offset=0)
            found.append(Candidate(hit=hit, start=0, end=len(raw), match_start=-len(prefix), match_end=len(raw)))
        return fold(distinct(found))

    def _candidates(self, window: Window, job: _Job) -> Iterator[Candidate]:
        """What is found in the window's own part, as it stands and, where it looks like UTF-16, without its NULs."""
        yield from self._block(window, window.data, job)
        if holds_utf16(window.data):
            yield from self._block(window, without_nuls(window.data), job)

    def _block(self, window: Window, data: bytes, job: _Job) -> Iterator[Candidate]:
        found, encoded = self._everywhere.find(data, job.spent)
        if job.config:
            found += self._config.find(data, job.spent)[0]
        if not found and not encoded:
            return
        place = _Places(window, data)
        for match in sorted(found, key=lambda m: m.start):
            start, end = place.span(match.start, match.end)
            match_start, match_end = place.span(match.match_start, match.match_end)
            if not place.is_own(match_start) or not match.rule.is_for(job.path):
                continue
            hit = judge(match, data, job.path, line=place.line(match.start), offset=start, literal=job.literal)
            if hit is not None or match.rule.weight >= Weight.CONTEXT:
                yield Candidate(hit=hit, start=start, end=end, match_start=match_start, match_end=match_end)
        yield from self._decoded(place, data, [span for span in encoded if place.is_own(place.at(span[0]))], job)

    def _decoded(
        self, place: _Places, data: bytes, prefixes: Sequence[tuple[int, int]], job: _Job
    ) -> Iterator[Candidate]:
        """Secrets in the base64 around `prefixes`; they lie where the base64 lies."""
        for start, end, decoded in decoded_runs(data, prefixes):
            begin, stop = place.span(start, end)
            for match in self._everywhere.find(decoded, job.spent)[0]:
                if not match.rule.is_for(job.path):
                    continue
                hit = judge(match, decoded, job.path, line=place.line(start), offset=begin, literal=job.literal)
                if hit is not None:
                    yield Candidate(hit=hit, start=begin, end=stop, match_start=begin, match_end=stop)


def _spent(counts: Mapping[str, int]) -> frozenset[str]:
    """The rules that had as many hits as a document may have of one rule."""
    return frozenset(rule_id for rule_id, n in counts.items() if n >= MOST_MATCHES) if counts else frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What is the same for all windows of a document: its path, whether assignments are looked for, whether they are
    taken for literals, and the rules that had their share."""

    path: str
    config: bool
    literal: bool
    spent: frozenset[str] = frozenset()


class _Places:
    """Offsets in a block as offsets and lines of the document; lines are counted onwards from the last one asked."""

    def __init__(self, window: Window, data: bytes) -> None:
        self._window, self._data = window, data
        self._index = NulIndex(window.data) if len(data) != len(window.data) else None
        self._counted_to, self._lines = 0, window.lines

    def at(self, offset: int) -> int:
        """The document's offset of an offset of the block."""
        return self._window.offset + (offset if self._index is None else self._index.offset(offset))

    def is_own(self, offset: int) -> bool:
        """True when an offset of the document lies in the part that no other window reports."""
        return self._window.own_start <= offset - self._window.offset < self._window.own_end

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Start and end in the document."""
        return self.at(start), self.at(end)

    def line(self, offset: int) -> int:
        """The line of an offset of the block, counted from 1."""
        if offset < self._counted_to:
            return self._window.lines + self._data.count(b"\n", 0, offset) + 1
        self._lines += self._data.count(b"\n", self._counted_to, offset)
        self._counted_to = offset
        return self._lines + 1


def load_scanner(
    *,
    trufflehog3: bool = True,
    rule_files: Sequence[Path] = (),
    backend: str = "auto",
    cache: Path | None = None,
    keep_compiled: bool = True,
) -> SecretScanner:
    """A scanner with imgscan's rules, trufflehog3's when it is installed, and the user's `rule_files`.

    Raises InputError for a rule file that cannot be used. `backend` is `auto`, `hyperscan` or `re2`. Compiled databases
    are kept in `cache` (None: `cachedir.cache_dir()`) unless `keep_compiled` is False.
    """
    from imgscan.detect.secrets.trufflehog3 import installed_pack, pack_from_file

    packs = [own_pack(), *(pack_from_file(path, name="user") for path in rule_files)]
    if trufflehog3:
        packs.append(installed_pack())
    directory = (cache or cache_dir()) if keep_compiled else None
    return SecretScanner(packs, backend=backend, cache=directory)

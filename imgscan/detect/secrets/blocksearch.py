"""All rules on one block of bytes: candidates out, each placed in the document that the block is a window of.

A block is a window of a document, or what that window is without its NULs or inside its base64 or hexadecimal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import field, replace
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import Final, NamedTuple

from imgscan.detect.secrets.assignments import ENV_ASSIGNMENT
from imgscan.detect.secrets.beside import Neighbours, with_beside
from imgscan.detect.secrets.confirm import Cut, Match, matches, spans
from imgscan.detect.secrets.dull import dull_ends
from imgscan.detect.secrets.encoded import decoded_runs, encoded_pattern
from imgscan.detect.secrets.filekinds import is_env_file
from imgscan.detect.secrets.glued import glued_patterns, is_behind_escape, is_binary, may_escape, may_touch
from imgscan.detect.secrets.hexadecimal import hex_pattern, hex_runs
from imgscan.detect.secrets.hits import Candidate, SecretHit, distinct, fold
from imgscan.detect.secrets.jointly import searched
from imgscan.detect.secrets.judging import judge
from imgscan.detect.secrets.marks import mark_beside
from imgscan.detect.secrets.matcher import DullEnd, Matcher, load_matcher, shortest
from imgscan.detect.secrets.packed import PACKED_BYTES, PACKED_PATTERN, Allowance, Unpacked, unpacked_runs
from imgscan.detect.secrets.pathrules import PathRules
from imgscan.detect.secrets.publickeys import SeenKey
from imgscan.detect.secrets.rules import SecretRule, Weight
from imgscan.detect.secrets.seenkeys import is_public_match, seen_key
from imgscan.detect.secrets.tables import cell_matches
from imgscan.detect.secrets.wide import wide_pattern, wide_runs
from imgscan.detect.secrets.windows import NulIndex, Window, holds_utf16, without_nuls
from imgscan.frozen import frozen

_ENCODED_BYTES: Final = 64
_DEEPEST_BASE64: Final = 2
_DEEPEST_PACKED: Final = 2


_IN_BASE64, _IN_HEX, _PACKED = range(3)
"""Forms of which a set finds beginnings, in `Found`'s order."""


class Found(NamedTuple):
    """What is in a block: confirmed matches, and stretches that look like the beginning of a token in another form, or
    of what is packed."""

    matches: list[Match]
    in_base64: list[tuple[int, int]]
    in_hex: list[tuple[int, int]]
    packed: list[tuple[int, int]]


class RuleSet:
    """The rules of one scope with the matcher for all of their patterns. `together` has the sets of a scanner, and gets
    this one: who needs the matcher of one will need the others'."""

    def __init__(
        self, rules: Sequence[SecretRule], *, encoded: bool, backend: str, cache: Path | None, together: list[RuleSet]
    ) -> None:
        self._rules = tuple(rules)
        self._assigning = [rule for rule in rules if rule.id == ENV_ASSIGNMENT]
        self._entries = [each for rule in rules for each in searched(rule)]
        self._patterns = [each.pattern for each in self._entries]
        self._lengths = [each.rule.max_length for each in self._entries]
        prefixes = [prefix for rule in rules for prefix in rule.prefixes] if encoded else []
        self._wide = wide_pattern(prefixes)
        self._forms: dict[int, int] = {}
        for form, pattern, size in (
            (_IN_BASE64, encoded_pattern(prefixes), _ENCODED_BYTES),
            (_IN_HEX, hex_pattern(prefixes), _ENCODED_BYTES),
            (_PACKED, PACKED_PATTERN if encoded else b"", PACKED_BYTES),
        ):
            if pattern:
                self._forms[len(self._patterns)] = form
                self._patterns.append(pattern)
                self._lengths.append(size)
        self._glued = glued_patterns(rules) if encoded else []
        self._first_glued = len(self._patterns)
        self._patterns += [shortest(pattern) for _, pattern in self._glued]
        self._lengths += [rule.max_length for rule, _ in self._glued]
        self._backend, self._cache, self._encoded = backend, cache, encoded
        self._matcher: Matcher | None = None
        self._making: Thread | None = None
        self._together = together
        together.append(self)

    def in_tables(self, data: bytes, path: str, cut: Cut) -> list[Match]:
        """What stands in a table's column under a secret's name, as matches of the rule for assignments."""
        return [match for rule in self._assigning for match in cell_matches(rule, data, path, cut)]

    @cached_property
    def paths(self) -> PathRules:
        """The rules that are for documents of some paths alone."""
        return PathRules(self._rules)

    @cached_property
    def _dull(self) -> dict[int, DullEnd]:
        return dull_ends(self._entries)

    def begin(self) -> None:
        """Begin to make the matchers of all sets, beside each other and whatever goes on: where none are kept that
        takes a second, in which hyperscan leaves the interpreter to others. No process may be forked before `prepare`.
        A command that ends earlier does not wait for them."""
        for each in self._together:
            if each._matcher is None and each._making is None:
                each._making = Thread(name="imgscan: compiling", target=each._make_beside, daemon=True)
                each._making.start()

    def _make_beside(self) -> None:
        with suppress(Exception):  # What fails fails again where the matcher is needed, and is told there.
            self._matcher = self._made()

    def _made(self) -> Matcher:
        wholes = [each.confirming if each.within else () for each in self._entries]
        few = not self._encoded
        return load_matcher(
            self._patterns, self._lengths, wholes=wholes, backend=self._backend, cache=self._cache, for_few=few
        )

    @property
    def matcher(self) -> Matcher:
        """The compiled matcher, made when first needed."""
        if self._matcher is None:
            self.begin()
            if self._making is not None:
                self._making.join()
            self._matcher = self._matcher or self._made()
        return self._matcher

    @cached_property
    def _wide_matcher(self) -> Matcher:
        # Not among the others: beginnings with NULs in them make those half as slow again, for all bytes.
        return load_matcher([self._wide], [2 * _ENCODED_BYTES], backend=self._backend, cache=self._cache)

    def prepare(self) -> None:
        """Load what is otherwise loaded when first needed."""
        self.matcher.regions(b"")
        if self._wide:
            self._wide_matcher.regions(b"")

    def wide_hits(self, data: bytes, cut: Cut) -> list[tuple[int, int]]:
        """Where token prefixes stand in UTF-16, in a block that has NULs."""
        if not self._wide:
            return []
        return [
            hit
            for _, low, high in self._wide_matcher.regions(data)
            for hit in spans(self._wide, data, low, high, cut=cut)
        ]

    def find(self, data: bytes, spent: frozenset[str], cut: Cut, *, glued: bool = False, skim: bool = False) -> Found:
        """Confirmed matches of rules that are not `spent`, those that touch what stands beside them also in a `glued`
        block or behind an escape, and where token prefixes stand in another form. `skim`: without most of those that
        would be judged to be nothing, in a document that is no environment."""
        found: list[Match] = []
        touching: list[Match] = []
        forms: tuple[list[tuple[int, int]], ...] = ([], [], [])
        for index, low, high in self.matcher.regions(data, self._dull if skim else {}):
            form = self._forms.get(index)
            if form is not None:
                forms[form].extend(spans(self._patterns[index], data, low, high, cut=cut))
                continue
            if index >= self._first_glued:
                rule, pattern = self._glued[index - self._first_glued]
                if rule.id not in spent and (glued or may_escape(data, low, high)):
                    close = matches(rule, pattern, data, low, high, cut=cut, glued=glued)
                    touching += [match for match in close if glued or is_behind_escape(data, match.match_start)]
                continue
            rule, _, patterns, _ = self._entries[index]
            if rule.id not in spent:
                # Of what goes on behind its region the own hit was skimmed.
                whole = high if skim and high < len(data) else len(data) + 1
                for pattern in patterns:
                    found += [m for m in matches(rule, pattern, data, low, high, cut=cut) if m.match_end < whole]
        if touching:
            apart = {(match.rule.id, match.start) for match in found}
            found += [match for match in touching if (match.rule.id, match.start) not in apart]
        return Found(found, *forms)


@frozen
class Job:
    """What is the same for all windows of a document: its path, whether assignments are looked for, whether they are
    taken for literals, whether there are rules for its name, whether strings may touch in it, the rules that had their
    share, who is told of what is cut short, who wants to see public keys, and who counts the newlines before a window
    that does not know them; how deep in what was packed in base64 it is, and how much may yet be unpacked."""

    path: str
    config: bool
    literal: bool
    named: bool = False
    glued: bool = False
    spent: frozenset[str] = frozenset()
    cut: Cut = field(default=lambda _: None, repr=False)
    see: Callable[[SeenKey], None] | None = None
    newlines: Callable[[int], int] | None = field(default=None, repr=False)
    level: int = 0
    allowance: Allowance = field(default_factory=Allowance, repr=False)

    def show(self, match: Match, data: bytes) -> None:
        """Show the public key of a match in a block."""
        key = seen_key(match, data) if self.see is not None else None
        if key is not None and self.see is not None:
            self.see(key)


class _Places:
    """Offsets in a block as offsets and lines of the document; lines are counted onwards from the last one asked."""

    def __init__(self, window: Window, data: bytes, newlines: Callable[[int], int] | None) -> None:
        self._window, self._data = window, data
        self._newlines = newlines
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

    def is_put_together(self, start: int, end: int) -> bool:
        """True for a stretch of a block without NULs that is no UTF-16: between its letters they were now and then, as
        behind the strings of a program."""
        first, last = self.span(start, end)
        return self._index is not None and last - first < 2 * (end - start) - 2

    def line(self, offset: int) -> int:
        """The line of an offset of the block, counted from 1."""
        if self._lines is None:
            self._lines = self._newlines(self._window.offset) if self._newlines is not None else 0
        if offset < self._counted_to:
            return self._lines - self._data.count(b"\n", offset, self._counted_to) + 1
        self._lines += self._data.count(b"\n", self._counted_to, offset)
        self._counted_to = offset
        return self._lines + 1


class BlockSearch:
    """The rules for all bytes, those for configuration alone, and those for files of certain names."""

    def __init__(self, everywhere: RuleSet, config: RuleSet, named: RuleSet) -> None:
        self.everywhere = everywhere
        self.config = config
        self.named = named

    def candidates(self, window: Window, job: Job) -> Iterator[Candidate]:
        """What is found in the window's own part, as it stands and, where it looks like UTF-16, without its NULs."""
        yield from self._block(window, window.data, job)
        if holds_utf16(window.data):
            yield from self._block(window, without_nuls(window.data), job)
        elif b"\0" in window.data:
            yield from self._in_wide(window, job)

    def is_clean(self, data: bytes) -> bool:
        """Whether nothing that a rule for all bytes begins with is in a document that fits in a window."""
        if self.everywhere.matcher.regions(data):
            return False
        return b"\0" not in data or not (holds_utf16(data) or self.everywhere.wide_hits(data, lambda _: None))

    def _in_wide(self, window: Window, job: Job) -> Iterator[Candidate]:
        """What is found in the UTF-16 among other bytes."""
        place = _Places(window, window.data, job.newlines)
        hits = [hit for hit in self.everywhere.wide_hits(window.data, job.cut) if place.is_own(place.at(hit[0]))]
        yield from self._placed(place, window.data, self._matches_in_wide(window.data, hits, job), job)

    def _block(self, window: Window, data: bytes, job: Job) -> Iterator[Candidate]:
        raw = self.everywhere.find(data, job.spent, job.cut, glued=job.glued)
        found = raw.matches
        if job.config:
            found += self.config.find(data, job.spent, job.cut, skim=not is_env_file(job.path)).matches
        if job.config and window.first:
            found += self.config.in_tables(data, job.path, job.cut)
        if job.named:
            found += self.named.find(data, job.spent, job.cut).matches
        if not (found or raw.in_base64 or raw.in_hex or raw.packed):
            return
        place, around = _Places(window, data, job.newlines), Neighbours(data)
        for match in sorted(found, key=lambda m: m.start):
            start, end = place.span(match.start, match.end)
            match_start, match_end = place.span(match.match_start, match.match_end)
            if not place.is_own(match_start) or not match.rule.is_for(job.path):
                continue
            if place.is_put_together(match.start, match.end):
                continue
            if is_public_match(match):
                job.show(match, data)
                continue
            # Lines are counted for hits only: most matches are none, and programs have few lines.
            hit = judge(match, data, job.path, line=0, offset=start, literal=job.literal)
            if hit is not None:
                hit = replace(with_beside(hit, match, around), line=place.line(match.start))
                hit = _marked(hit, data, match.start, match.end)
            if hit is not None or (match.rule.weight >= Weight.CONTEXT and not match.glued):
                yield Candidate(hit=hit, start=start, end=end, match_start=match_start, match_end=match_end)
        own = [span for span in raw.in_base64 if place.is_own(place.at(span[0]))]
        yield from self._placed(place, data, self._matches_in_base64(data, own, job, _DEEPEST_BASE64), job)
        own = [span for span in raw.in_hex if place.is_own(place.at(span[0]))]
        yield from self._placed(place, data, self._matches_in_hex(data, own, job), job)
        if raw.packed and job.level < _DEEPEST_PACKED:
            own = [span for span in raw.packed if place.is_own(place.at(span[0]))]
            for run in unpacked_runs(data, own, job.allowance, ended=window.last, cut=job.cut):
                yield from self._in_packed(place, data, run, job)

    def _in_packed(self, place: _Places, data: bytes, run: Unpacked, job: Job) -> Iterator[Candidate]:
        """What is found in something packed, which is a document by itself; its place is all of the base64."""
        size = len(run.data)
        inside = Window(data=run.data, offset=0, lines=0, own_start=0, own_end=size, first=True, last=True)
        within = replace(
            job,
            config=job.config and not is_binary(run.data),
            named=False,
            glued=may_touch(run.data),
            see=None,
            newlines=None,
            level=job.level + 1,
        )
        begin, stop = place.span(run.start, run.end)
        for found in fold(distinct(self.candidates(inside, within))):
            hit = _marked(replace(found, line=place.line(run.start), offset=begin), data, run.start, run.end)
            yield Candidate(hit=hit, start=begin, end=stop, match_start=begin, match_end=stop, packed=True)

    def _placed(
        self, place: _Places, data: bytes, decoded: Iterable[tuple[Match, bytes, int, int]], job: Job
    ) -> Iterator[Candidate]:
        """Secrets in what was decoded: a match, the block that it is in, and the stretch of `data` that holds it."""
        for match, block, start, end in decoded:
            begin, stop = place.span(start, end)
            if not match.rule.is_for(job.path):
                continue
            if is_public_match(match):
                job.show(match, block)
                continue
            hit = judge(match, block, job.path, line=0, offset=begin, literal=job.literal)
            if hit is not None:
                hit = _marked(replace(hit, line=place.line(start)), data, start, end)
                yield Candidate(hit=hit, start=begin, end=stop, match_start=begin, match_end=stop)

    def _matches_in_base64(
        self, data: bytes, prefixes: Sequence[tuple[int, int]], job: Job, depth: int
    ) -> Iterator[tuple[Match, bytes, int, int]]:
        """Matches in what base64 holds, and in the base64 in it (the credentials in a pull secret): the match, the
        block that it is in, and where in `data` that comes from."""
        for run in decoded_runs(data, prefixes, cut=job.cut):
            raw = self.everywhere.find(run.data, job.spent, job.cut)
            for match in raw.matches:
                yield match, run.data, *run.span(match.start, match.end)
            if raw.in_base64 and depth > 1:
                for match, block, start, end in self._matches_in_base64(run.data, raw.in_base64, job, depth - 1):
                    yield match, block, *run.span(start, end)

    def _matches_in_wide(
        self, data: bytes, hits: Sequence[tuple[int, int]], job: Job
    ) -> Iterator[tuple[Match, bytes, int, int]]:
        for run in wide_runs(data, hits, cut=job.cut):
            for match in self.everywhere.find(run.data, job.spent, job.cut).matches:
                yield match, run.data, *run.span(match.start, match.end)

    def _matches_in_hex(
        self, data: bytes, hits: Sequence[tuple[int, int]], job: Job
    ) -> Iterator[tuple[Match, bytes, int, int]]:
        for run in hex_runs(data, hits, cut=job.cut):
            for match in self.everywhere.find(run.data, job.spent, job.cut).matches:
                yield match, run.data, *run.span(match.start, match.end)


def _marked(hit: SecretHit, data: bytes, start: int, end: int) -> SecretHit:
    """The hit with the mark that stands beside data[start:end], if one does."""
    mark = mark_beside(data, start, end, hit.rule.id)
    return replace(hit, mark=mark) if mark else hit

"""Scan one document of any size for secrets: bytes in, redacted hits out.

A document is read in windows of a mebibyte; per window all patterns are matched at once, hits confirmed, judged and
placed. Nothing is joined across documents.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cached_property, partial
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from imgscan import __version__
from imgscan.cachedir import cache_dir
from imgscan.detect.secrets import assignments, filekinds
from imgscan.detect.secrets.blocksearch import BlockSearch, Job, RuleSet
from imgscan.detect.secrets.confirm import MOST_MATCHES
from imgscan.detect.secrets.glued import is_binary, may_touch
from imgscan.detect.secrets.hits import (
    Candidate,
    SecretHit,
    distinct,
    fold,
    keystore_candidates,
)
from imgscan.detect.secrets.judging import variable_hit
from imgscan.detect.secrets.keystores import find_keystore
from imgscan.detect.secrets.marks import REACH
from imgscan.detect.secrets.matcher import re2_options
from imgscan.detect.secrets.places import is_other_peoples, is_vendored
from imgscan.detect.secrets.publickeys import SeenKey
from imgscan.detect.secrets.redact import redact, secret_fingerprint_parts
from imgscan.detect.secrets.rules import LONGEST_MATCH, Pack, Scope, SecretRule, default_rules, load_packs
from imgscan.detect.secrets.seenkeys import PUBLIC_RULES
from imgscan.detect.secrets.unpack.magic import recognise
from imgscan.detect.secrets.unpack.search import Feed, search_opened
from imgscan.detect.secrets.unpack.source import Behind, Onwards, fill
from imgscan.detect.secrets.windows import (
    WINDOW_BYTES,
    PlacedDocument,
    ReadAt,
    Window,
    Windows,
    holds_utf16,
    read_windows,
)
from imgscan.detect.secrets.wordlists import load_lists

__all__ = ["SecretHit", "SecretScanner", "default_rules", "load_scanner", "redact", "secret_fingerprint_parts"]

_HARMLESS: Final = ""
_finds: Final = attrgetter(
    *(each.name for each in fields(SecretRule) if each.name not in ("about", "examples", "near_misses"))
)
"""What of a rule has a part in what it finds."""
OVERLAP: Final = LONGEST_MATCH + 2 * REACH
"""What a window sees beyond its own part: a match that begins at its end, and the mark beside it, in UTF-16, too."""
_CONTEXT: Final = 2 * REACH + 64
"""And before it: the same, and whether a line begins there."""


class SecretScanner:
    """All packs' rules, ready to scan. May be shared by threads.

    `notes` says what could not be loaded; `pack_names` which packs are in use; `unpack` whether archives are opened.
    """

    def __init__(
        self, packs: Sequence[Pack], *, backend: str = "auto", cache: Path | None = None, unpack: bool = True
    ) -> None:
        self.unpack = unpack
        rules = [rule for pack in packs for rule in pack.rules]
        everywhere = [rule for rule in rules if rule.scope is Scope.EVERYWHERE]
        config = [rule for rule in rules if rule.scope is Scope.CONFIG]
        named = [rule for rule in rules if rule.scope is Scope.NAMED]
        self.rules = {rule.id: rule for rule in rules}
        self.pack_names = tuple(f"{pack.name} ({len(pack.rules)} rules)" for pack in packs if pack.rules)
        self.notes = tuple(note for pack in packs for note in pack.notes)
        self._sets: list[RuleSet] = []
        make_set = partial(RuleSet, backend=backend, cache=cache, together=self._sets)
        self.blocks = BlockSearch(
            make_set([*everywhere, *PUBLIC_RULES], encoded=True),
            make_set(config, encoded=False),
            make_set(named, encoded=False),
        )

    @cached_property
    def version(self) -> str:
        """What changes with all that a rule finds, and with imgscan itself: results of one version are good for that
        one only. What a rule says of it is no part: results have it from the rule."""
        digest = hashlib.sha256(f"{__version__} {self.unpack}".encode())
        for rule_id in sorted(self.rules):
            rule = self.rules[rule_id]
            digest.update(repr((rule_id, rule.severity, rule.confidence, _finds(rule))).encode())
        return digest.hexdigest()

    @cached_property
    def texts_version(self) -> str:
        """What changes with what rules say of their findings."""
        return hashlib.sha256(repr([self.rules[rule_id].about for rule_id in sorted(self.rules)]).encode()).hexdigest()

    @property
    def matcher_name(self) -> str:
        """Which matcher is at work: `hyperscan` or `re2`."""
        return self.blocks.everywhere.matcher.name

    def begin(self) -> None:
        """Begin to load what every scan needs, beside whatever goes on. No process may be forked before `prepare`."""
        self.blocks.everywhere.begin()

    def prepare(self) -> None:
        """Load what is otherwise loaded when first needed, for processes that are about to be forked."""
        for rules in self._sets:
            rules.prepare()
        load_lists()

    def is_recognised(self, secret: bytes) -> bool:
        """Whether a secret is found in any text by itself alone, without the name or place that gave it away."""
        found = self.scan_bytes(secret, path=filekinds.ALONE)
        return any(hit.secret == secret for hit in found)

    def scan(
        self,
        read: Callable[[int], bytes],
        *,
        path: str,
        size: int | None,
        literal: bool = False,
        note: Callable[[str], None] | None = None,
        see: Callable[[SeenKey], None] | None = None,
    ) -> list[SecretHit]:
        """The secrets of a document.

        `read(n)` gives up to n bytes, b"" at the end. `path` says what kind of document it is, `size` (bytes, if known)
        is a hint. `literal` says that it is image configuration or build instructions, whatever `path` is called:
        assignments in it are looked for, and are as bad as in an environment. `note` is told when there is so much
        that the rest is left out, `see` of each public key that does not lie in an archive.
        """
        if not literal:
            head, _ = fill(read, WINDOW_BYTES)
            container = recognise(head, size) if self.unpack else None
            read = Behind(head, read).read
            if container is not None:
                return search_opened(self, container, read, path=path, size=size, note=note)
        return self.search_flat(read, path=path, size=size, literal=literal, note=note, see=see)

    def scan_placed(
        self,
        read_at: ReadAt,
        *,
        path: str,
        size: int,
        note: Callable[[str], None] | None = None,
        see: Callable[[SeenKey], None] | None = None,
    ) -> list[SecretHit]:
        """The secrets of a document of `size` bytes that can be read anywhere (see `PlacedDocument`); see `scan`. Every
        byte of it is read, in order, before any is read again."""
        head = read_at(0, WINDOW_BYTES)
        container = recognise(head, size) if self.unpack else None
        if container is not None:
            read = Behind(head, Onwards(read_at, len(head)).read).read
            return search_opened(self, container, read, path=path, size=size, note=note)
        document = PlacedDocument(read_at, size)
        search = _Search(self, path=path, size=size, note=note, see=see, newlines=document.newlines)
        for window in document.windows(head, overlap=OVERLAP, context=_CONTEXT):
            search.take(window)
        return search.hits()

    def search_flat(
        self,
        read: Callable[[int], bytes],
        *,
        path: str,
        size: int | None,
        literal: bool = False,
        note: Callable[[str], None] | None = None,
        see: Callable[[SeenKey], None] | None = None,
    ) -> list[SecretHit]:
        """The secrets of a document as it lies, without those of what is packed in it; see `scan`."""
        search = _Search(self, path=path, size=size, literal=literal, note=note, see=see)
        for window in read_windows(read, overlap=OVERLAP, context=_CONTEXT):
            search.take(window)
        return search.hits()

    def begin_flat(self, *, path: str, size: int | None, note: Callable[[str], None] | None) -> Feed:
        """The same for a document that is handed over piece by piece."""
        return _Pieces(_Search(self, path=path, size=size, note=note))

    def scan_bytes(
        self,
        data: bytes,
        *,
        path: str,
        literal: bool = False,
        note: Callable[[str], None] | None = None,
        see: Callable[[SeenKey], None] | None = None,
    ) -> list[SecretHit]:
        """The secrets of a document that is in memory; see `scan`."""
        if not literal and self.is_plain(data, path):
            return []
        return self.scan(io.BytesIO(data).read, path=path, size=len(data), literal=literal, note=note, see=see)

    def is_plain(self, data: bytes, path: str) -> bool:
        """Whether a document in memory is small, no container, and holds nothing: what `scan_bytes` finds at once."""
        size = len(data)
        return size <= WINDOW_BYTES and not (self.unpack and recognise(data, size)) and self.is_clean(data, path)

    def is_clean(self, data: bytes, path: str) -> bool:
        """Whether a document that fits in a window holds nothing that any rule begins with: true of nearly all."""
        return (
            not filekinds.is_config_like(path, len(data))
            and not self.has_rules_by_name(path, len(data))
            and self.blocks.is_clean(data)
            and find_keystore(data) is None
        )

    def has_rules_by_name(self, path: str, size: int | None) -> bool:
        """Whether a document's name alone says that there are rules for it."""
        if size is not None and size > WINDOW_BYTES:
            return False
        folder, _, name = path.rpartition("/")
        if filekinds.is_for_credentials(path, name.lower()):
            return self.blocks.named.paths.has_one_for(path)
        return not is_other_peoples(folder) and self.blocks.named.paths.has_one_for(path) and not is_vendored(path)

    def may_hold(self, data: bytes) -> bool:
        """Whether bytes hold what any known token begins with, whatever stands around it."""
        return self._beginnings.search(data) is not None

    @cached_property
    def _beginnings(self) -> Any:  # noqa: ANN401 - a pattern of re2, which has no types
        import re2

        words = {prefix for rule in self.rules.values() for prefix in rule.prefixes}
        return re2.compile("|".join(map(re.escape, sorted(words))).encode(), re2_options())

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
            for candidate in self.blocks.candidates(window, Job(path=path, config=True, literal=True))
            if candidate.hit is None or candidate.hit.rule.id != assignments.ENV_ASSIGNMENT
        ]
        generic = self.rules.get(assignments.ENV_ASSIGNMENT)
        verdict = assignments.judge_value(name, raw, assignments.Written.LITERAL)
        if generic is not None and verdict is not None:
            hit = variable_hit(generic, name, raw, verdict)
            found.append(Candidate(hit=hit, start=0, end=len(raw), match_start=-len(prefix), match_end=len(raw)))
        return fold(distinct(found))


class _Search:
    """The search of one document: windows in, hits out; see `SecretScanner.scan`."""

    def __init__(
        self,
        scanner: SecretScanner,
        *,
        path: str,
        size: int | None,
        literal: bool = False,
        note: Callable[[str], None] | None = None,
        see: Callable[[SeenKey], None] | None = None,
        newlines: Callable[[int], int] | None = None,
    ) -> None:
        self._scanner = scanner
        self._path, self._size = path, size
        self._named = scanner.has_rules_by_name(path, size)
        self._config = literal or self._named or filekinds.is_config_like(path, size)
        self._others = scanner.blocks.config.paths.ids_for_others(path)
        self._literal = literal
        self._note = note
        self._see = see
        self._newlines = newlines
        self._glued = False
        self._found: list[Candidate] = []
        self._counts: dict[str, int] = {}
        self._cuts: dict[str, None] = {}

    def take(self, window: Window) -> None:
        """Search the next window."""
        counts = self._counts
        if window.first:
            self._glued = not self._literal and may_touch(window.data)
            if self._size is None:
                # Nobody knew how much it is; now it is known what it is at least.
                likely = filekinds.is_config_like(self._path, len(window.data))
                self._config = self._literal or self._named or likely
            if filekinds.is_bare(self._path) and is_binary(window.data) and not holds_utf16(window.data):
                self._config = self._literal
        if window.first and not self._literal:
            self._found += keystore_candidates(self._scanner.rules, window.data)
        spent, cut = _spent(counts) | self._others, self._cuts.setdefault
        job = Job(
            path=self._path,
            config=self._config,
            named=self._named and window.first and window.last,
            literal=self._literal,
            glued=self._glued,
            spent=spent,
            cut=cut,
            see=self._see,
            newlines=self._newlines,
        )
        for candidate in distinct(self._scanner.blocks.candidates(window, job)):
            rule_id = candidate.hit.rule.id if candidate.hit is not None else _HARMLESS
            counts[rule_id] = counts.get(rule_id, 0) + 1
            if rule_id != _HARMLESS or counts[rule_id] <= MOST_MATCHES:
                self._found.append(candidate)

    def hits(self) -> list[SecretHit]:
        """What was found."""
        if self._note is not None:
            for rule_id in sorted(_spent(self._counts) - {_HARMLESS}):
                self._note(
                    f"{rule_id}: more than {MOST_MATCHES} hits, the rest of the file was not searched for this rule"
                )
            for text in sorted(self._cuts):
                self._note(text)
        return fold(self._found)


class _Pieces:
    """A search that is given its document piece by piece."""

    def __init__(self, search: _Search) -> None:
        self._search = search
        self._windows = Windows(overlap=OVERLAP, context=_CONTEXT)

    def push(self, data: bytes) -> None:
        """The next piece."""
        for window in self._windows.push(data):
            self._search.take(window)

    def finish(self) -> list[SecretHit]:
        """What was found."""
        self._search.take(self._windows.finish())
        return self._search.hits()


def _spent(counts: Mapping[str, int]) -> frozenset[str]:
    """The rules that had as many hits as a document may have of one rule."""
    return frozenset(rule_id for rule_id, n in counts.items() if n >= MOST_MATCHES) if counts else frozenset()


def load_scanner(
    *,
    trufflehog3: bool = True,
    rule_files: Sequence[Path] = (),
    backend: str = "auto",
    cache: Path | None = None,
    keep_compiled: bool = True,
    unpack: bool = True,
) -> SecretScanner:
    """A scanner with imgscan's rules, trufflehog3's when it is installed, and the user's `rule_files`.

    Raises InputError for a rule file that cannot be used. `backend` is `auto`, `hyperscan` or `re2`. Compiled databases
    are kept in `cache` (None: `cachedir.cache_dir()`) unless `keep_compiled` is False. `unpack`: archives are opened.
    """
    packs = load_packs(rule_files, trufflehog3=trufflehog3)
    directory = (cache or cache_dir()) if keep_compiled else None
    return SecretScanner(packs, backend=backend, cache=directory, unpack=unpack)

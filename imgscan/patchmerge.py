"""Patches for the same files -> patches of which each applies, whatever else was applied. Pure.

Each patch of a report is made for the files as they are. Two that create one file, or that change lines near each
other, cannot both be applied: those become one patch, which all their findings share.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from imgscan.diff import FileChange, diff_without
from imgscan.lazyre import lazy_re
from imgscan.model import Finding

_HUNK: Final = lazy_re(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_HEADER: Final = re.compile(
    r"(?m)^diff --git a/(?P<old>\S+) b/(?P<new>\S+)\n(?:new file mode 100644\n)?--- .*\n\+\+\+ .*\n"
)
_NEAR: Final = 3
"""A diff shows so many lines around each change: all of them have to be there for it to apply."""

Texts = Mapping[str, str | None]
"""Files as they are, by the path that patches use; None for one that is not there."""
_Change = tuple[int, int, list[str]]
"""Lines `first` to `last` become others."""


def with_merged_patches(
    findings: Iterable[Finding],
    text_of: Callable[[str], str | None],
    is_secret: Callable[[str], bool] = lambda text: False,
) -> tuple[Finding, ...]:
    """The findings with patches that apply together. `text_of` gives the files as they are by the paths of patches, and
    None for one that is not there or cannot be read."""
    findings = tuple(findings)
    patches = [finding.fix.patch for finding in findings if finding.fix.patch]
    paths = dict.fromkeys(header["new"] for patch in patches for header in _HEADER.finditer(patch))
    shown = merged_patches(patches, {path: text_of(path) for path in paths}, is_secret)
    return tuple(
        replace(finding, fix=replace(finding.fix, patch=shown[finding.fix.patch])) if finding.fix.patch else finding
        for finding in findings
    )


def merged_patches(
    patches: Sequence[str], texts: Texts, is_secret: Callable[[str], bool] = lambda text: False
) -> dict[str, str]:
    """For each patch the one to show instead: itself, or one for all that touch the same lines. What cannot be merged,
    and what changes other files than those, stays as it is."""
    groups: list[tuple[dict[str, str], list[str]]] = []
    for patch in dict.fromkeys(patches):
        after = patched_texts(patch, texts)
        if after is None:
            continue
        near = [group for group in groups if _touch(group[0], after, texts)]
        merged = _merge_all([*(group[0] for group in near), after], texts)
        if merged is None:
            continue
        groups = [group for group in groups if group not in near]
        groups.append((merged, [*(one for group in near for one in group[1]), patch]))
    shown: dict[str, str] = {}
    for merged, members in groups:
        changes = tuple(FileChange(path=path, before=texts[path], after=text) for path, text in merged.items())
        diff = diff_without(changes, is_secret) if len(members) > 1 else None
        shown.update(dict.fromkeys(members, diff) if diff else {})
    return {patch: shown.get(patch, patch) for patch in patches}


def overlap(one: str, other: str, texts: Texts) -> bool:
    """Whether one of two patches keeps the other from being applied."""
    before, after = patched_texts(one, texts), patched_texts(other, texts)
    return before is not None and after is not None and _touch(before, after, texts)


def patched_texts(patch: str, texts: Texts) -> dict[str, str] | None:
    """The texts of the files that a patch changes, afterwards. None if it changes others, or does not apply."""
    headers = list(_HEADER.finditer(patch))
    if not headers or headers[0].start() or patch.count("\ndiff --git ") + 1 != len(headers):
        return None
    found: dict[str, str] = {}
    for number, header in enumerate(headers):
        end = headers[number + 1].start() if number + 1 < len(headers) else len(patch)
        path = header["new"]
        if path not in texts or header["old"] != path:
            return None
        after = _applied(_lines(texts[path] or ""), _lines(patch[header.end() : end]))
        if after is None:
            return None
        found[path] = after
    return found


def _applied(before: list[str], hunks: list[str]) -> str | None:
    made: list[str] = []
    at, above = 0, ""
    for line in hunks:
        head = _HUNK.match(line)
        if head:
            start = int(head[1]) - (0 if head[2] == "0" else 1)
            made += before[at:start]
            at = start
        elif line.startswith("+"):
            made.append(line[1:])
        elif line.startswith("\\") and above == "+":
            made[-1] = made[-1].removesuffix("\n")
        elif line[:1] in (" ", "-"):
            if at >= len(before) or before[at].removesuffix("\n") != line[1:].removesuffix("\n"):
                return None
            made += [before[at]] if line[0] == " " else []
            at += 1
        above = line[:1]
    return "".join((*made, *before[at:]))


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _changes(before: list[str], after: list[str]) -> list[_Change]:
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    return [(i1, i2, after[j1:j2]) for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal"]


def _touch(one: Mapping[str, str], other: Mapping[str, str], texts: Texts) -> bool:
    for path in one.keys() & other.keys():
        before = texts[path]
        if before is None:
            return True
        mine, theirs = (_changes(_lines(before), _lines(each[path])) for each in (one, other))
        if any(a[0] - _NEAR <= b[1] and b[0] - _NEAR <= a[1] for a in mine for b in theirs):
            return True
    return False


def _merge_all(versions: Sequence[Mapping[str, str]], texts: Texts) -> dict[str, str] | None:
    merged = dict(versions[0])
    for version in versions[1:]:
        for path, after in version.items():
            listed = path.endswith(".dockerignore")
            text = _merge(texts[path] or "", merged[path], after, listed=listed) if path in merged else after
            if text is None:
                return None
            merged[path] = text
    return merged


def _merge(before: str, one: str, other: str, *, listed: bool) -> str | None:
    """Both changes of a text; None where they change the same lines in different ways. In a `listed` file each line
    stands for itself, in others a line that both put in at one place may belong to what is above it."""
    base = _lines(before)
    mine, theirs = _changes(base, _lines(one)), _changes(base, _lines(other))
    for change in theirs:
        if change in mine:
            continue
        same = [at for at, known in enumerate(mine) if known[0] == known[1] == change[0] == change[1]]
        if same:
            known = mine[same[0]]
            if not listed and set(known[2]) & set(change[2]):
                return None
            mine[same[0]] = (known[0], known[1], _both(known[2], change[2]))
        elif any((change[0] < known[1] and known[0] < change[1]) or _splits(change, known) for known in mine):
            return None
        else:
            mine.append(change)
    made: list[str] = []
    at = 0
    for first, last, lines in sorted(mine, key=lambda change: change[:2]):
        made += (*base[at:first], *lines)
        at = last
    return "".join((*made, *base[at:]))


def _splits(one: _Change, other: _Change) -> bool:
    """Whether one of two changes puts lines into those that the other replaces."""
    return any(a[0] == a[1] and b[0] < a[0] < b[1] for a, b in ((one, other), (other, one)))


def _both(one: list[str], other: list[str]) -> list[str]:
    """Lines put in at the same place: each once."""
    ended = [line if line.endswith("\n") else f"{line}\n" for line in one]
    return [*ended, *(line for line in other if line not in ended and f"{line}\n" not in ended)]

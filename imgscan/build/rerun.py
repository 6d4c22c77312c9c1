"""Changed paths of the context -> the instructions that run again, by the cache model. Pure.

Many paths are alike: every file that the same steps take, and no other, re-runs the same. The model is asked once for
each such group, and what several edits re-run together is what each of them does.
"""

from __future__ import annotations

import posixpath
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Final

from imgscan.build.cachemodel.contents import folders_above
from imgscan.build.cachemodel.inputs import context_files, edit_files
from imgscan.build.cachemodel.predict import Predictor
from imgscan.build.cachemodel.records import CacheBuilder, Inputs, Outcome
from imgscan.build.reach import Reach
from imgscan.build.request import Builder
from imgscan.detect.stages.contextindex import is_pattern, matches_segment
from imgscan.detect.stages.walk import bind_options, is_excluded
from imgscan.dockerfile.context import BuildContext
from imgscan.dockerfile.ignore import is_ignored
from imgscan.dockerfile.parse import Command, Dockerfile
from imgscan.frozen import frozen
from imgscan.model import EntryKind, Instruction

_MAX_DEPTH: Final = 100
_BUILDKIT: Final = CacheBuilder(kind=Builder.BUILDKIT)


@frozen
class Rerun:
    """What runs again: the line of the instruction -> whether that is sure. `busted_by` is the first instruction that
    takes a changed path, None if there is none."""

    lines: Mapping[int, bool]
    busted_by: Command | None


_NOTHING: Final = Rerun(lines={}, busted_by=None)


class Reruns:
    """Answers for many edits of one project; what edits have in common is worked out once."""

    def __init__(self, context: BuildContext, reach: Reach, builder: CacheBuilder = _BUILDKIT) -> None:
        self._context, self._dockerfile = context, reach.dockerfile
        self._inputs = Inputs(
            dockerfile=reach.dockerfile,
            files=context_files(context),
            build_args=reach.build_args,
            target=reach.target,
        )
        self._predictor = Predictor(self._inputs, builder)
        # Of some steps nobody knows even without an edit (an address that is downloaded from).
        unedited = self._predictor.predict(self._inputs)
        self._unknown = {(step.stage, step.ordinal) for step in unedited if step.outcome is Outcome.UNKNOWN}
        self._groups = _Groups(self._inputs, self._predictor)
        self._alone: dict[Hashable, Rerun] = {}
        self._together: dict[frozenset[Hashable], Rerun] = {}
        self._equal: dict[Hashable, Rerun] = {}

    def of(self, changed: Iterable[str]) -> Rerun:
        """What runs again after these paths (relative to the context) changed their content. The one place where hits
        and misses of an edit are decided; paths that are ignored, or that nothing takes, re-run nothing."""
        members = {self._groups.of(path): path for path in dict.fromkeys(changed) if not self._is_ignored(path)}
        groups = frozenset(members)
        if groups not in self._together:
            self._together[groups] = self._merged([self._rerun(group, path) for group, path in members.items()])
        return self._together[groups]

    def _is_ignored(self, path: str) -> bool:
        return self._context.rules is not None and is_ignored(self._context.rules, path)

    def _rerun(self, group: Hashable, member: str) -> Rerun:
        if group not in self._alone:
            self._alone[group] = self._ask(member)
        return self._alone[group]

    def _ask(self, path: str) -> Rerun:
        lines: dict[int, bool] = {}
        causes: list[Instruction] = []
        for step in self._predictor.predict(edit_files(self._inputs, {path}, self._context)):
            sure = step.outcome is Outcome.MISS
            if step.outcome is Outcome.HIT or (not sure and (step.stage, step.ordinal) in self._unknown):
                continue
            line = step.instruction.line
            lines[line] = lines.get(line, False) or sure
            if sure and step.cause is not None:
                causes.append(step.cause)
        first = min(causes, key=lambda cause: cause.line, default=None)
        return Rerun(lines=lines, busted_by=_command_at(self._dockerfile, first) if first is not None else None)

    def _merged(self, parts: list[Rerun]) -> Rerun:
        """What several edits re-run together; equal answers are one object."""
        lines: dict[int, bool] = {}
        for part in parts:
            for line, sure in part.lines.items():
                lines[line] = lines.get(line, False) or sure
        blamed = [part.busted_by for part in parts if part.busted_by is not None]
        first = min(blamed, key=lambda command: command.instruction.line, default=None)
        key = (frozenset(lines.items()), first.start if first is not None else None)
        return self._equal.setdefault(key, Rerun(lines=lines, busted_by=first) if lines else _NOTHING)


def steps_rerun(context: BuildContext, reach: Reach, changed: Iterable[str]) -> Rerun:
    """What runs again after one edit; see `Reruns.of`."""
    return Reruns(context, reach).of(changed)


def _command_at(dockerfile: Dockerfile, instruction: Instruction) -> Command:
    return dockerfile.stages[instruction.stage].commands[instruction.ordinal - 1]


class _Groups:
    """Which paths are alike: the same steps take them, alone or with what lies around them. State: answers given."""

    def __init__(self, inputs: Inputs, predictor: Predictor) -> None:
        self._files = {file.path: file for file in inputs.files}
        self._predictor = predictor
        self._segments, self._excludes = _patterns(inputs.dockerfile)
        self._by_source: dict[str, list[int]] = {}
        self._by_digest: dict[str, list[int]] = {}
        known: set[tuple[int, str]] = set()
        for at, content in enumerate(predictor.contents()):
            if predictor.of_context(content):
                self._by_source.setdefault(content.path, []).append(at)
                continue
            if content.tree is not None:
                if (id(content.tree), content.path) in known:
                    continue
                known.add((id(content.tree), content.path))
            for entry in content.entries.values():
                if entry.digest:
                    self._by_digest.setdefault(entry.digest, []).append(at)
        self._known: dict[str, Hashable] = {}

    def of(self, path: str) -> Hashable:
        """The group of a path."""
        if path not in self._known:
            self._known[path] = self._find(path)
        return self._known[path]

    def _find(self, path: str) -> Hashable:
        file = self._files.get(path)
        if file is None:
            return self._find_new(path)
        if file.kind is not EntryKind.FILE:
            # Each link by itself: what follows it is not told by where it lies. Folders have no content.
            return path if file.kind is EntryKind.SYMLINK else file.kind
        return frozenset((*self._takers(path), *self._by_digest.get(file.digest, ())))

    def _takers(self, path: str) -> list[int]:
        """The selections of the context that hold a path."""
        return [at for source in (path, *folders_above(path)) for at in self._by_source.get(source, ())]

    def _find_new(self, path: str) -> Hashable:
        """Paths that are not there are alike if the same patterns match their names, and what lies in their folders is
        alike, too."""
        if any("$" in segment for segment in self._segments):
            return path
        folder = next(above for above in folders_above(path) if self._predictor.is_folder(above))
        names = posixpath.relpath(path, folder or ".").split("/")
        matched = tuple(tuple(matches_segment(name, segment) for segment in self._segments) for name in names)
        parts = path.split("/")
        tails = ["/".join(parts[at:]) for at in range(len(parts))]
        excluded = tuple(is_excluded((pattern,), tail) for pattern in self._excludes for tail in tails)
        return frozenset(self._takers(folder)), self._around(folder), matched, excluded

    def _around(self, folder: str) -> Hashable:
        """The selections of stages that hold the first file below a folder, with how deep that lies; where there is
        none, the folder itself."""
        at = folder
        for depth in range(_MAX_DEPTH):
            inside = [f"{at}/{name}".strip("/") for name in sorted(self._predictor.names(at))]
            files = [path for path in inside if path in self._files and self._files[path].kind is EntryKind.FILE]
            if files:
                return depth, frozenset(self._by_digest.get(self._files[files[0]].digest, ()))
            below = [path for path in inside if self._predictor.is_folder(path)]
            if not below:
                break
            at = below[0]
        return folder


def _patterns(dockerfile: Dockerfile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The segments of all sources that have wildcards, and all patterns of --exclude."""
    segments: dict[str, None] = {}
    excludes: dict[str, None] = {}
    for command in _commands(dockerfile):
        for word in _sources(command):
            segments |= dict.fromkeys(segment for segment in word.split("/") if is_pattern(segment))
        excludes |= dict.fromkeys(value for name, value in command.flags if name == "exclude" and value)
    return tuple(segments), tuple(excludes)


def _commands(dockerfile: Dockerfile) -> Iterator[Command]:
    for stage in dockerfile.stages:
        for command in stage.commands:
            yield command
            if command.trigger is not None:
                yield command.trigger


def _sources(command: Command) -> Iterator[str]:
    if command.keyword in ("COPY", "ADD"):
        yield from command.words[:-1]
    for name, value in command.flags if command.keyword == "RUN" else ():
        options = bind_options(value) if name == "mount" and value else None
        if options is not None:
            yield options.get("source", "")

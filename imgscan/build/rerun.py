"""Changed paths of the context -> the instructions that run again. Pure.

Rules (moby/buildkit frontend/dockerfile/dockerfile2llb/convert.go): an instruction runs again when it takes a changed
file, or when the one before it in its stage, or the stage it is FROM, did. What comes out of another stage is keyed by
content: COPY --from and bind mounts of a stage that runs again may still be hits. The classic builder runs every stage
up to the target.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from imgscan.build.reach import Reach, takes
from imgscan.detect.stages.records import StageView, Transfer
from imgscan.detect.stages.walk import relative
from imgscan.dockerfile.context import BuildContext
from imgscan.dockerfile.ignore import is_ignored
from imgscan.dockerfile.parse import Command

_STEPS: Final = frozenset({"RUN", "COPY", "ADD", "WORKDIR"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """What runs again: the line of the instruction -> whether that is sure. `busted_by` is the first instruction that
    takes a changed path, None if there is none."""

    lines: Mapping[int, bool]
    busted_by: Command | None


class Reruns:
    """Answers for many edits of one project; what edits have in common is worked out once."""

    def __init__(self, context: BuildContext, reach: Reach) -> None:
        self._rules = context.rules
        self._reach = reach
        self._by_source: dict[str, list[int]] = {}
        for at, transfer in enumerate(reach.transfers):
            self._by_source.setdefault(transfer.source, []).append(at)
        self._taken: dict[str, frozenset[int]] = {}
        self._known: dict[tuple[bool, frozenset[int]], Rerun] = {}

    def of(self, changed: Iterable[str]) -> Rerun:
        """What runs again after these paths (relative to the context) changed their content. The one place where hits
        and misses of an edit are decided; paths that are ignored, or that nothing takes, re-run nothing."""
        paths = [path for path in dict.fromkeys(changed) if not self._is_ignored(path)]
        taken = frozenset[int]().union(*map(self._takers, paths))
        key = (bool(paths), taken)
        if key not in self._known:
            self._known[key] = _rerun(self._reach, taken, unknown=bool(paths))
        return self._known[key]

    def _is_ignored(self, path: str) -> bool:
        return self._rules is not None and is_ignored(self._rules, path)

    def _takers(self, path: str) -> frozenset[int]:
        """The transfers that take a path: of itself, or of a folder above it."""
        if path not in self._taken:
            above = [path[:at] for at, character in enumerate(path) if character == "/"]
            candidates = (at for source in (path, *above, "") for at in self._by_source.get(source, ()))
            self._taken[path] = frozenset(at for at in candidates if takes(self._reach.transfers[at], path))
        return self._taken[path]


def steps_rerun(context: BuildContext, reach: Reach, changed: Iterable[str]) -> Rerun:
    """What runs again after one edit; see `Reruns.of`."""
    return Reruns(context, reach).of(changed)


def _rerun(reach: Reach, numbers: frozenset[int], *, unknown: bool) -> Rerun:
    taken: dict[int, list[Transfer]] = {}
    for at in sorted(numbers):
        taken.setdefault(reach.transfers[at].command.start, []).append(reach.transfers[at])
    dirty: dict[int, list[_Dirt]] = {}
    for view in reach.simulation.stages:
        if view.stage.index in reach.simulation.needed:
            parent = dirty.get(view.parent, []) if view.parent is not None else []
            dirty[view.stage.index] = [*parent, *_stage(view, parent, taken, dirty, unknown=unknown)]
    lines: dict[int, bool] = {}
    for found in dirty.values():
        for dirt in found:
            line = dirt.command.instruction.line
            lines[line] = lines.get(line, False) or dirt.sure
    first = next((t.command for t in reach.transfers if t.command.start in taken), None)
    return Rerun(lines=lines, busted_by=first)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dirt:
    """An instruction that runs again. `brought` is what it takes of the changed paths."""

    command: Command
    sure: bool
    brought: tuple[Transfer, ...] = ()


def _stage(
    view: StageView,
    parent: Sequence[_Dirt],
    taken: Mapping[int, list[Transfer]],
    dirty: Mapping[int, list[_Dirt]],
    *,
    unknown: bool,
) -> Iterator[_Dirt]:
    """The steps of a stage that run again, in order; those of the stages before it are known. `unknown`: something
    changed that a COPY may take whose sources cannot be told (they hang on a variable of the base image)."""
    sure: bool | None = any(dirt.sure for dirt in parent) if parent else None
    inner = _stage_transfers(view)
    clear = {transfer.command.start for transfer in view.transfers}
    for command in view.stage.commands[1:]:
        if command.keyword not in _STEPS:
            continue
        brought = tuple(taken.get(command.start, ()))
        if brought:
            sure = True
        elif not sure:
            vague = view.vague and command.keyword in ("COPY", "ADD") and command.start not in clear
            sure = False if sure is None and vague and unknown else sure
            sure = _from_stages(inner.get(command.start, []), dirty, sure)
        if sure is not None:
            yield _Dirt(command=command, sure=sure, brought=brought)


def _stage_transfers(view: StageView) -> dict[int, list[Transfer]]:
    """By instruction, what it takes of other stages."""
    found: dict[int, list[Transfer]] = {}
    for transfer in (*view.transfers, *(mount for run in view.runs for mount in run.mounted)):
        if transfer.from_stage is not None:
            found.setdefault(transfer.command.start, []).append(transfer)
    return found


def _from_stages(transfers: Iterable[Transfer], dirty: Mapping[int, list[_Dirt]], before: bool | None) -> bool | None:
    """Whether taking those files of other stages runs again: True surely, False perhaps, None not."""
    verdict = before
    for transfer in transfers:
        for dirt in dirty.get(transfer.from_stage if transfer.from_stage is not None else -1, []):
            if dirt.command.keyword == "RUN" or dirt.command.flag("from"):
                verdict = verdict or False
            elif any(relative(brought.dest, transfer.source) is not None for brought in dirt.brought):
                return True if dirt.sure else (verdict or False)
            elif any(relative(transfer.source, brought.dest) is not None for brought in dirt.brought):
                # Only a part of what was brought is taken, perhaps not the part that changed.
                verdict = verdict or False
    return verdict

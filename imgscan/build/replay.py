"""A repository's commits -> what each of them, and each path and instruction, would have cost to rebuild. Pure.

Every commit is replayed as one edit of today's Dockerfile and context: what a build after each commit costs now.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from imgscan.build.forecast import Costs, predict
from imgscan.build.gitlog import Commit
from imgscan.build.rerun import Rerun, Reruns
from imgscan.dockerfile.context import BuildContext
from imgscan.dockerfile.install import find_installs
from imgscan.dockerfile.parse import Dockerfile
from imgscan.editcosts import CommitCost, DayCost, History, InstructionCost, PathCost, Prediction, Saving
from imgscan.escape import path_text
from imgscan.frozen import frozen
from imgscan.model import BustedBy, Finding

_TOP: Final = 10
_ORDER_RULE: Final = "cache-copy-before-install"


@frozen
class _Replayed:
    """A commit with its edit's rerun and prediction. `unpriced`: it changed the Dockerfile or the ignore file."""

    commit: Commit
    rerun: Rerun
    prediction: Prediction
    unpriced: bool

    @property
    def day(self) -> str:
        """The date, in UTC; a clock that was wrong beyond all dates gives the nearest one."""
        seconds = min(max(self.commit.time_s, 0), 253_402_300_799)
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def replay(
    context: BuildContext,
    dockerfile: Dockerfile,
    reruns: Reruns,
    costs: Costs,
    commits: Iterable[Commit],
    findings: Iterable[Finding] = (),
) -> History:
    """The history of `commits`, newest first. `findings` of the cache's order are priced: what mending each of them
    would have saved."""
    own = _own_files(context)
    replayed = [_replay_one(commit, own, reruns, costs) for commit in commits]
    return History(
        commits=len(replayed),
        free=sum(not item.prediction.steps for item in replayed),
        unpriced=sum(item.unpriced for item in replayed),
        seconds=_sum(item.prediction.seconds for item in replayed),
        low_s=_sum(item.prediction.low_s for item in replayed),
        high_s=_sum(item.prediction.high_s for item in replayed),
        per_commit=tuple(map(_commit_cost, replayed)),
        per_day=_per_day(replayed),
        paths=_paths(replayed, reruns, costs),
        instructions=_instructions(replayed),
        savings=tuple(_savings(replayed, dockerfile, costs, findings)),
    )


def _replay_one(commit: Commit, own: frozenset[str], reruns: Reruns, costs: Costs) -> _Replayed:
    rerun = reruns.of(commit.paths)
    return _Replayed(
        commit=commit,
        rerun=rerun,
        prediction=predict(costs, rerun, name="commit", touched=()),
        unpriced=not own.isdisjoint(commit.paths),
    )


def _own_files(context: BuildContext) -> frozenset[str]:
    """The files whose edits change the steps themselves, or what is in the context."""
    names = {context.dockerfile}
    root, path = context.root.resolve(), context.dockerfile_path.resolve()
    if path.is_relative_to(root):
        names.add(path.relative_to(root).as_posix())
    if context.rules is not None and context.rules.file is not None:
        names.add(context.rules.file)
    return frozenset(names)


def _commit_cost(item: _Replayed) -> CommitCost:
    prediction = item.prediction
    return CommitCost(
        commit=item.commit.id,
        day=item.day,
        files=len(item.commit.paths),
        seconds=prediction.seconds,
        low_s=prediction.low_s,
        high_s=prediction.high_s,
        steps_run=len(prediction.steps),
        busted_by=prediction.busted_by,
    )


def _per_day(replayed: Sequence[_Replayed]) -> tuple[DayCost, ...]:
    days: dict[str, list[float]] = defaultdict(list)
    for item in replayed:
        days[item.day].append(item.prediction.seconds)
    return tuple(DayCost(day=day, commits=len(seconds), seconds=_sum(seconds)) for day, seconds in sorted(days.items()))


def _paths(replayed: Sequence[_Replayed], reruns: Reruns, costs: Costs) -> tuple[PathCost, ...]:
    """The paths that cost most; those of commits whose edit re-runs nothing cannot be among them."""
    counts = Counter(path for item in replayed if item.prediction.steps for path in dict.fromkeys(item.commit.paths))
    each: dict[int, float] = {}
    found: list[tuple[float, str, int, float]] = []
    for path, commits in counts.items():
        rerun = reruns.of([path])
        if id(rerun) not in each:
            alone = predict(costs, rerun, name="path", touched=())
            each[id(rerun)] = max(0.0, alone.seconds - costs.basis.fixed_s) if alone.steps else 0.0
        seconds = each[id(rerun)]
        if seconds:
            found.append((-seconds * commits, path, commits, seconds))
    return tuple(
        PathCost(
            path=path_text(os.fsencode(path)), commits=commits, each_s=round(seconds, 3), seconds=round(-negative, 3)
        )
        for negative, path, commits, seconds in sorted(found)[:_TOP]
    )


def _instructions(replayed: Sequence[_Replayed]) -> tuple[InstructionCost, ...]:
    seconds: dict[tuple[int | None, str], float] = defaultdict(float)
    commits: Counter[tuple[int | None, str]] = Counter()
    blamed: dict[tuple[int | None, str], Counter[BustedBy]] = defaultdict(Counter)
    for item in replayed:
        for step in item.prediction.steps:
            key = (step.line, step.instruction)
            seconds[key] += step.seconds + step.export_s
            commits[key] += 1
            if item.prediction.busted_by is not None:
                blamed[key][item.prediction.busted_by] += 1
    worst = sorted(seconds, key=lambda key: (-seconds[key], key[0] or 0, key[1]))[:_TOP]
    return tuple(
        InstructionCost(
            line=key[0],
            instruction=key[1],
            commits=commits[key],
            seconds=round(seconds[key], 3),
            busted_by=blamed[key].most_common(1)[0][0] if blamed[key] else None,
        )
        for key in worst
    )


def _savings(
    replayed: Sequence[_Replayed], dockerfile: Dockerfile, costs: Costs, findings: Iterable[Finding]
) -> Iterator[Saving]:
    """For each finding that names a copy above an install: the installs that would have been hits."""
    for finding in findings:
        if finding.rule_id != _ORDER_RULE or finding.location.line is None:
            continue
        installs = _installs_of(finding, dockerfile)
        saved = [seconds for item in replayed if (seconds := _saved(item, installs, costs)) > 0]
        yield Saving(
            rule_id=finding.rule_id,
            fingerprint=finding.fingerprint,
            line=finding.location.line,
            commits=len(saved),
            seconds=_sum(saved),
        )


def _installs_of(finding: Finding, dockerfile: Dockerfile) -> dict[int, frozenset[str]]:
    """The line of each install that the finding speaks of -> the names of the files it has to run again for."""
    lines = {place.line for place in finding.places}
    commands = [command for stage in dockerfile.stages for command in stage.commands if command.keyword == "RUN"]
    found: dict[int, frozenset[str]] = {}
    for command in commands:
        if command.instruction.line in lines:
            names = [name for i in find_installs(command) for name in (*i.manifests, *i.lockfiles)]
            found[command.instruction.line] = frozenset(name.rstrip("/").rpartition("/")[2] for name in names)
    return found


def _saved(item: _Replayed, installs: Mapping[int, frozenset[str]], costs: Costs) -> float:
    """The seconds by which a commit's rebuild is shorter without those installs that it had no need to run."""
    changed = {path.rpartition("/")[2] for path in item.commit.paths}
    idle = {line for line, names in installs.items() if line in item.rerun.lines and names.isdisjoint(changed)}
    if not idle:
        return 0.0
    kept = replace(item.rerun, lines={line: sure for line, sure in item.rerun.lines.items() if line not in idle})
    return item.prediction.seconds - predict(costs, kept, name="mended", touched=()).seconds


def _sum(seconds: Iterable[float]) -> float:
    return round(sum(seconds), 3)

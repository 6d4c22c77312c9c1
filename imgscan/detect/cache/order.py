"""Sources copied above a dependency install (`cache-copy-before-install`): which COPY, which install, what would do.

In: the simulated stages and, where there are any, the timings of real rebuilds. Out: one finding for each install that
broad copies stand above; a copy is blamed once.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from imgscan.detect.cache.brings import Bringing, Brings
from imgscan.detect.cache.calls import Call, calls_of
from imgscan.detect.places import dockerfile_line
from imgscan.detect.secretnames import secret_name
from imgscan.detect.stages.contextindex import ContextIndex
from imgscan.detect.stages.records import Presence, RunStep, Simulation
from imgscan.detect.stages.stagesim import chain, find, runs_before, transfers_before
from imgscan.dockerfile.install import Ecosystem
from imgscan.escape import shorten
from imgscan.model import Confidence, Evidence, Finding, Fix, Severity, Timing
from imgscan.rulebook import load_rules, make_finding
from imgscan.units import human_seconds

RULE: Final = "cache-copy-before-install"
_TEXT_WIDTH: Final = 80
_MAX_MEMBERS: Final = 50
_MAX_COPIES: Final = 500
_MAX_RUNS: Final = 200
"""How many steps before an install are looked at for one that did its work."""
_WORKSPACE_FILES: Final = ("pnpm-workspace.yaml", "lerna.json", "rush.json", "turbo.json", "nx.json")
_NAMED: Final = 8


@dataclass(slots=True, kw_only=True)
class _Group:
    """Copies that installs suffer from, and those installs, in the order written."""

    brings: list[Brings]
    installs: list[tuple[RunStep, Call]]

    @property
    def worst(self) -> tuple[RunStep, Call]:
        """The install to speak of: the first that installs the project's dependencies, else the first."""
        return next(((run, call) for run, call in self.installs if call.manifests), self.installs[0])


def detect_order(simulation: Simulation, timings: Sequence[Timing], builder: str) -> Iterator[Finding]:
    """The findings, in the order of the installs."""
    bringing = Bringing(simulation)
    blamed: dict[int, _Group] = {}
    groups: list[_Group] = []
    for view in simulation.stages:
        if view.stage.index not in simulation.needed:
            continue
        for run in view.runs:
            call = costly_call(simulation, run)
            if call is None:
                continue
            broad = broad_copies(simulation, bringing, run, call, builder)
            fresh = [b for b in broad if b.transfer.command.start not in blamed]
            if fresh:
                group = _Group(brings=fresh, installs=[(run, call)])
                groups.append(group)
                blamed.update((b.transfer.command.start, group) for b in fresh)
            elif broad:
                blamed[broad[0].transfer.command.start].installs.append((run, call))
    for group in groups:
        yield _finding(simulation, group, timings)


def costly_call(simulation: Simulation, run: RunStep) -> Call | None:
    """The call of a RUN that downloads most, unless an earlier RUN of the chain already did its work."""
    found: list[Call] = []
    stage, ordinal = run.command.instruction.stage, run.command.instruction.ordinal
    for call in calls_of(run):
        before = islice(runs_before(simulation, stage, ordinal), _MAX_RUNS)
        earlier = (other for run_before in before for other in calls_of(run_before))
        if any(_prepares(other, call) for other in earlier):
            continue
        if call.implicit and not _downloads(simulation, run, call):
            continue
        found.append(call)
    return next((call for call in found if call.manifests), found[0] if found else None)


def _prepares(earlier: Call, call: Call) -> bool:
    """Whether an earlier install leaves little to do for this one: `pnpm fetch`, then `pnpm install`."""
    if call.same == earlier.same and call.folder == earlier.folder and not call.implicit and not call.manifests:
        return True
    if call.ecosystem != earlier.ecosystem or not earlier.manifests or earlier.implicit:
        return False
    return call.implicit or (call.manager == earlier.manager and call.folder == earlier.folder and bool(call.manifests))


def _downloads(simulation: Simulation, run: RunStep, call: Call) -> bool:
    """Whether a build that installs by the way has anything to install and no cache mount to keep it."""
    if any(name == "mount" and value and "type=cache" in value for name, value in run.command.flags):
        return False
    return bool(_needed(simulation, run, call))


def broad_copies(simulation: Simulation, bringing: Bringing, run: RunStep, call: Call, builder: str) -> list[Brings]:
    """What brings sources above the install, in the order written; with BuildKit also what is mounted for it."""
    stage, ordinal = run.command.instruction.stage, run.command.instruction.ordinal
    before = list(islice(transfers_before(simulation, stage, ordinal), _MAX_COPIES))
    transfers = [*reversed(before), *(run.mounted if builder != "classic" else ())]
    merged: dict[int, Brings] = {}
    for transfer in transfers:
        brings = bringing.of(transfer)
        if not brings.sources or transfer.command.start in merged:
            continue
        merged[transfer.command.start] = brings
    return list(merged.values())


def _needed(simulation: Simulation, run: RunStep, call: Call) -> list[str]:
    """The context's manifests and lockfiles that the install reads, as far as they are known."""
    found: dict[str, None] = {}
    if call.folder is None:
        return []
    for name in (*call.manifests, *call.lockfiles):
        if any(char in name for char in "*?["):
            continue
        hit = find(simulation, run.command.instruction.stage, posixpath.join(call.folder, name.rstrip("/")), run=run)
        if hit.presence is Presence.YES and hit.source and secret_name(hit.source) is None:
            found[hit.source] = None
    if call.ecosystem is Ecosystem.NODE and "package.json" in call.manifests:
        found.update(dict.fromkeys(_members(simulation.index, list(found))))
    return list(found)


def _members(index: ContextIndex, found: Sequence[str]) -> list[str]:
    """The manifests of a workspace's members: every package.json below the root's, where there is a workspace file."""
    root = next((posixpath.dirname(path) for path in found if path.endswith(_WORKSPACE_FILES)), None)
    if root is None:
        return []
    below = (index.paths[at] for at in index.span(root))
    return [p for p in below if p.endswith("/package.json") and "node_modules" not in p.split("/")][:_MAX_MEMBERS]


def _finding(simulation: Simulation, group: _Group, timings: Sequence[Timing]) -> Finding:
    first = group.brings[0].transfer.command
    lines = [run for run, _ in group.installs]
    _, call = group.worst
    seconds, touched = _measured(lines, timings)
    files = sum(b.files for b in group.brings)
    message = (
        f"{_what(group.brings)} {'brings' if len(group.brings) == 1 else 'bring'} {files} "
        f"{'file' if files == 1 else 'files'} into the stage before {_installs(group)}: "
        f"an edit of {touched or group.brings[0].example} installs again."
    )
    if seconds:
        message += f" Measured: {human_seconds(seconds)} lost with every edit of {touched}."
    places = [
        dockerfile_line(first),
        *(dockerfile_line(b.transfer.command) for b in group.brings[1:]),
        *(dockerfile_line(r.command) for r in lines),
    ]
    return make_finding(
        RULE,
        message=message,
        location=places[0],
        places=tuple(dict.fromkeys(places)),
        evidence=Evidence.PROVEN if seconds else Evidence.DERIVED,
        identity=(first.instruction.file, first.instruction.text, call.label),
        severity=_severity(group),
        confidence=Confidence.MEDIUM if call.needs_sources else None,
        fix=_fix(simulation, group),
    )


def _severity(group: _Group) -> Severity | None:
    """The rule's own, unless a file or two named one by one stand in the way, what is installed are tools, or a build
    installs by the way."""
    few = all(b.single for b in group.brings) and sum(b.sources for b in group.brings) <= 2
    call = group.worst[1]
    tools = not call.manifests and call.ecosystem in (Ecosystem.SYSTEM, Ecosystem.TOOL, Ecosystem.NODE)
    return Severity.MEDIUM if few or call.implicit or tools else None


def _what(brings: Sequence[Brings]) -> str:
    parts = []
    for one in brings[:_NAMED]:
        command = one.transfer.command
        text = shorten(command.instruction.text, _TEXT_WIDTH) if command.keyword != "RUN" else "its bind mount"
        parts.append(f"line {command.instruction.line} ({text})")
    more = len(brings) - len(parts)
    return ", ".join(parts) + (f" and {more} more" if more else "")


def _installs(group: _Group) -> str:
    steps = [f"line {run.command.instruction.line} ({call.label})" for run, call in group.installs]
    more = f" and {len(steps) - _NAMED} more" if len(steps) > _NAMED else ""
    return ", ".join(steps[:_NAMED]) + more


def _fix(simulation: Simulation, group: _Group) -> Fix:
    """What to move where, in the file's own names. What the install reads is known in part only: where all of it is, a
    patch says so better (`optimize.attach`)."""
    run, call = group.worst
    needed = _needed(simulation, run, call)
    line = run.command.instruction.line
    copies = lines_text(b.transfer.command.instruction.line for b in group.brings)
    if call.needs_sources:
        return Fix(
            text=f"Install the dependencies alone first ({call.advice}), then copy the sources ({copies}) and "
            "install the project itself."
        )
    if not needed and not call.manifests:
        return Fix(text=f"Move line {line} above {copies}: it reads nothing of what they copy.")
    if not needed:
        return Fix(text=load_rules()[RULE].fix)
    files = ", ".join(needed[:_NAMED]) + (f" and {len(needed) - _NAMED} more" if len(needed) > _NAMED else "")
    more = f" {call.advice}" if call.advice else ""
    if call.implicit:
        return Fix(
            text=f"Above {copies}, copy {files} (and what else it reads) alone and fetch the dependencies there; "
            f"line {line}, which builds the sources, stays below.{more}"
        )
    return Fix(text=f"Copy {files} (and what else the install reads) alone, then line {line}, then {copies}.{more}")


def lines_text(numbers: Iterable[int]) -> str:
    """`line 4`, or `lines 4, 6`."""
    lines = list(dict.fromkeys(numbers))
    return ("line " if len(lines) == 1 else "lines ") + ", ".join(map(str, lines[:_NAMED]))


def _measured(runs: Sequence[RunStep], timings: Sequence[Timing]) -> tuple[float, str]:
    """The seconds that the installs cost after a source edit, and the file that was edited; 0 if they were cached."""
    lines = {run.command.instruction.line for run in runs}
    for timing in timings:
        if timing.name == "touch-source":
            seconds = sum(step.seconds for step in timing.steps if step.line in lines and not step.cached)
            return seconds, timing.touched or "a source file"
    return 0.0, ""


def chain_stages(simulation: Simulation, stage: int) -> frozenset[int]:
    """The stages that are built FROM a stage, itself included, among those the target needs."""
    return frozenset(
        view.stage.index
        for view in simulation.stages
        if view.stage.index in simulation.needed and stage in chain(simulation, view.stage.index)
    )

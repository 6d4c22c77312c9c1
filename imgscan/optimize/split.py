"""Manifests before sources: the COPY of sources moves below the install, which gets the files that it reads alone.

In: a scene. Out: for each install that sources stand above either a `Change` or a `Refusal`. Two forms: the install
itself runs above the sources; or, where it looks at them, only its downloads do (`go mod download`, `pnpm fetch`,
`poetry install --no-root`) and the install stays.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Final

from imgscan.detect.cache.brings import Bringing
from imgscan.detect.cache.calls import Call, calls_of
from imgscan.detect.cache.order import broad_copies, costly_call, lines_text
from imgscan.detect.stages.records import RunStep, Transfer
from imgscan.detect.stages.stagesim import transfers_before
from imgscan.detect.stages.walk import MAX_COMMANDS, relative
from imgscan.diff import Edit, line_end_of
from imgscan.dockerfile.tree import Command
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.optimize.bystanders import Cut, cut_chain, installs_only, is_bystander
from imgscan.optimize.edits import Block, block_of, block_start, insert_after, removals
from imgscan.optimize.gather import Gathering, Needed, command_of
from imgscan.optimize.recipes import gather, overwritten_patterns
from imgscan.optimize.records import Change, Install, Kind, Refusal, Unsafe
from imgscan.optimize.scene import Scene

_VARIABLE: Final = lazy_re(r"\$\{?(\w+)")
_MOST_TOLD: Final = 4


@frozen
class _Site:
    """An install with the copies that stand above it: `at` is its place in the stage, `moved` are theirs."""

    scene: Scene
    run: RunStep
    call: Call
    at: int
    moved: tuple[int, ...]
    gatherings: tuple[Gathering, ...]

    @property
    def commands(self) -> tuple[Command, ...]:
        return self.scene.stage_commands(self.run.command.instruction.stage)

    @property
    def prepare(self) -> str | None:
        """What runs in front of the sources, if it is not the install itself."""
        prepared = [_in_folder(g) for g in self.gatherings if g.prepare is not None]
        if prepared and len(prepared) < len(self.gatherings):
            raise Unsafe("one of its installs looks at the sources and another does not")
        return " && ".join(prepared) or None

    @property
    def needed(self) -> list[Needed]:
        """What has to be copied for the install: each place once, what moved copies would bring."""
        starts = {self.commands[at].start for at in self.moved}
        found = {n.landing: n for g in self.gatherings for n in g.needed.values()}
        return [needed for needed in found.values() if needed.transfer.command.start in starts]


def split_changes(scene: Scene) -> Iterator[Change | Refusal]:
    """The changes and refusals, in the order of the installs."""
    bringing = Bringing(scene.simulation)
    for view in scene.simulation.stages:
        if view.stage.index not in scene.simulation.needed:
            continue
        for run in view.runs:
            call = costly_call(scene.simulation, run)
            if call is None:
                continue
            broad = broad_copies(scene.simulation, bringing, run, call, scene.inputs.builder)
            if broad:
                yield from _split(scene, run, call, [brings.transfer for brings in broad])


def _split(scene: Scene, run: RunStep, call: Call, broad: Sequence[Transfer]) -> Iterator[Change | Refusal]:
    line = scene.line_of(run.command)
    try:
        gatherings = _gather_all(scene, run, call)
        transfers = _with_more_than_needed(scene, broad, gatherings)
        if transfers:
            site = _make_site(scene, run, call, transfers, gatherings)
            _check_between(site)
            yield _change(site)
    except Unsafe as reason:
        what = f"copying the sources after {call.label} (line {line})"
        yield Refusal(kind=Kind.SPLIT, line=line, what=what, reason=str(reason))


def _gather_all(scene: Scene, run: RunStep, call: Call) -> tuple[Gathering, ...]:
    """What every install of the RUN needs, or the build that installs by the way."""
    calls = [c for c in calls_of(run) if not c.implicit and (c.manifests or c.lockfiles)]
    return tuple(_gather(scene, run, one) for one in (calls if call in calls else [call]))


def _with_more_than_needed(scene: Scene, broad: Sequence[Transfer], gatherings: Sequence[Gathering]) -> list[Transfer]:
    """Those copies that bring anything but what the installs read."""
    needed = {n.source for g in gatherings for n in g.needed.values()}
    found: list[Transfer] = []
    for transfer in broad:
        view = scene.simulation.stages[transfer.command.instruction.stage]
        brought = [t for t in view.transfers if t.command is transfer.command] or [transfer]
        if any(t.source not in needed or t.from_stage is not None for t in brought):
            found.append(transfer)
    return found


def _make_site(
    scene: Scene, run: RunStep, call: Call, broad: Sequence[Transfer], gatherings: tuple[Gathering, ...]
) -> _Site:
    stage = run.command.instruction.stage
    commands = scene.stage_commands(stage)
    for transfer in broad:
        if transfer.command is run.command:
            raise Unsafe("it mounts the context: mount the manifests alone, one by one")
        if transfer.command.instruction.stage != stage:
            raise Unsafe(f"line {scene.line_of(transfer.command)}, which copies the sources, is of another stage")
        if transfer.from_stage is not None:
            raise Unsafe(f"line {scene.line_of(transfer.command)} takes the sources from another stage")
        if transfer.opaque:
            raise Unsafe(f"what line {scene.line_of(transfer.command)} brings cannot be known")
    at = commands.index(run.command)
    moved = _with_overlapping(scene, commands, at, [commands.index(t.command) for t in broad])
    return _Site(scene=scene, run=run, call=call, at=at, moved=moved, gatherings=gatherings)


def _gather(scene: Scene, run: RunStep, call: Call) -> Gathering:
    command = command_of(run, call)
    if command is None or call.folder is None:
        raise Unsafe("where it runs cannot be known")
    stage = run.command.instruction.stage
    if scene.simulation.stages[stage].vague:
        raise Unsafe("an instruction of its stage copies to a place that cannot be known")
    gathering = Gathering(scene=scene, stage=stage, run=run, call=call, command=command, folder=call.folder)
    gather(gathering)
    return gathering


def _with_overlapping(scene: Scene, commands: Sequence[Command], at: int, broad: Sequence[int]) -> tuple[int, ...]:
    """The copies to move: the broad ones, and those after them that write to the same places."""
    stage = commands[at].instruction.stage
    places: dict[int, list[str]] = {}
    for transfer in scene.simulation.stages[stage].transfers:
        places.setdefault(transfer.command.start, []).append(transfer.dest)
    moved = set(broad)
    for number in range(min(broad), at):
        if number in moved or commands[number].keyword not in ("COPY", "ADD"):
            continue
        if commands[number].heredocs:
            raise Unsafe(f"line {scene.line_of(commands[number])} writes files beside the sources")
        mine = places.get(commands[number].start, [])
        theirs = [place for other in moved if other < number for place in places.get(commands[other].start, [])]
        if any(_overlap(a, b) for a in mine for b in theirs):
            moved.add(number)
    return tuple(sorted(moved))


def _overlap(one: str, other: str) -> bool:
    return relative(one, other) is not None or relative(other, one) is not None


def _check_between(site: _Site) -> None:
    """Whether the moved copies may pass what stands between them and the install."""
    scene, commands = site.scene, site.commands
    runs = {run.command.start: run for run in scene.simulation.stages[site.run.command.instruction.stage].runs}
    used = {name for at in site.moved for name in _VARIABLE.findall(commands[at].instruction.text)}
    relative_dest = any(not commands[at].words[-1:] or not commands[at].words[-1].startswith("/") for at in site.moved)
    for at in range(site.moved[0], site.at):
        command = commands[at]
        where = f"line {scene.line_of(command)}"
        if command.keyword == "RUN" and not is_bystander(runs[command.start]):
            raise Unsafe(f"{where}, between the copy and the install, may use the sources")
        if command.keyword == "WORKDIR" and relative_dest:
            raise Unsafe(f"{where} changes the directory that the copy goes to")
        if command.keyword in ("ARG", "ENV") and used & {word.partition("=")[0] for word in command.words}:
            raise Unsafe(f"{where} sets a variable that the copy uses")


def _change(site: _Site) -> Change:
    scene, text, eol = site.scene, site.scene.text, line_end_of(site.scene.text)
    for needed in site.needed:
        if scene.ignores(needed.source):
            raise Unsafe(f"{needed.source} is ignored")
    lines = list(_copy_lines(site))
    copies = "".join(f"{line}{eol}" for line in lines)
    blocks = [block_of(text, site.commands, at, eol) for at in site.moved]
    moved = "".join(block.text for block in blocks)
    prepare = site.prepare
    if prepare is not None:
        edits = _prepare_edits(site, copies, prepare, blocks, moved, eol)
    else:
        edits = _move_edits(site, copies, blocks, moved, eol)
    ignored = _ignore_lines(site)
    label = site.call.label
    what = f"`{prepare}`" if prepare is not None else label
    files = len(site.needed)
    reads = f"{files} file{'s' if files != 1 else ''} alone"
    return Change(
        id=f"{Kind.SPLIT}:{site.run.command.instruction.stage}:{site.call.manager}:{site.call.folder}:{label}",
        kind=Kind.SPLIT,
        line=scene.line_of(site.commands[site.moved[0]]),
        title=f"run {what} with {reads}, then copy the sources" if files else f"copy the sources below {label}",
        edits=tuple(edits),
        ignore_lines=ignored,
        installs=tuple(_expectation(g) for g in site.gatherings),
        how=_how(site, lines, ignored),
    )


def _how(site: _Site, copies: Sequence[str], ignored: Sequence[str]) -> str:
    """What the edits do, in the user's own lines: what to write where, and what moves or stays."""
    scene = site.scene
    install = scene.line_of(site.run.command)
    sources = lines_text(scene.line_of(site.commands[at]) for at in site.moved)
    new = [*copies, *([f"RUN {_options(site)}{site.prepare}"] if site.prepare is not None else [])]
    written = ", ".join(f"`{line}`" for line in new[:_MOST_TOLD])
    written += f" and {len(new) - _MOST_TOLD} more like them" if len(new) > _MOST_TOLD else ""
    if site.prepare is not None and _follow_directly(site):
        steps = f"Put {written} above {sources}; line {install} stays where it is."
    elif site.prepare is not None:
        steps = f"Put {written} above line {install}, and {sources} between them and line {install}."
    else:
        rest = "" if installs_only(site.run) else ", and give what else it does a RUN of its own below them"
        put = f"Put {written} above line {install} and move" if new else "Move"
        steps = f"{put} {sources} below {'it' if new else f'line {install}'}{rest}."
    if ignored:
        named = ", ".join(f"`{line}`" for line in ignored)
        steps += f" Add {named} to {scene.inputs.ignore_file}: the sources would bring what it installs."
    return steps


def _follow_directly(site: _Site) -> bool:
    """Whether nothing stands between the copies and the install."""
    return site.moved == tuple(range(site.moved[0], site.at))


def _options(site: _Site) -> str:
    return "".join(f"--{name}={value} " for name, value in site.run.command.flags)


def _prepare_edits(
    site: _Site, copies: str, prepare: str, blocks: Sequence[Block], moved: str, eol: str
) -> Iterator[Edit]:
    """The downloads in front of the sources; the install stays where it is."""
    flags = site.run.command.flags
    if any(name == "mount" and "type=bind" in (value or "") for name, value in flags):
        raise Unsafe("it mounts files for the install alone")
    lines = f"{copies}RUN {_options(site)}{prepare}{eol}"
    if _follow_directly(site):
        yield Edit(start=blocks[0].start, end=blocks[0].start, text=lines)
        return
    yield from removals(site.scene.text, blocks)
    start = block_start(site.scene.text, site.commands, site.at)
    yield Edit(start=start, end=start, text=lines + moved)


def _move_edits(site: _Site, copies: str, blocks: Sequence[Block], moved: str, eol: str) -> Iterator[Edit]:
    """The sources behind the install, or behind that part of its RUN that installs."""
    text, command = site.scene.text, site.run.command
    yield from removals(site.scene.text, blocks)
    start = block_start(text, site.commands, site.at)
    if copies:
        yield Edit(start=start, end=start, text=copies)
    if installs_only(site.run):
        yield insert_after(text, command, moved, eol)
        return
    cut: Cut = cut_chain(text, command, site.scene.dockerfile.escape)
    yield Edit(start=cut.start, end=cut.end, text=f"{eol}{moved}RUN {cut.flags}")


def _copy_lines(site: _Site) -> Iterator[str]:
    """COPY instructions for what the install reads: one for each folder and owner, in the order of the folders."""
    groups: dict[tuple[str, str], list[str]] = {}
    earlier = _brought_before(site)
    for needed in site.needed:
        if (needed.source, needed.landing) in earlier:
            continue
        flags = "".join(
            f"--{name}={value} " if value is not None else f"--{name} "
            for name, value in needed.transfer.command.flags
            if name in ("chown", "chmod", "link")
        )
        folder = needed.landing if needed.is_folder else posixpath.dirname(needed.landing)
        groups.setdefault((flags, _destination(folder, site.run.cwd)), []).append(needed.source)
    for (flags, dest), sources in groups.items():
        if any(" " in word for word in (*sources, dest)):
            quoted = ", ".join(f'"{word}"' for word in (*sources, dest))
            yield f"COPY {flags}[{quoted}]"
        else:
            yield f"COPY {flags}{' '.join((*sources, dest))}"


def _brought_before(site: _Site) -> set[tuple[str, str]]:
    """What instructions that stay bring already, as it is needed."""
    starts = {site.commands[at].start for at in site.moved}
    stage, ordinal = site.run.command.instruction.stage, site.run.command.instruction.ordinal
    found = transfers_before(site.scene.simulation, stage, min(ordinal, MAX_COMMANDS))
    return {
        (t.source, t.dest) for t in found if t.command.start not in starts and not t.opaque and t.from_stage is None
    }


def _destination(folder: str, cwd: str) -> str:
    """A folder of the image as the destination of a COPY, seen from the working directory."""
    if folder == cwd:
        return "./"
    if relative(folder, cwd) is not None or not folder.startswith("/") or cwd.startswith("/{"):
        return f"{posixpath.relpath(folder, cwd)}/"
    return f"{folder.rstrip('/')}/"


def _in_folder(gathering: Gathering) -> str:
    """What to run first, in the folder of the install."""
    folder = gathering.folder
    prepare = gathering.prepare or ""
    if folder == gathering.run.cwd:
        return prepare
    where = _destination(folder, gathering.run.cwd).rstrip("/")
    if not re.fullmatch(r"[\w./@+-]+", where):
        raise Unsafe("the folder that it runs in has a name with blanks")
    return prepare if _names_folder(gathering) else f"cd {where} && {prepare}"


def _names_folder(gathering: Gathering) -> bool:
    """Whether the command itself says where it works, so that what is made of it does so, too."""
    words = set(gathering.words)
    return gathering.prepare is not None and bool(words & {"-C", "--directory", "--project", "--dir"})


def _ignore_lines(site: _Site) -> tuple[str, ...]:
    """Lines without which a copy of the sources would bring what the install makes."""
    needed: list[str] = []
    if site.prepare is not None and site.call.manager not in ("pnpm", "composer", "uv", "poetry", "dotnet"):
        return ()
    for gathering in site.gatherings:
        for pattern in overwritten_patterns(gathering):
            name = pattern.removeprefix("**/")
            probes = [name, *([f"folder/{name}"] if pattern.startswith("**/") and _has_members(gathering) else [])]
            if all(site.scene.ignores(f"{probe}/file") for probe in probes):
                continue
            if any(name in source.split("/") for source in _named_sources(site.scene)):
                raise Unsafe(f"an instruction copies {name} from the context, which would overwrite what it installs")
            needed.append(pattern)
    return tuple(dict.fromkeys(needed))


def _has_members(gathering: Gathering) -> bool:
    return any(posixpath.dirname(needed.landing) != gathering.folder for needed in gathering.needed.values())


def _named_sources(scene: Scene) -> Iterator[str]:
    for view in scene.simulation.stages:
        yield from (t.source for t in view.transfers if t.from_stage is None)


def _expectation(gathering: Gathering) -> Install:
    reads = tuple(dict.fromkeys(n.source for n in gathering.needed.values() if not n.is_folder))
    lockfiles = [path for path in reads if posixpath.basename(path) in gathering.call.lockfiles]
    call = gathering.call
    return Install(
        stage=gathering.stage,
        manager=call.manager,
        folder=gathering.folder,
        label=gathering.prepare or call.label,
        reads=tuple(dict.fromkeys((*lockfiles, *reads))),
        same=None if gathering.prepare is not None else call.same,
    )

"""What is copied out of other stages and cannot be there, or does not suffice: `tech-copy-from-missing`,
`tech-node-modules-not-copied`.

In: the project. Out: findings on COPY --from, on the build script that lacks modules, on links that lead nowhere.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from imgscan.detect.places import dockerfile_line
from imgscan.detect.stages.records import Presence, RunStep, Simulation, StageView, Transfer
from imgscan.detect.stages.stagesim import chain
from imgscan.escape import shorten
from imgscan.model import Evidence, Finding, Fix
from imgscan.project.buildsteps import targets_of
from imgscan.project.manifests import WORKSPACE_FILE, Package, Workspace, closure
from imgscan.project.scripts import script_runs
from imgscan.project.sites import Project
from imgscan.rulebook import make_finding


def detect_node_modules(project: Project) -> Iterator[Finding]:
    """The findings: paths no stage can have, then build stages, then the final stage."""
    yield from _missing_sources(project)
    for view in project.simulation.stages:
        if view.stage.index in project.simulation.needed and not project.installs_in_chain(view.stage.index):
            yield from _build_without_modules(project, view)
    yield from _dangling_links(project)


def _missing_sources(project: Project) -> Iterator[Finding]:
    simulation = project.simulation
    found: dict[tuple[int, str], list[Transfer]] = {}
    for view in simulation.stages:
        for transfer in view.transfers if view.stage.index in simulation.needed else ():
            if transfer.from_stage is None or transfer.source == "/":
                continue
            if project.at(transfer.from_stage, transfer.source).presence is Presence.NO:
                found.setdefault((transfer.from_stage, transfer.source), []).append(transfer)
    for (stage, path), transfers in found.items():
        yield _missing_source(project, stage, path, transfers)


def _missing_source(project: Project, stage: int, path: str, transfers: list[Transfer]) -> Finding:
    first = transfers[0].command
    name = project.simulation.stages[stage].stage.name or str(stage)
    reason = _why_missing(project, stage, path) or "no instruction of it, nor its base image, brings or makes it"
    return make_finding(
        "tech-copy-from-missing",
        message=f"line {first.instruction.line} copies {path} from stage {name}, which cannot have it: {reason}.",
        location=dockerfile_line(first),
        places=tuple(dict.fromkeys(dockerfile_line(t.command) for t in transfers)),
        evidence=Evidence.DERIVED,
        identity=(first.instruction.file, name, path),
    )


def _why_missing(project: Project, stage: int, path: str) -> str:
    """The reason for a member's node_modules: the install did not know the workspace."""
    if posixpath.basename(path) != "node_modules":
        return ""
    stages = list(chain(project.simulation, stage))
    for site in project.sites:
        if site.stage not in stages or site.workspace is None or site.workspace.manager != "pnpm":
            continue
        where = posixpath.join(site.folder, WORKSPACE_FILE)
        if project.at(site.stage, where, run=site.run).presence is Presence.NO:
            return f"{WORKSPACE_FILE} never reaches the install in line {site.run.command.instruction.line}"
        return f"the install in line {site.run.command.instruction.line} works elsewhere"
    return ""


def _build_without_modules(project: Project, view: StageView) -> Iterator[Finding]:
    """A build in a stage that got only some of the members' node_modules from another one."""
    carriers = [t for t in view.transfers if t.from_stage is not None and t.source.endswith("/node_modules")]
    if not carriers:
        return
    for run in view.runs:
        for script in script_runs(run):
            workspace, targets = targets_of(project, script)
            if workspace is None or workspace.manager != "pnpm" or script.folder is None:
                continue
            root = _root_of(workspace, script.folder, project, view)
            needed = closure(workspace, targets).values()
            missing = [p for p in needed if root and _lacks_modules(project, run, root, workspace, p)]
            if missing:
                yield _modules_left_behind(run.command.instruction.line, missing, carriers, view)
                return


def _root_of(workspace: Workspace, folder: str, project: Project, view: StageView) -> str | None:
    """Where the workspace's root is in the stage of a script that runs in `folder`."""
    hit = project.at(view.stage.index, posixpath.join(folder, "package.json"))
    if hit.presence is not Presence.YES or hit.source is None:
        return None
    inside = posixpath.relpath(posixpath.dirname(hit.source) or ".", workspace.root or ".")
    if inside == ".":
        return folder
    return folder.removesuffix("/" + inside) if folder.endswith("/" + inside) else None


def _lacks_modules(project: Project, run: RunStep, root: str, workspace: Workspace, package: Package) -> bool:
    if not package.dependencies and not package.dev_dependencies:
        return False
    path = posixpath.join(root, posixpath.relpath(package.folder, workspace.root or "."), "node_modules")
    instruction = run.command.instruction
    return project.at(instruction.stage, path, before=instruction.ordinal).presence is Presence.NO


def _modules_left_behind(line: int, missing: list[Package], carriers: list[Transfer], view: StageView) -> Finding:
    command = carriers[-1].command
    folders = sorted(posixpath.join(package.folder, "node_modules") for package in missing)
    return make_finding(
        "tech-node-modules-not-copied",
        message=(
            f"line {line} builds with the node_modules that {_text(carriers)} bring, but {', '.join(folders[:6])} "
            f"{'is' if len(folders) == 1 else 'are'} left behind: pnpm gives every member a node_modules of its own."
        ),
        location=dockerfile_line(command),
        places=tuple(dict.fromkeys(dockerfile_line(t.command) for t in carriers)),
        evidence=Evidence.DERIVED,
        identity=(command.instruction.file, "build", view.stage.name or str(view.stage.index), *folders),
        fix=Fix(text="Build in the stage that installed (FROM it), or copy every member's node_modules."),
    )


def _text(carriers: list[Transfer]) -> str:
    lines = list(dict.fromkeys(t.command.instruction.line for t in carriers))
    return ("line " if len(lines) == 1 else "lines ") + ", ".join(map(str, lines[:6]))


def _dangling_links(project: Project) -> Iterator[Finding]:
    """Members' node_modules in the final image whose links to other members lead nowhere."""
    simulation = project.simulation
    found: dict[str, list[Transfer]] = {}
    for transfer in _final_transfers(simulation):
        if transfer.from_stage is None or not transfer.source.endswith("/node_modules"):
            continue
        for target in _lost_targets(project, transfer):
            found.setdefault(target, []).append(transfer)
    if not found:
        return
    transfers = [transfer for each in found.values() for transfer in each]
    first = transfers[0].command
    lost = sorted(found)
    yield make_finding(
        "tech-node-modules-not-copied",
        message=(
            f"line {first.instruction.line} ({shorten(first.instruction.text, 80)}) brings links to "
            f"{', '.join(lost[:6])}, which {'is' if len(lost) == 1 else 'are'} not in the final image: the links lead "
            "nowhere and the service dies with ERR_MODULE_NOT_FOUND."
        ),
        location=dockerfile_line(first),
        places=tuple(dict.fromkeys(dockerfile_line(t.command) for t in transfers)),
        evidence=Evidence.DERIVED,
        identity=(first.instruction.file, "links", *lost),
        fix=Fix(
            text="Make a self-contained tree with `pnpm --filter NAME deploy --prod /prod` and copy that, or copy the "
            "members too."
        ),
    )


def _final_transfers(simulation: Simulation) -> Iterator[Transfer]:
    for at in chain(simulation, simulation.target):
        yield from simulation.stages[at].transfers


def _lost_targets(project: Project, transfer: Transfer) -> Iterator[str]:
    """The folders that a member's node_modules links to and the final stage does not have."""
    owner = posixpath.dirname(transfer.source)
    stage = transfer.from_stage if transfer.from_stage is not None else 0
    hit = project.at(stage, posixpath.join(owner, "package.json"))
    if hit.presence is not Presence.YES or hit.source is None:
        return
    package = project.packages.get(posixpath.dirname(hit.source))
    workspace = project.workspace_of(posixpath.dirname(hit.source))
    if package is None or workspace is None or package.folder == workspace.root or workspace.manager != "pnpm":
        return
    inside = "/" + posixpath.relpath(package.folder, workspace.root or ".")
    landed = posixpath.dirname(transfer.dest)
    if not landed.endswith(inside):
        return
    root = landed.removesuffix(inside) or "/"
    for member in closure(workspace, [package]).values():
        if member.name == package.name:
            continue
        path = posixpath.join(root, posixpath.relpath(member.folder, workspace.root or "."))
        if project.at(project.simulation.target, path).presence is Presence.NO:
            yield path

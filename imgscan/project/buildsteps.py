"""Build steps that cannot work: `tech-prod-before-build`, `tech-filter-without-dependencies`.

In: the project. Out: findings on the RUN that starts a package's build script.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from imgscan.detect.places import dockerfile_line
from imgscan.detect.stages.producers import run_script
from imgscan.detect.stages.records import Presence
from imgscan.detect.stages.stagesim import chain
from imgscan.model import Evidence, Finding, Fix
from imgscan.project.dockerfilepatch import widen_filter
from imgscan.project.manifests import Package, Workspace, closure
from imgscan.project.scripts import ScriptRun, bare_name, builds_others, development_programs, script_runs, selected
from imgscan.project.sites import Project
from imgscan.rulebook import make_finding


def detect_build_steps(project: Project) -> Iterator[Finding]:
    """The findings, stage by stage."""
    for view in project.simulation.stages:
        if view.stage.index not in project.simulation.needed:
            continue
        seen: list[ScriptRun] = []
        for run in view.runs:
            for script in script_runs(run):
                yield from _production_only(project, script)
                yield from _without_dependencies(project, script, seen)
                seen.append(script)


def targets_of(project: Project, script: ScriptRun) -> tuple[Workspace | None, list[Package]]:
    """The packages a script run starts from: those filtered, or the one it runs in."""
    stage = script.run.command.instruction.stage
    source = None
    if script.folder is not None:
        hit = project.at(stage, posixpath.join(script.folder, "package.json"), run=script.run)
        source = posixpath.dirname(hit.source) if hit.presence is Presence.YES and hit.source else None
    if source is None:
        return None, []
    workspace = project.workspace_of(source)
    if workspace is not None and script.filters:
        return workspace, [package for pattern in script.filters for package in selected(workspace, pattern)]
    if workspace is not None and script.recursive:
        return workspace, [p for p in workspace.members.values() if script.script in p.scripts]
    package = project.packages.get(source)
    return workspace, [package] if package and script.script in package.scripts else []


def _production_only(project: Project, script: ScriptRun) -> Iterator[Finding]:
    command = script.run.command
    stage = command.instruction.stage
    providers = project.providers(stage, command.instruction.ordinal + 1)
    if not providers or not all(site.production for site in providers) or _brings_node_modules(project):
        return
    workspace, targets = targets_of(project, script)
    root = workspace.package if workspace else None
    needed: dict[str, str] = {}
    for package in targets:
        needed.update(development_programs(package.scripts.get(script.script, ""), package, root))
    needed = {program: owner for program, owner in needed.items() if not _installed_apart(project, stage, owner)}
    if not needed:
        return
    install = providers[0].run.command.instruction.line
    program, owner = next(iter(needed.items()))
    yield make_finding(
        "tech-prod-before-build",
        message=(
            f"line {command.instruction.line} runs the script {script.script}, which calls {program} of {owner}, a "
            f"development dependency, but its only node_modules are from line {install}, an install without them."
        ),
        location=dockerfile_line(command),
        places=(dockerfile_line(command), dockerfile_line(providers[0].run.command)),
        evidence=Evidence.DERIVED,
        identity=(command.instruction.file, script.script, owner),
        fix=Fix(
            text=f"Install everything in line {install} (no --prod, --omit=dev), build, and make the production tree "
            "afterwards, for example with `pnpm deploy --prod` or `npm prune --omit=dev`."
        ),
    )


def _brings_node_modules(project: Project) -> bool:
    """Whether the host's node_modules are in the context: they may have what the install leaves out."""
    return any(posixpath.basename(folder) == "node_modules" for folder in project.simulation.index.folders)


def _installed_apart(project: Project, stage: int, owner: str) -> bool:
    """Whether another command installs the package, globally or by name."""
    stages = chain(project.simulation, stage)
    return any(owner in run_script(run.command) for at in stages for run in project.simulation.stages[at].runs)


def _without_dependencies(project: Project, script: ScriptRun, seen: Sequence[ScriptRun]) -> Iterator[Finding]:
    if script.manager != "pnpm" or not script.filters or any("..." in pattern for pattern in script.filters):
        return
    workspace, targets = targets_of(project, script)
    if workspace is None or len(targets) != 1:
        return
    package = targets[0]
    if builds_others(package.scripts.get(script.script, "")):
        return
    inner = closure(workspace, [package])
    unbuilt = sorted(
        name
        for name, member in inner.items()
        if name != package.name
        and script.script in member.scripts
        and _needs_building(project, script, workspace, member)
        and not any(_builds(project, earlier, member) for earlier in _earlier(project, script, seen))
    )
    if not unbuilt:
        return
    command = script.run.command
    pattern = script.filters[0]
    yield make_finding(
        "tech-filter-without-dependencies",
        message=(
            f"line {command.instruction.line} builds {package.name} alone; nothing builds {', '.join(unbuilt[:6])}, "
            "whose compiled output it imports."
        ),
        location=dockerfile_line(command),
        evidence=Evidence.DERIVED,
        identity=(command.instruction.file, package.name, script.script),
        fix=Fix(
            text=f'Use `--filter "{bare_name(pattern)}..."` in line {command.instruction.line}: dependencies first.',
            patch=widen_filter(project.dockerfile, command, pattern) if pattern == bare_name(pattern) else None,
        ),
    )


def _needs_building(project: Project, script: ScriptRun, workspace: Workspace, member: Package) -> bool:
    """Whether a member offers files that neither its sources nor the context hold."""
    if not member.outputs or workspace is None:
        return False
    known = project.simulation.index.known
    return not any(posixpath.normpath(posixpath.join(member.folder, output)) in known for output in member.outputs)


def _earlier(project: Project, script: ScriptRun, seen: Sequence[ScriptRun]) -> Iterator[ScriptRun]:
    """The script runs before this one, in the stage, in those it is FROM, and in those it copies from."""
    yield from seen
    stage = script.run.command.instruction.stage
    waiting = [at for at in chain(project.simulation, stage) if at != stage]
    waiting += [t.from_stage for t in project.simulation.stages[stage].transfers if t.from_stage is not None]
    for at in dict.fromkeys(waiting):
        for run in project.simulation.stages[at].runs:
            yield from script_runs(run)


def _builds(project: Project, earlier: ScriptRun, member: Package) -> bool:
    if earlier.recursive or (not earlier.filters and earlier.manager != "pnpm"):
        return True
    workspace, targets = targets_of(project, earlier)
    if workspace is None:
        return True
    if not earlier.filters:
        return any(builds_others(p.scripts.get(earlier.script, "")) or p.name == member.name for p in targets)
    wide = any("..." in pattern for pattern in earlier.filters)
    reached = closure(workspace, targets) if wide else {package.name: package for package in targets}
    return member.name in reached

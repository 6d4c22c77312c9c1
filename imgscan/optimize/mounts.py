"""Cache mounts for installs, only where asked for: downloads survive an edited lockfile on the machine that builds.

In: a scene. Out: changes and refusals. All RUNs of a manager in a stage get the same mount: what one downloads the next
one reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from imgscan.detect.cache.calls import Call, calls_of
from imgscan.detect.cache.mounts import CACHE_DIRS, cache_targets
from imgscan.detect.stages.producers import located_commands, run_script
from imgscan.detect.stages.records import RunStep
from imgscan.detect.stages.stagesim import chain
from imgscan.diff import Edit
from imgscan.lazyre import lazy_re
from imgscan.optimize.records import Change, Kind, Refusal, Unsafe
from imgscan.optimize.scene import Scene

_LOCKED: Final = frozenset({"gradle", "maven"})
_PROGRAMS: Final[dict[str, re.Pattern[str]]] = {
    name: re.compile(rf"(?:.*/)?(?:{programs})(?:[\d.]*|@\S+)")
    for name, programs in {
        **{
            name: name for name in ("npm", "pnpm", "yarn", "bun", "pip", "uv", "poetry", "pipenv", "pdm", "go", "cargo")
        },
        "maven": "mvnw?|mvnd",
        "gradle": "gradlew?",
        "composer": "composer",
        "bundler": "bundler?",
        "dotnet": "dotnet",
    }.items()
}
_NOT_KEPT: Final = lazy_re(
    r"--no-cache(?:-dir)?\b|\bcache\s+(?:clean|purge)\b|clear-?cache|--cache-dir|--store-dir|--cache-folder"
)
_MOVES_CACHE: Final = lazy_re(
    r"(?:PIP|UV|YARN|POETRY|COMPOSER|npm_config|NPM_CONFIG)_.*CACHE.*|HOME|GOPATH|GOMODCACHE|CARGO_HOME|GRADLE_USER_HOME|PNPM_HOME"
    r"|COMPOSER_HOME|BUNDLE_PATH|NUGET_PACKAGES|XDG_CACHE_HOME",
    re.IGNORECASE,
)
# These folders hold what the image itself needs when it runs, not only downloads.
_IN_IMAGE: Final = frozenset({"go", "cargo", "maven", "gradle", "dotnet"})


def mount_changes(scene: Scene) -> Iterator[Change | Refusal]:
    """The changes and refusals, one for each manager of a stage."""
    simulation = scene.simulation
    for view in simulation.stages:
        if view.stage.index not in simulation.needed:
            continue
        managers: dict[str, Call] = {}
        for run in view.runs:
            for call in calls_of(run):
                if call.manager in CACHE_DIRS and (call.manifests or call.lockfiles) and not call.offline:
                    managers.setdefault(call.manager, call)
        for manager in managers:
            uses = [run for run in view.runs if _calls(run, manager)]
            if any(cache_targets(run) for run in uses):
                continue
            line = scene.line_of(uses[0].command)
            try:
                yield _change(scene, manager, uses)
            except Unsafe as reason:
                yield Refusal(kind=Kind.MOUNT, line=line, what=f"a cache mount for {manager}", reason=str(reason))


def _calls(run: RunStep, manager: str) -> bool:
    """Whether a RUN calls the manager, to install (also by its interpreter: `python -m pip`) or for anything else."""
    pattern = _PROGRAMS[manager]
    return any(call.manager == manager for call in calls_of(run)) or any(
        simple.words and pattern.fullmatch(simple.words[0]) for simple, _ in located_commands(run.command, run.cwd)
    )


def _change(scene: Scene, manager: str, uses: Sequence[RunStep]) -> Change:
    stage = uses[0].command.instruction.stage
    target = CACHE_DIRS[manager]
    if scene.inputs.builder == "classic":
        raise Unsafe("the classic builder has no mounts")
    _check_user(scene, stage)
    if manager in _IN_IMAGE and stage in chain(scene.simulation, scene.simulation.target):
        raise Unsafe(f"{target} is part of the image that is built")
    if any(t.from_stage == stage and target.startswith(t.source) for v in scene.simulation.stages for t in v.transfers):
        raise Unsafe(f"another stage copies {target}")
    for run in uses:
        if _NOT_KEPT.search(run_script(run.command)):
            raise Unsafe(f"line {scene.line_of(run.command)} moves, empties or switches off its cache")
        if any(_MOVES_CACHE.fullmatch(name) for name in run.scope):
            raise Unsafe("a variable moves its cache or switches it off")
    sharing = ",sharing=locked" if manager in _LOCKED else ""
    option = f"--mount=type=cache,target={target}{sharing} "
    edits = []
    for run in uses:
        keyword = re.compile(r"RUN[ \t]+", re.IGNORECASE).match(scene.text, run.command.start)
        if keyword is None:
            raise Unsafe(f"line {scene.line_of(run.command)} has its command on another line")
        edits.append(Edit(start=keyword.end(), end=keyword.end(), text=option))
    return Change(
        id=f"{Kind.MOUNT}:{stage}:{manager}",
        kind=Kind.MOUNT,
        line=scene.line_of(uses[0].command),
        title=f"keep {manager}'s downloads in a cache mount at {target}",
        edits=tuple(edits),
        drops=(target,),
    )


def _check_user(scene: Scene, stage: int) -> None:
    """The folders are root's, and mounts are root's: other users need other ones."""
    for at in chain(scene.simulation, stage):
        for command in scene.stage_commands(at):
            if command.keyword == "USER" and command.value.split(":")[0] not in ("root", "0"):
                raise Unsafe(f"line {scene.line_of(command)} sets another user")

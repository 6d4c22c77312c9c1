"""The inputs as the transformations look at them: the simulated stages, the files' texts, the workspaces. Pure but for
the reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from imgscan.detect.stages.records import RunStep, Simulation
from imgscan.detect.stages.stagesim import simulate
from imgscan.dockerfile.ignore import is_ignored, parse_ignore
from imgscan.dockerfile.tree import Command, Dockerfile
from imgscan.frozen import frozen
from imgscan.optimize.records import Inputs
from imgscan.project.contextread import ContextReader
from imgscan.project.manifests import Workspace, load_packages, load_workspaces


@frozen
class Scene:
    """One state of the Dockerfile, between two changes. `ignore_text` as it is by now; `origins` has for each line of
    the text the line of the user's file that it comes from."""

    inputs: Inputs
    dockerfile: Dockerfile
    ignore_text: str | None
    simulation: Simulation
    reader: ContextReader
    workspaces: Mapping[str, Workspace]
    origins: tuple[int, ...]

    def line_of(self, command: Command) -> int:
        """The line of an instruction in the user's file."""
        return self.origins[command.instruction.line - 1]

    @property
    def text(self) -> str:
        """The Dockerfile's text."""
        return self.dockerfile.text

    def stage_commands(self, stage: int) -> tuple[Command, ...]:
        """The instructions of a stage, FROM first."""
        return self.dockerfile.stages[stage].commands

    def ignores(self, path: str) -> bool:
        """Whether the ignore file, as it is by now, keeps a path out."""
        return is_ignored(parse_ignore(self.ignore_text or ""), path)


def first_scene(inputs: Inputs) -> Scene:
    """The scene of the files as they are. Raises InputError for an unknown target."""
    reader = ContextReader(inputs.context)
    return Scene(
        inputs=inputs,
        dockerfile=inputs.dockerfile,
        ignore_text=inputs.ignore_text,
        simulation=_simulated(inputs, inputs.dockerfile),
        reader=reader,
        workspaces=_workspaces(inputs, reader),
        origins=tuple(range(1, inputs.dockerfile.text.count("\n") + 2)),
    )


def next_scene(scene: Scene, dockerfile: Dockerfile, ignore_text: str | None, origins: tuple[int, ...]) -> Scene:
    """The scene of a later state; what the context's files say stays."""
    simulation = _simulated(scene.inputs, dockerfile)
    return replace(scene, dockerfile=dockerfile, ignore_text=ignore_text, simulation=simulation, origins=origins)


def _simulated(inputs: Inputs, dockerfile: Dockerfile) -> Simulation:
    return simulate(dockerfile, inputs.context, target=inputs.target, build_args=inputs.build_args)


def _workspaces(inputs: Inputs, reader: ContextReader) -> dict[str, Workspace]:
    packages = load_packages(inputs.context, reader)
    return {workspace.root: workspace for workspace in load_workspaces(inputs.context, reader, packages)}


def run_of(scene: Scene, command: Command) -> RunStep | None:
    """A RUN instruction as it is simulated."""
    runs = scene.simulation.stages[command.instruction.stage].runs
    return next((run for run in runs if run.command is command), None)

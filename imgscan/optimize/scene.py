"""The inputs as the transformations look at them: the simulated stages, the files' texts, the workspaces. Pure but for
the reader."""

from __future__ import annotations

from collections.abc import Mapping

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
    """One state of the Dockerfile, between two changes. `ignore_text` as it is by now."""

    inputs: Inputs
    dockerfile: Dockerfile
    ignore_text: str | None
    simulation: Simulation
    reader: ContextReader
    workspaces: Mapping[str, Workspace]

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


def make_scene(inputs: Inputs, dockerfile: Dockerfile, ignore_text: str | None, known: Scene | None = None) -> Scene:
    """The scene of a state; what the files say is taken from the one before it. Raises InputError for an unknown
    target."""
    reader = known.reader if known else ContextReader(inputs.context)
    workspaces = known.workspaces if known else _workspaces(inputs, reader)
    return Scene(
        inputs=inputs,
        dockerfile=dockerfile,
        ignore_text=ignore_text,
        simulation=simulate(dockerfile, inputs.context, target=inputs.target, build_args=inputs.build_args),
        reader=reader,
        workspaces=workspaces,
    )


def _workspaces(inputs: Inputs, reader: ContextReader) -> dict[str, Workspace]:
    packages = load_packages(inputs.context, reader)
    return {workspace.root: workspace for workspace in load_workspaces(inputs.context, reader, packages)}


def run_of(scene: Scene, command: Command) -> RunStep | None:
    """A RUN instruction as it is simulated."""
    runs = scene.simulation.stages[command.instruction.stage].runs
    return next((run for run in runs if run.command is command), None)

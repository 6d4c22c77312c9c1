"""Which instruction brings which file of the context into a stage that the target needs. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace

from imgscan.detect.stages.contextindex import ContextIndex, Match
from imgscan.detect.stages.records import Simulation, Transfer
from imgscan.detect.stages.stagesim import simulate
from imgscan.detect.stages.walk import is_excluded
from imgscan.dockerfile.context import BuildContext
from imgscan.dockerfile.parse import Command, Dockerfile
from imgscan.frozen import frozen


@frozen
class Reach:
    """What the needed stages take from the context: COPY, ADD and bind mounts, in the order of the file; `target` and
    `build_args` are those of the build."""

    dockerfile: Dockerfile
    target: str | None
    build_args: Mapping[str, str]
    simulation: Simulation
    transfers: tuple[Transfer, ...]

    def files(self) -> frozenset[str]:
        """Every file that some instruction takes."""
        return frozenset(path for transfer in self.transfers for path in self._below(transfer))

    def takers(self, path: str) -> tuple[Command, ...]:
        """The instructions that take a file, in the order of the Dockerfile."""
        taking = (transfer.command for transfer in self.transfers if takes(transfer, path))
        return tuple(dict.fromkeys(taking))

    def _below(self, transfer: Transfer) -> Iterator[str]:
        match = Match(path=transfer.source, is_directory=transfer.is_directory)
        for path in self.simulation.index.below(match):
            if not transfer.excludes or takes(transfer, path):
                yield path


def find_reach(
    dockerfile: Dockerfile, context: BuildContext, target: str | None, build_args: Mapping[str, str]
) -> Reach:
    """The reach of a build. Raises InputError where the Dockerfile makes no sense (unknown target)."""
    simulation = simulate(dockerfile, context, target=target, build_args=build_args)
    found = [
        transfer
        for index in sorted(simulation.needed)
        for view in (simulation.stages[index],)
        for mentioned in (*view.transfers, *(mount for run in view.runs for mount in run.mounted))
        for transfer in _from_context(mentioned, simulation.index)
    ]
    return Reach(
        dockerfile=dockerfile,
        target=target,
        build_args=build_args,
        simulation=simulation,
        transfers=tuple(sorted(found, key=lambda t: t.command.instruction.line)),
    )


def _from_context(transfer: Transfer, index: ContextIndex) -> Iterator[Transfer]:
    """The transfer, if it takes something of the context; the archives that an ADD unpacks, each as a file."""
    if transfer.from_stage is not None:
        return
    if not transfer.opaque:
        yield transfer
    elif transfer.command.keyword == "ADD":
        names = (posixpath.normpath(word.lstrip("/")) for word in transfer.command.words[:-1])
        yield from (replace(transfer, source=name, is_directory=False) for name in names if name in index.known)


def takes(transfer: Transfer, path: str) -> bool:
    """Whether a transfer from the context takes that file."""
    if not transfer.is_directory:
        return transfer.source == path
    if transfer.source and not path.startswith(f"{transfer.source}/"):
        return False
    inner = path[len(transfer.source) :].lstrip("/")
    return not is_excluded(transfer.excludes, inner)

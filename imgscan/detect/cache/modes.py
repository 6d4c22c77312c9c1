"""Copied files whose modes come from the umask of whoever checked them out (`cache-umask-modes`).

In: the context and the simulated stages. Out: at most one finding. The mode of a file is part of a COPY's key, but git
records only whether it is executable; --chmod is applied after the key is made, so it does not help.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from imgscan.detect.places import dockerfile_line
from imgscan.detect.stages.records import Simulation, Transfer
from imgscan.detect.stages.walk import is_excluded
from imgscan.model import EntryKind, Evidence, Finding
from imgscan.rulebook import make_finding

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext

RULE: Final = "cache-umask-modes"
_NAMED: Final = 3
_USUAL: Final = frozenset({0o644, 0o755})
"""What a checkout under the usual umask of 022 gives."""


def detect_modes(context: BuildContext, simulation: Simulation) -> Iterator[Finding]:
    """The finding, if copied files have other modes than those of a usual checkout."""
    odd = {file.path: file.mode for file in context.files if file.kind is EntryKind.FILE and file.mode not in _USUAL}
    paths = sorted(odd)
    takers: list[Transfer] = []
    copied: dict[str, int] = {}
    for view in simulation.stages:
        for transfer in view.transfers if paths and view.stage.index in simulation.needed else ():
            hits = _taken(transfer, paths)
            copied.update((path, odd[path]) for path in hits)
            takers += [transfer] if hits else []
    if copied:
        yield _finding(takers, copied)


def _taken(transfer: Transfer, paths: Sequence[str]) -> Sequence[str]:
    """Those of the sorted paths that a transfer takes from the context."""
    if transfer.from_stage is not None or transfer.opaque:
        return ()
    folder = transfer.source
    if not transfer.is_directory:
        at = bisect_left(paths, folder)
        return paths[at : at + 1] if paths[at : at + 1] == [folder] else ()
    # "0" is the character after "/".
    below = paths[bisect_left(paths, f"{folder}/") : bisect_left(paths, f"{folder}0")] if folder else paths
    start = len(folder) + 1 if folder else 0
    return [path for path in below if not transfer.excludes or not is_excluded(transfer.excludes, path[start:])]


def _finding(takers: list[Transfer], odd: dict[str, int]) -> Finding:
    first = takers[0].command
    named = ", ".join(f"{path} ({mode:04o})" for path, mode in sorted(odd.items())[:_NAMED])
    more = f" and {len(odd) - _NAMED} more" if len(odd) > _NAMED else ""
    return make_finding(
        RULE,
        message=f"line {first.instruction.line} copies {len(odd)} {'file' if len(odd) == 1 else 'files'} with modes "
        f"that git does not keep: {named}{more}. A checkout under another umask, in CI for instance, has other cache "
        "keys.",
        location=dockerfile_line(first),
        places=tuple(dict.fromkeys(dockerfile_line(taker.command) for taker in takers)),
        evidence=Evidence.DERIVED,
        identity=(first.instruction.file, first.instruction.text),
    )

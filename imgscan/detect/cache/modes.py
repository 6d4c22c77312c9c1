"""Copied files whose modes come from the umask of whoever checked them out (`cache-umask-modes`).

In: the context and the simulated stages. Out: at most one finding. The mode of a file is part of a COPY's key, but git
records only whether it is executable; --chmod is applied after the key is made, so it does not help.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from imgscan.detect.places import dockerfile_line
from imgscan.detect.secretnames import secret_name
from imgscan.detect.stages.records import Simulation, Transfer
from imgscan.detect.stages.walk import is_excluded
from imgscan.lazyre import lazy_re
from imgscan.model import EntryKind, Evidence, Finding, Fix
from imgscan.rulebook import make_finding

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext, ContextFile

RULE: Final = "cache-umask-modes"
_NAMED: Final = 3
_TOLD: Final = 8
_PLAIN: Final = lazy_re(r"[\w./@+-]+")
_USUAL: Final = frozenset({0o644, 0o755})
"""What a checkout under the usual umask of 022 gives."""
_HISTORY: Final = frozenset({".git", ".hg", ".svn"})


def detect_modes(context: BuildContext, simulation: Simulation) -> Iterator[Finding]:
    """The finding, if copied files have other modes than those of a usual checkout."""
    odd = {file.path: file.mode for file in context.files if file.kind is EntryKind.FILE and _is_odd(file)}
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


def _is_odd(file: ContextFile) -> bool:
    """Whether a mode comes from an umask: not that of a secret, which is closed on purpose, nor that of what git itself
    writes, which is no part of a checkout."""
    if file.mode in _USUAL or not _HISTORY.isdisjoint(file.path.split("/")[:-1]):
        return False
    return secret_name(file.path) is None


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
        fix=_fix(odd),
    )


def _fix(odd: dict[str, int]) -> Fix:
    """The commands for the very files: a command for all would open those that are closed on purpose."""
    names = sorted(odd)
    if len(names) > _TOLD or not all(_PLAIN.fullmatch(name) for name in names):
        return Fix(
            text="Check out under umask 022 everywhere (`umask 022` before `git clone`), files and folders alike."
        )
    groups = {"755": [n for n in names if odd[n] & 0o100], "644": [n for n in names if not odd[n] & 0o100]}
    commands = " and ".join(f"`chmod {mode} {' '.join(group)}`" for mode, group in groups.items() if group)
    return Fix(text=f"Check out under umask 022 everywhere (`umask 022` before `git clone`); here and now: {commands}.")

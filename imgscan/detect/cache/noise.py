"""Files in a copied or mounted folder that the build does not need (`cache-broad-copy`), ranked by bytes, those that
change all the time first.

In: the simulated stages. Out: at most one finding, whose places are the copies and mounts.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from imgscan.detect.places import dockerfile_line
from imgscan.detect.stages.contextindex import ContextIndex
from imgscan.detect.stages.records import Simulation, StageView, Transfer
from imgscan.escape import shorten
from imgscan.lazyre import lazy_re
from imgscan.model import Evidence, Finding, Fix, Severity
from imgscan.rulebook import make_finding
from imgscan.units import human_bytes

RULE: Final = "cache-broad-copy"
_NAMED: Final = 6
# What changes without the build having a reason to: history, logs, what hosts and editors write.
_CHURNING_FOLDERS: Final = frozenset(
    {
        *(
            ".git",
            ".hg",
            ".svn",
            "node_modules",
            ".venv",
            "venv",
            "__pycache__",
            ".pytest_cache",
            ".mypy_cache",
            ".ruff_cache",
        ),
        *(
            ".tox",
            ".nox",
            "coverage",
            ".nyc_output",
            ".next",
            ".nuxt",
            ".turbo",
            ".cache",
            ".parcel-cache",
            ".idea",
            ".vscode",
        ),
        *(".vs", ".gradle", ".terraform", ".eggs", "logs", ".serverless", ".aws-sam", "htmlcov", ".ipynb_checkpoints"),
    }
)
_CHURNING_FILES: Final = lazy_re(
    r".*\.(?:log|tmp|swp|swo|bak|orig|pid|seed|pyc|pyo|tsbuildinfo|dump|sql\.gz)|\.ds_store|thumbs\.db|npm-debug\.log.*|.*~|\.coverage",
    re.IGNORECASE,
)
_IDLE_FOLDERS: Final = frozenset({".github", ".gitlab", ".circleci", ".husky", ".devcontainer", "docs", "doc"})
_IDLE_FILES: Final = lazy_re(
    r"dockerfile(?:\..*)?|.*\.dockerfile|\.dockerignore|.*\.dockerignore|(?:docker-)?compose.*\.ya?ml|readme.*|changelog.*"
    r"|contributing.*|code_of_conduct.*|.*\.md|\.gitignore|\.gitattributes|\.gitlab-ci\.yml|\.travis\.yml|jenkinsfile"
    r"|\.editorconfig|\.pre-commit-config\.yaml",
    re.IGNORECASE,
)
_HISTORY: Final = frozenset({"**/.git", "**/.hg", "**/.svn"})
"""Told by `context-git-directory`, with what may need them: once is enough."""
_HARDLY_EDITED: Final = frozenset({".dockerignore", ".gitignore", ".gitattributes", ".editorconfig"})


@dataclass(slots=True, kw_only=True)
class Pile:
    """What one ignore line would keep out. `churning`: it changes without the build having a reason to."""

    pattern: str
    churning: bool
    files: int = 0
    bytes: int = 0


@dataclass(slots=True, kw_only=True)
class _Noise:
    piles: dict[str, Pile] = field(default_factory=dict)

    def add(self, pattern: str, churning: bool, size: int) -> None:
        pile = self.piles.setdefault(pattern, Pile(pattern=pattern, churning=churning))
        pile.files += 1
        pile.bytes += size


def detect_noise(simulation: Simulation, builder: str, *, ignore_file: str | None) -> Iterator[Finding]:
    """The finding, if any copied folder, or one mounted for a step, holds such files. `ignore_file`: None if there is
    none."""
    copies = [
        transfer
        for view in simulation.stages
        if view.stage.index in simulation.needed
        for transfer in (*view.transfers, *_mounted(view, builder))
        if transfer.from_stage is None and transfer.is_directory and not transfer.opaque
    ]
    roots = {transfer.source for transfer in copies}
    noise = _noise_below(simulation.index, roots)
    noise.piles = {pattern: pile for pattern, pile in noise.piles.items() if pattern not in _HISTORY}
    whole = "" in roots
    if not any(pile.churning or (whole and pile.pattern not in _HARDLY_EDITED) for pile in noise.piles.values()):
        return
    yield _finding([t for t in copies if not whole or not t.source], noise, ignore_file)


def _mounted(view: StageView, builder: str) -> Iterator[Transfer]:
    """What RUNs mount. Old versions of buildah do not look into it, the classic builder does not know it."""
    for run in view.runs if builder == "buildkit" else ():
        yield from run.mounted


def find_noise(index: ContextIndex, roots: set[str]) -> list[Pile]:
    """What lies in the copied folders that builds do not need, by ignore line."""
    return sorted(_noise_below(index, roots).piles.values(), key=lambda pile: pile.pattern)


def _noise_below(index: ContextIndex, roots: set[str]) -> _Noise:
    noise = _Noise()
    outer = {root for root in roots if not any(other != root and _holds(other, root) for other in roots)}
    for root in sorted(outer):
        for at in index.span(root):
            found = _noise_of(index.paths[at], root)
            if found:
                noise.add(*found, index.offsets[at + 1] - index.offsets[at])
    return noise


def _holds(folder: str, path: str) -> bool:
    return not folder or path.startswith(folder + "/")


def _noise_of(path: str, root: str) -> tuple[str, bool] | None:
    """The ignore line that would keep a file out, and whether it changes all the time."""
    folder, name = posixpath.split(path[len(root) :].lstrip("/") if root else path)
    parts = folder.split("/") if folder else []
    hit = next((part for part in parts if part in _CHURNING_FOLDERS), None)
    if hit:
        return f"**/{hit}", True
    if _CHURNING_FILES.fullmatch(name):
        extension = posixpath.splitext(name)[1]
        return (f"**/*{extension}" if extension and not name.startswith(".") else f"**/{name}"), True
    if parts and parts[0] in _IDLE_FOLDERS and not root:
        return parts[0], False
    if not root and not parts and _IDLE_FILES.fullmatch(name):
        return name, False
    return None


def _finding(copies: Sequence[Transfer], noise: _Noise, ignore_file: str | None) -> Finding:
    piles = sorted(noise.piles.values(), key=lambda pile: (not pile.churning, -pile.bytes, pile.pattern))
    churning = [pile for pile in piles if pile.churning]
    total, files = sum(pile.bytes for pile in piles), sum(pile.files for pile in piles)
    listed = ", ".join(f"{pile.pattern} ({human_bytes(pile.bytes)} in {pile.files})" for pile in piles[:_NAMED])
    more = f" and {len(piles) - _NAMED} more" if len(piles) > _NAMED else ""
    first = copies[0].command
    text = shorten(first.instruction.text, 80)
    lines = ", ".join(pile.pattern for pile in piles[:20])
    add = (
        f"Add to {ignore_file}, below any `!` lines" if ignore_file else "Create .dockerignore with a line for each of"
    )
    return make_finding(
        RULE,
        message=(
            f"line {first.instruction.line} ({text}) takes {human_bytes(total)} in {files} "
            f"{'file' if files == 1 else 'files'} that the build does not need: {listed}{more}. A change of any of "
            "them re-runs everything below it."
        ),
        location=dockerfile_line(first),
        places=tuple(dict.fromkeys(dockerfile_line(copy.command) for copy in copies)),
        evidence=Evidence.DERIVED,
        identity=(first.instruction.file, first.instruction.text),
        severity=None if churning else Severity.LOW,
        fix=Fix(text=f"{add}: {lines}"),
    )

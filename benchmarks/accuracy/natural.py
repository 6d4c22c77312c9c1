"""Real files: packages of npm and Python, and the programs of base images. They hold no live secrets that their makers
do not know of, so whatever is found there is a candidate for a false alarm, to be looked at."""

from __future__ import annotations

import sysconfig
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.accuracy.tools import Report
from benchmarks.packages import cache_folder, install

_SHOWN: Final = 25
_EXCERPT: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A folder of real files."""

    name: str
    folder: Path


def natural_trees(folders: Sequence[Path]) -> list[Tree]:
    """The packages of the benchmark's image, the packages of this Python, and the folders asked for."""
    trees = [
        Tree(name="node_modules", folder=install(cache_folder()).parent),
        Tree(name="site-packages", folder=Path(sysconfig.get_path("purelib"))),
    ]
    return trees + [Tree(name=str(folder), folder=folder) for folder in folders]


def size_of(folder: Path) -> int:
    """Bytes of the regular files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


def describe(reports: Sequence[Report]) -> list[str]:
    """What was found, the most serious first: by rule and grade, with some of the places. Texts are cut short."""
    counts = Counter((report.rule, report.grade) for report in reports)
    lines = [f"{number:5}  {rule} ({grade})" for (rule, grade), number in counts.most_common()]
    serious = [report for report in reports if not report.grade.startswith(("low", "info"))]
    return lines + [
        f"       {report.grade} {report.rule}: {report.file}: {report.text[:_EXCERPT]!r}…"
        for report in serious[:_SHOWN]
    ]

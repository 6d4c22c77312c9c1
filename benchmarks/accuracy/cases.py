"""Labelled cases: a text, whether a secret is in it, and the path at which it is to lie."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from benchmarks.packages import BenchError

PLAIN_PATH: Final = "notes.txt"
_KEYS: Final = frozenset({"text", "secret", "label", "path", "family"})
_LABELS: Final = ("positive", "negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`secret` is what stands in `text` and is to be found (empty: anything found in it counts), `positive` False when
    nothing is to be found. `path` is relative; `family` groups cases in the result, `source` says whose they are."""

    text: bytes
    secret: bytes = b""
    positive: bool
    path: str = PLAIN_PATH
    family: str
    source: str


def read_cases(folder: Path) -> list[Case]:
    """The cases of every `*.jsonl` of a folder: a JSON object a line, with `text` and `label` (positive or negative)
    and, if known, `secret`, `path` and `family`.

    Raises BenchError with file and line for anything else.
    """
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise BenchError(f"{folder} has no *.jsonl")
    return [case for file in files for case in _read_file(file)]


def _read_file(file: Path) -> Iterator[Case]:
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        if line.strip():
            yield _case(line, f"{file.name}:{number}", file.stem)


def _case(line: bytes, where: str, source: str) -> Case:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise BenchError(f"{where}: not JSON") from error
    if not isinstance(record, dict) or not {"text", "label"} <= record.keys() <= _KEYS:
        raise BenchError(f"{where}: a case is an object with text and label, and maybe secret, path and family")
    if record["label"] not in _LABELS or not all(isinstance(value, str) for value in record.values()):
        raise BenchError(f"{where}: label is one of {', '.join(_LABELS)}, and every value a string")
    return Case(
        text=record["text"].encode("utf-8", "surrogatepass"),
        secret=record.get("secret", "").encode("utf-8", "surrogatepass"),
        positive=record["label"] == "positive",
        path=_relative(record.get("path") or PLAIN_PATH, where),
        family=record.get("family") or source,
        source=source,
    )


def _relative(path: str, where: str) -> str:
    parts = PurePosixPath(path.lstrip("/")).parts
    if not parts or ".." in parts:
        raise BenchError(f"{where}: the path leads out of its folder")
    return "/".join(parts)


def write_cases(cases: Iterable[Case], folder: Path) -> None:
    """Each case as a file `<number>/<path>` below `folder`, numbered in order."""
    for number, case in enumerate(cases):
        file = folder / f"{number:06}" / case.path
        file.parent.mkdir(parents=True)
        file.write_bytes(case.text)

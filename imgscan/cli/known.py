"""The files that `--base` and `imgscan baseline` are given: read, and told apart."""

from __future__ import annotations

from pathlib import Path

from imgscan.errors import InputError
from imgscan.novelty import Known, known_of_report
from imgscan.store.baseline import parse_baseline

_LARGEST = 1 << 30
_HEAD_BYTES = 4096


def read_report(path: Path, *, largest: int = _LARGEST) -> bytes:
    """The bytes of a report's file, `largest` at most. Raises InputError that says how one is written."""
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise InputError(
            f"the report {path} cannot be read: {error.strerror}",
            next_step=f"--format json={path} of scan, lint or build-report writes it",
        ) from error
    if len(data) > largest:
        raise InputError(f"the report {path} is larger than {largest >> 20:,} MiB")
    return data


def read_known(path: Path | None, *, gates: bool) -> Known | None:
    """What a JSON report or a baseline knew; None without one. Raises InputError for a file that is neither, and where
    `gates` is asked for without one."""
    if path is None:
        if gates:
            raise InputError(
                "--fail-on-new has nothing to compare with",
                next_step="--base FILE names a JSON report of before, or a baseline",
            )
        return None
    data = read_report(path)
    if b'"imgscan_baseline"' in data[:_HEAD_BYTES]:
        return Known(name=str(path), gates=gates, baseline=parse_baseline(data, str(path)))
    from imgscan.report.json import decode

    return known_of_report(decode(data, str(path)), str(path), gates=gates)

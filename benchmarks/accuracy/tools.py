"""The scanners on a folder of files: what each reports, as (file, text) pairs.

imgscan runs in this process, kingfisher and trufflehog3 by their own command lines; none sends anything anywhere.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.packages import BenchError
from benchmarks.peers import PEERS
from imgscan.detect.secrets.scanner import SecretScanner, load_scanner

KINGFISHER: Final = "kingfisher 2.14.0"
TRUFFLEHOG3: Final = "trufflehog3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Something a scanner reported: the file (relative to the scanned folder), the text, and by which rule."""

    file: str
    text: bytes
    rule: str
    grade: str = ""


Tool = Callable[[Path], list[Report]]


def imgscan_tool(*, without: tuple[str, ...] = ()) -> Tool:
    """imgscan's scanner, all of its rules but those named."""
    scanner = load_scanner()
    return lambda folder: [report for report in _scan(scanner, folder) if report.rule not in without]


def _scan(scanner: SecretScanner, folder: Path) -> list[Report]:
    reports = []
    for file in _files(folder):
        # The number of a case is no part of its path.
        name = file.relative_to(folder).as_posix()
        path = name.partition("/")[2] if name[:6].isdigit() else name
        with file.open("rb") as stream:
            hits = scanner.scan(stream.read, path=path, size=file.stat().st_size)
        reports += [
            Report(file=name, text=hit.secret, rule=hit.rule.id, grade=f"{hit.severity.value}/{hit.confidence.value}")
            for hit in hits
        ]
    return reports


def _files(folder: Path) -> list[Path]:
    return sorted(
        Path(base) / name
        for base, _, names in os.walk(folder)
        for name in names
        if (Path(base) / name).is_file() and not (Path(base) / name).is_symlink()
    )


def kingfisher_tool(cache: Path) -> Tool:
    """Kingfisher with all of its rules, low confidence included. Raises BenchError when it cannot be fetched."""
    peer = next(peer for peer in PEERS if peer.name.startswith(KINGFISHER))
    program = peer.fetch(cache / "peers")
    return lambda folder: _kingfisher(program, folder)


def _kingfisher(program: Path, folder: Path) -> list[Report]:
    with tempfile.TemporaryDirectory(prefix="imgscan-accuracy.") as scratch:
        report = Path(scratch) / "report.json"
        command = [str(program), "scan", str(folder), "--no-validate", "--no-update-check", "--confidence", "low",
                   "--no-dedup", "--git-history", "none", "--format", "json", "--output", str(report)]  # fmt: skip
        _run(command, ok=(0, 200, 205), name=KINGFISHER, home=Path(scratch))
        findings = json.loads(report.read_bytes())["findings"]
    return [_of_kingfisher(finding, folder) for finding in findings]


def _of_kingfisher(finding: Mapping[str, Any], folder: Path) -> Report:
    found = finding["finding"]
    return Report(
        file=os.path.relpath(found["path"], folder),
        text=found["snippet"].encode("utf-8", "replace"),
        rule=finding["rule"]["id"],
        grade=found["confidence"],
    )


def trufflehog3_tool(_cache: Path) -> Tool:
    """trufflehog3 as it comes, entropy checks included. Raises BenchError when it is not installed."""
    program = Path(sys.executable).parent / TRUFFLEHOG3
    if not program.is_file():
        raise BenchError(f"no {TRUFFLEHOG3} beside {sys.executable}")
    return lambda folder: _trufflehog3(program, folder)


def _trufflehog3(program: Path, folder: Path) -> list[Report]:
    with tempfile.TemporaryDirectory(prefix="imgscan-accuracy.") as scratch:
        report = Path(scratch) / "report.json"
        command = [str(program), "--zero", "--no-history", "--format", "JSON", "--output", str(report), str(folder)]
        _run(command, ok=(0, 2), name=TRUFFLEHOG3, home=Path(scratch))
        issues = json.loads(report.read_bytes() or b"[]")
    return [
        Report(
            file=os.path.relpath(issue["path"], folder) if issue["path"].startswith("/") else issue["path"],
            text=issue["secret"].encode("utf-8", "replace"),
            rule=issue["rule"]["id"],
            grade=issue["rule"]["severity"],
        )
        for issue in issues
    ]


def _run(command: list[str], *, ok: tuple[int, ...], name: str, home: Path) -> None:
    environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    run = subprocess.run(command, capture_output=True, env=environment, check=False)
    if run.returncode not in ok:
        raise BenchError(f"{name} failed ({run.returncode}): {run.stderr[-400:].decode('utf-8', 'replace').strip()}")

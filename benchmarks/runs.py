"""What is run on one image, round by round: the floor, imgscan in several ways, the peers -> a Run for each.

A round takes every command once, in turn, so that all of them meet the machine in the same moods. The first runs of
imgscan in a round start from a cache that holds what is kept of the rules and nothing else.
"""

from __future__ import annotations

import compileall
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from benchmarks import image
from benchmarks.measure import Measured, drop_page_cache, measure
from benchmarks.packages import BenchError
from benchmarks.peers import Ready, Target, own_environment
from benchmarks.planted import Planted

ROOT: Final = Path(__file__).resolve().parent.parent
SAVE: Final = "docker save"
COLD: Final = "imgscan, first scan"
AGAIN: Final = "imgscan, second scan"
BARE: Final = "imgscan, with an empty cache"
EDITED: Final = "imgscan, after an edit"
ARCHIVE: Final = "imgscan, saved archive"
IMGSCAN: Final = (COLD, AGAIN, EDITED, ARCHIVE, BARE)
RESULTS: Final = ("layers.sqlite3*", "searched-files")
"""What of imgscan's cache is of images; the rest is of the rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one command. `found` names the planted secrets in its report, `findings` counts what it reported
    (both None for what looks for no secrets); `read_bytes` is what it says it has read, where it says so."""

    command: str
    measured: Measured
    findings: int | None = None
    found: tuple[str, ...] | None = None
    read_bytes: int | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What stays the same for all runs on an image."""

    target: Target
    edited: str
    secrets: tuple[Planted, ...] = field(repr=False)
    peers: tuple[Ready, ...]
    commands: tuple[str, ...]
    engine_pid: int | None
    timeout_s: float
    cold_disk: bool
    say: Callable[[str], None]


def run_rounds(bench: Bench, rounds: int) -> Iterator[Run]:
    """All commands, `rounds` times in turn."""
    rules = compile_rules(bench)
    for ready in bench.peers:
        if ready.peer.compiles:
            _peer(bench, ready, replace(bench.target, image=image.BASES["debian"], layers=rules))
    for number in range(1, rounds + 1):
        for run in _round(bench, rules):
            peak = run.measured.tree_bytes / 1e6
            bench.say(f"  round {number}: {run.command}: {run.measured.wall_s:.2f} s, {peak:.0f} MB")
            yield run


def compile_rules(bench: Bench) -> Path:
    """A folder that holds what imgscan keeps of its rules and nothing else of its cache. Raises BenchError."""
    # As an installer does: else each run would compile the sources where the environment forbids to keep that.
    compileall.compile_dir(ROOT / "imgscan", quiet=1)
    scratch = _fresh(bench.target.scratch / "rules")
    run = _imgscan(bench, image.BASES["debian"], scratch, "imgscan, loading rules")
    if run.measured.exit_code:
        raise BenchError(f"imgscan cannot scan {image.BASES['debian']}: {run.trouble}")
    rules = bench.target.scratch / "compiled"
    shutil.rmtree(rules, ignore_errors=True)
    shutil.copytree(scratch / "cache" / "imgscan", rules, ignore=shutil.ignore_patterns(*RESULTS))
    return rules


def _round(bench: Bench, rules: Path) -> Iterator[Run]:
    wanted = bench.commands
    if SAVE in wanted:
        yield _measured(bench, SAVE, ["docker", "save", bench.target.image], os.environ)
    cache = _cache_of(bench, rules, "own")
    for name, target in ((COLD, bench.target.image), (AGAIN, bench.target.image), (EDITED, bench.edited)):
        if name in wanted:
            yield _imgscan(bench, target, cache, name)
    if ARCHIVE in wanted:
        yield _imgscan(bench, str(bench.target.archive), _cache_of(bench, rules, "archive"), ARCHIVE)
    if BARE in wanted:
        yield _imgscan(bench, bench.target.image, _fresh(bench.target.scratch / "bare"), BARE)
    for ready in bench.peers:
        yield _peer(bench, ready)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _cache_of(bench: Bench, rules: Path, name: str) -> Path:
    scratch = _fresh(bench.target.scratch / name)
    shutil.copytree(rules, scratch / "cache" / "imgscan")
    (scratch / "cache" / "imgscan").chmod(0o700)
    return scratch


def _imgscan(bench: Bench, target: str, scratch: Path, name: str) -> Run:
    report = bench.target.report
    command = [sys.executable, "-m", "imgscan", "scan", target, "--no-config", "--exit-zero", "--quiet"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(scratch / "cache")}
    run = _measured(bench, name, [*command, "--format", f"json={report}"], environment)
    if run.trouble or not report.is_file():
        return run
    content = json.loads(report.read_bytes())
    secrets = [finding for finding in content["findings"] if finding["rule_id"].startswith("secret-")]
    places = {place.get("path") for finding in secrets for place in (finding["location"], *finding.get("places", ()))}
    return Run(
        command=name,
        measured=run.measured,
        findings=len(secrets),
        found=tuple(item.name for item in bench.secrets if f"/{item.path}" in places),
        read_bytes=content["coverage"]["bytes"],
        trouble=None if content["complete"] else "it says that its scan is not complete",
    )


def _peer(bench: Bench, ready: Ready, target: Target | None = None) -> Run:
    peer, target = ready.peer, target or bench.target
    scratch = _fresh(target.scratch / "peer")
    environment = own_environment(scratch, target.scratch / "homes" / peer.name.partition(" (")[0])
    run = _measured(bench, peer.name, peer.command(ready.program, target), environment, keep=peer.to_stdout)
    shutil.rmtree(scratch)
    report = target.report.read_bytes() if target.report.is_file() else b""
    try:
        account = peer.account(report, _log(bench).read_bytes())
    except (ValueError, KeyError, TypeError):
        trouble = run.trouble or f"no report: {_last_words(bench)}"
        return Run(command=peer.name, measured=run.measured, trouble=trouble)
    found = tuple(item.name for item in bench.secrets if item.token.encode() in report)
    return Run(
        command=peer.name,
        measured=run.measured,
        findings=account.findings,
        found=None if account.findings is None else found,
        read_bytes=account.read_bytes,
        trouble=run.trouble,
    )


def _log(bench: Bench) -> Path:
    return bench.target.scratch / "log"


def _last_words(bench: Bench) -> str:
    return _log(bench).read_text(errors="replace").strip()[-300:]


def _measured(
    bench: Bench, name: str, command: Sequence[str], environment: Mapping[str, str], *, keep: bool = False
) -> Run:
    """Run it without an old report in its way; `keep` takes its standard output for its report."""
    bench.target.report.unlink(missing_ok=True)
    if bench.cold_disk:
        drop_page_cache()
    with _log(bench).open("wb") as errors, (bench.target.report if keep else Path(os.devnull)).open("wb") as output:
        measured = measure(
            command, timeout_s=bench.timeout_s, environment=environment, folder=ROOT, output=output, log=errors,
            engine_pid=bench.engine_pid,
        )  # fmt: skip
    trouble = None
    if measured.timed_out:
        trouble = f"stopped after {bench.timeout_s:.0f} s"
    elif measured.exit_code and (name == SAVE or name in IMGSCAN):
        trouble = f"exit code {measured.exit_code}: {_last_words(bench)}"
    return Run(command=name, measured=measured, trouble=trouble)

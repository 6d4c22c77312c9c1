"""From runs to tables and JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks.figures import spread
from benchmarks.measure import Measured
from benchmarks.planted import PLACES
from benchmarks.report import (
    Outcome,
    SizeResult,
    as_json,
    as_markdown,
    covers_all,
    fastest_of,
    growth_table,
    size_ratios,
)
from benchmarks.runs import AGAIN, BARE, COLD, EDITED, SAVE, Run

ALL = tuple(PLACES)
MACHINE = {
    "imgscan": "1",
    "python": "3.11",
    "system": "Linux",
    "processor": "some",
    "cpus": 2,
    "memory_bytes": 8e9,
    "engine": "20.10, store overlay2",
    "load": 0.1,
}


def run(command: str, wall_s: float, *, found: tuple[str, ...] | None = ALL, trouble: str | None = None) -> Run:
    measured = Measured(
        wall_s=wall_s,
        cpu_s=wall_s / 2,
        engine_cpu_s=None,
        tree_bytes=100_000_000,
        process_bytes=90_000_000,
        exit_code=0,
    )
    findings = None if found is None else 7
    read = 1_000_000_000 if command == COLD else None
    return Run(command=command, measured=measured, findings=findings, found=found, read_bytes=read, trouble=trouble)


def result(*runs: Run, size_gb: float = 1.0) -> SizeResult:
    return SizeResult(size_gb=size_gb, image=f"imgscan-bench:{size_gb:g}g", runs=runs)


ROUND = (
    run(SAVE, 9.0, found=None),
    run(COLD, 3.0),
    run(AGAIN, 0.3),
    run(EDITED, 0.6),
    run(BARE, 4.5),
    run("slow and thorough", 90.0),
    run("quick and partial", 30.0, found=("visible",)),
    run("sizes only", 1.0, found=None),
)


def test_ratios_of_a_size() -> None:
    found = {ratio.name: ratio.wall.median for ratio in size_ratios(result(*ROUND, *ROUND))}
    assert found == {
        f"{COLD} ÷ {SAVE}": pytest.approx(1 / 3),
        f"{BARE} ÷ {SAVE}": pytest.approx(0.5),
        f"{AGAIN} ÷ {COLD}": pytest.approx(0.1),
        f"{EDITED} ÷ {COLD}": pytest.approx(0.2),
        f"fastest peer of equal coverage, from the image (slow and thorough) ÷ {COLD}": pytest.approx(30.0),
        f"fastest peer of whatever coverage (quick and partial) ÷ {COLD}": pytest.approx(10.0),
    }


def test_processor_seconds_count_the_engines() -> None:
    export = run(SAVE, 9.0, found=None)
    export = replace(export, measured=replace(export.measured, cpu_s=0.5, engine_cpu_s=9.5))
    assert [ratio.cpu for ratio in size_ratios(result(export, run(COLD, 3.0)))] == [spread([0.15])]


@pytest.mark.parametrize(
    ("found", "read_bytes", "equal"),
    [
        (ALL, None, True),
        (ALL, 990_000_000, True),
        (ALL, 410_000_000, False),
        (ALL[1:], 10**9, False),
        (None, None, False),
    ],
    ids=["silent", "read all", "read less", "missed one", "no secrets"],
)
def test_equal_coverage(found: tuple[str, ...] | None, read_bytes: int | None, equal: bool) -> None:
    peer = replace(run("peer", 5.0, found=found), read_bytes=read_bytes)
    assert covers_all(result(run(COLD, 3.0), peer), "peer") is equal


def test_a_command_that_failed_has_no_ratio_and_is_named() -> None:
    broken = result(run(SAVE, 9.0, found=None, trouble="exit code 1: no such image"), run(COLD, 3.0))
    assert size_ratios(broken) == []
    text = as_markdown(Outcome(machine=MACHINE, sizes=(broken,), missing={"dive": "dive is not on PATH"}), {})
    assert "Left out: docker save: exit code 1: no such image" in text
    assert "Not run: dive: dive is not on PATH" in text


def test_what_looks_for_no_secrets_is_not_the_fastest_peer() -> None:
    assert fastest_of(result(*ROUND), ["sizes only"]) is None
    assert fastest_of(result(*ROUND), ["sizes only", "slow and thorough"]) == "slow and thorough"


def test_a_row_says_what_was_found() -> None:
    text = as_markdown(Outcome(machine=MACHINE, sizes=(result(*ROUND),), missing={}), {})
    row = next(line for line in text.splitlines() if line.startswith("| quick and partial "))
    assert [cell.strip() for cell in row.strip("|").split("|")][-4:] == ["yes", "no", "no", "no"]
    assert "### Growth" not in text


def test_growth_is_told_as_a_line() -> None:
    sizes = []
    for size, wall in ((0.5, 1.5), (1.0, 2.5), (2.0, 4.5)):
        cold = run(COLD, wall)
        cold = Run(command=COLD, measured=cold.measured, findings=1, found=ALL, read_bytes=round(size * 1e9))
        sizes.append(result(cold, size_gb=size))
    text = growth_table(sizes)
    line = "- imgscan, first scan: 0.50 s + 2.00 s/GB, R² 1.0000; CPU with the engine's 0.25 s + 1.00 s/GB, R² 1.0000"
    assert line in text
    assert "R²" not in growth_table(sizes[:2])
    assert "2.50 s, 2.50 s/GB" in text


def test_json_has_every_run_and_no_token() -> None:
    content = json.loads(json.dumps(as_json(Outcome(machine=MACHINE, sizes=(result(*ROUND),), missing={}))))
    assert len(content["sizes"][0]["runs"]) == len(ROUND)
    assert content["sizes"][0]["runs"][0]["measured"]["wall_s"] == 9.0

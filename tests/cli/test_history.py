"""`imgscan history`, run as a user does, with a real web server as webhook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import HOSTILE, finding, report
from webhooks import Hook, hooked

from imgscan.cli.main import run
from imgscan.errors import EngineError
from imgscan.forge.webhook import post_new
from imgscan.model import Report, Severity
from imgscan.pastruns import Recorded, Run
from imgscan.report import render
from imgscan.report.trend import render_markdown, render_table, sparkline, trends


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "h.sqlite3")


def written(folder: Path, shown: Report, name: str = "r.json") -> str:
    (folder / name).write_text(render(shown, "json"), encoding="utf-8")
    return str(folder / name)


def recorded(folder: Path, shown: Report, store: str, *options: str) -> int:
    return run(["history", "record", written(folder, shown), "--store", store, *options])


CLEAN = report(findings=(), complete=True)
DIRTY = report(findings=(finding(),), complete=True)


def test_only_a_new_finding_fails(tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert recorded(tmp_path, DIRTY, store, "--fail-on-new") == 0
    assert recorded(tmp_path, DIRTY, store, "--fail-on-new") == 0
    assert recorded(tmp_path, CLEAN, store, "--fail-on-new") == 0
    assert recorded(tmp_path, DIRTY, store) == 0
    assert recorded(tmp_path, CLEAN, store) == 0
    assert recorded(tmp_path, DIRTY, store, "--fail-on-new") == 1
    low = report(findings=(finding(fingerprint="2" * 16, severity=Severity.LOW), finding()), complete=True)
    assert recorded(tmp_path, low, store, "--fail-on-new") == 0
    assert recorded(tmp_path, CLEAN, store) == 0
    assert recorded(tmp_path, low, store, "--fail-on-new", "--fail-on", "never") == 0
    out = capsys.readouterr().out
    assert "shop: the first run, 1 findings" in out
    assert "new   critical secret-github-token layer 5 /app/backend/.env:2 (Dockerfile:14)" in out
    assert "gone  critical secret-github-token" in out


def test_trends_of_one_and_of_all(tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]) -> None:
    for target in ("shop", "other"):
        recorded(tmp_path, DIRTY, store, "--target", target)
    capsys.readouterr()
    assert run(["history", "show", "--store", store]) == 0
    text = capsys.readouterr().out
    assert text.index("other: 1 run") < text.index("shop: 1 run")
    assert run(["history", "show", "shop", "--store", store, "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [run_["figures"]["size-bytes"] for run_ in data["shop"]] == [110_000_000]
    assert run(["history", "show", "shpo", "--store", store]) == 2
    assert "did you mean shop" in capsys.readouterr().err


def test_nothing_recorded_yet(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["history", "show", "--store", store]) == 0
    assert "nothing is recorded yet" in capsys.readouterr().err


def test_runs_can_be_kept_to_a_number(tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(4):
        recorded(tmp_path, CLEAN, store, "--keep", "2")
    capsys.readouterr()
    run(["history", "show", "--store", store])
    assert "shop: 2 runs" in capsys.readouterr().out


def test_one_name_for_two_reports(tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [written(tmp_path, CLEAN, name) for name in ("a.json", "b.json")]
    assert run(["history", "record", *paths, "--store", store, "--target", "x"]) == 2
    assert "one report at a time" in capsys.readouterr().err


@pytest.fixture
def hook(request: pytest.FixtureRequest) -> Iterator[Hook]:
    with hooked(*getattr(request, "param", ())) as made:
        yield made


def test_the_webhook_is_told_what_is_new(tmp_path: Path, store: str, hook: Hook) -> None:
    recorded(tmp_path, DIRTY, store, "--webhook", hook.url)
    assert hook.bodies == []
    recorded(tmp_path, CLEAN, store, "--webhook", hook.url)
    recorded(tmp_path, DIRTY, store, "--webhook", hook.url)
    (body,) = hook.bodies
    assert [one["rule_id"] for one in body["new"]] == ["secret-github-token"]
    assert (body["target"], body["verdict"], body["new_total"]) == ("shop", "NO-GO", 1)
    assert "excerpt" not in json.dumps(body)


GOT = Recorded(run=2, first=False, new=(finding(),), gone=(), standing=0)
ANSWERS = [
    pytest.param((500, 503), 3, True, id="twice-in-trouble"),
    pytest.param((429,), 2, True, id="busy"),
    pytest.param((404,), 1, False, id="not-there"),
    pytest.param((500, 500, 500), 3, False, id="in-trouble-for-good"),
    pytest.param((302,), 1, False, id="elsewhere"),
]


@pytest.mark.parametrize(("hook", "tries", "taken"), ANSWERS, indirect=["hook"])
def test_answers_of_a_webhook(hook: Hook, tries: int, taken: bool) -> None:
    slept: list[float] = []
    if taken:
        post_new(hook.url, "shop", DIRTY, GOT, sleep=slept.append)
    else:
        with pytest.raises(EngineError) as raised:
            post_new(hook.url, "shop", DIRTY, GOT, sleep=slept.append)
        assert "geheim" not in f"{raised.value} {raised.value.__dict__}"
    assert len(hook.bodies) == tries
    assert len(slept) == tries - 1


def test_a_webhook_in_the_clear_is_refused(tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(tmp_path, CLEAN, store)
    assert recorded(tmp_path, DIRTY, store, "--webhook", "http://example.org/token-geheim") == 2
    assert "geheim" not in capsys.readouterr().err


LINES = [
    pytest.param((), "", id="nothing"),
    pytest.param((None, None), "", id="unknown"),
    pytest.param((5.0, 5.0, 5.0), "▄▄▄", id="level"),
    pytest.param((0.0, 1.0), "▁█", id="up"),
    pytest.param((1.0, None, 0.0), "█ ▁", id="gap"),
    pytest.param((0.0, 50.0, 100.0, float("inf")), "▁▅█ ", id="infinite"),
]


@pytest.mark.parametrize(("values", "line"), LINES)
def test_sparklines(values: tuple[float | None, ...], line: str) -> None:
    assert sparkline(values) == line


def one_run(at: int, **figures: float) -> Run:
    shown = {key.replace("_", "-"): value for key, value in figures.items()}
    return Run(id=at, recorded_at=f"2026-05-0{at}", verdict="GO", complete=True, label=None, figures=shown)


def test_figures_that_are_nothing_all_the_time_are_left_out() -> None:
    runs = [one_run(1, size_bytes=10, findings_low=0), one_run(2, size_bytes=20, findings_low=0, seconds_other=1.5)]
    assert [trend.key for trend in trends(runs)] == ["size-bytes", "seconds-other"]


def test_findings_are_told_by_severity_last() -> None:
    counts = {f"findings_{severity}": 1.0 for severity in ("low", "info", "critical", "medium", "high")}
    keys = [trend.key for trend in trends([one_run(1, size_bytes=10, seconds_other=1.5, **counts)])]
    assert keys == [
        "size-bytes", "seconds-other",
        "findings-critical", "findings-high", "findings-medium", "findings-low", "findings-info",
    ]  # fmt: skip


def test_a_trend_as_text() -> None:
    text = render_table("shop", [one_run(1, size_bytes=1_000_000), one_run(2, size_bytes=3_000_000)])
    assert "2 runs from 2026-05-01 to 2026-05-02, verdicts ++" in text
    assert "1.00 MB" in text
    assert "▁█" in text


def test_a_target_is_no_markup() -> None:
    text = render_markdown(HOSTILE, [one_run(1, size_bytes=1.0)])
    assert "<img" not in text
    assert "\x1b" not in text

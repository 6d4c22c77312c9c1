"""`--base` and `--fail-on-new`, and a baseline applied to a report: from end to end, without an engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imagemaker import Made, docker25
from secretmaker import token_of
from setups import write_files
from tarmaker import archive, member

from imgscan.cli.main import run

FILES = {
    "Dockerfile": "FROM node:latest\nWORKDIR /app\nCOPY . .\nRUN npm ci\nUSER 1000\n",
    "package.json": "{}",
    "package-lock.json": "{}",
    "index.js": "1\n",
    "compose.yml": """
        services:
          web:
            build: .
            depends_on: [db]
          db:
            image: postgres:17
            ports: ["5432:5432"]
            environment: {POSTGRES_PASSWORD: "${DB_PASSWORD}"}
        """,
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that is NO-GO for several reasons."""
    return write_files(tmp_path / "project", FILES)


class Lint:
    """`imgscan lint` of a project, its reports in files beside it."""

    def __init__(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.project, self.capsys = project, capsys

    def __call__(self, name: str, *args: str) -> tuple[int, dict[str, Any]]:
        path = self.path(name)
        code = run(["lint", str(self.project), "--no-config", "-q", "--format", f"json={path}", *args])
        assert code in (0, 1), self.capsys.readouterr().err
        return code, json.loads(path.read_text())

    def path(self, name: str) -> Path:
        return self.project.parent / name


@pytest.fixture
def lint(project: Path, capsys: pytest.CaptureFixture[str]) -> Lint:
    return Lint(project, capsys)


def test_only_what_is_new_counts(project: Path, lint: Lint) -> None:
    assert lint("base.json")[0] == 1
    base = str(lint.path("base.json"))
    code, report = lint("again.json", "--base", base, "--fail-on-new")
    assert (code, report["verdict"], report["reasons"]) == (0, "GO", [])
    assert report["notes"][0].startswith(f"0 findings are new since {base}; the other ")
    assert "stood against the change before it" in report["risk_summary"]["recommendation"]
    assert all(finding["accepted"] is None for finding in report["findings"])

    code, report = lint("told.json", "--base", base)
    assert (code, report["notes"][0]) == (1, f"0 findings are new since {base}")

    (project / "key.js").write_text(f"t = '{token_of('new')}'\n")
    code, report = lint("new.json", "--base", base, "--fail-on-new")
    assert code == 1
    assert report["reasons"][0] == "1 new finding of severity high or above"
    assert any(reason.startswith("SEC-001 scores 9") for reason in report["reasons"])
    assert lint("never.json", "--base", base, "--fail-on-new", "--fail-on", "never")[0] == 0
    assert run(["compare", base, str(lint.path("new.json")), "--fail-on-new"]) == 1


def test_what_is_new_below_the_threshold_does_not_count(project: Path, lint: Lint) -> None:
    lint("base.json")
    base = str(lint.path("base.json"))
    with (project / "compose.yml").open("a") as file:
        file.write("  cache:\n    image: redis:8\n")
    assert lint("low.json", "--base", base, "--fail-on-new")[0] == 0
    code, report = lint("low.json", "--base", base, "--fail-on-new", "--fail-on", "low")
    assert code == 1
    assert "new findings of severity low or above" in report["reasons"][0]
    assert lint("budget.json", "--base", base, "--fail-on-new", "--budget", "image-size=1MB")[0] == 0


def test_a_baseline_is_a_base_as_well(project: Path, lint: Lint) -> None:
    lint("base.json")
    file = str(lint.path("baseline.json"))
    assert run(["baseline", "create", str(lint.path("base.json")), "-o", file, "--reason", "known"]) == 0
    code, report = lint("again.json", "--base", file, "--fail-on-new")
    assert (code, report["verdict"]) == (0, "GO")
    assert all(finding["accepted"] is None for finding in report["findings"])
    (project / "key.js").write_text(f"t = '{token_of('new')}'\n")
    assert lint("new.json", "--base", file, "--fail-on-new")[0] == 1
    text = (
        lint.path("baseline.json")
        .read_text()
        .replace('"reason": "known"', '"reason": "known", "expires": "2020-01-01"')
    )
    lint.path("baseline.json").write_text(text)
    (project / "key.js").unlink()
    assert lint("expired.json", "--base", file, "--fail-on-new")[0] == 1


def test_an_image_is_held_against_a_base(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layer = archive(member(b"app/config.js", f't = "{token_of("old")}"\n'.encode()))
    image, base = tmp_path / "image.tar", tmp_path / "base.json"
    image.write_bytes(docker25(Made(layers=(layer,), settings={"User": "1000"})))
    assert run(["scan", str(image), "--no-config", "-q", "--format", f"json={base}"]) == 1
    known = ["scan", str(image), "--no-config", "-q", "--base", str(base), "--fail-on-new"]
    assert run(known) == 0
    more = archive(member(b"app/more.js", f't = "{token_of("fresh")}"\n'.encode()))
    image.write_bytes(docker25(Made(layers=(layer, more), settings={"User": "1000"})))
    assert run(known) == 1
    capsys.readouterr()


@pytest.mark.parametrize(
    ("args", "told"),
    [
        pytest.param(["--fail-on-new"], "nothing to compare with", id="no-base"),
        pytest.param(["--fail-on-new", "--base", "P/none.json"], "cannot be read", id="no-file"),
        pytest.param(["--base", "P/Dockerfile"], "not a report of imgscan", id="neither"),
        pytest.param(["--base", "P/broken.json"], "broken.json:1: not valid JSON", id="broken-baseline"),
    ],
)
def test_what_is_wrong_with_a_base_is_told(
    project: Path, capsys: pytest.CaptureFixture[str], args: list[str], told: str
) -> None:
    (project / "broken.json").write_text('{"imgscan_baseline": 1,')
    options = [arg.replace("P/", f"{project}/") for arg in args]
    assert run(["lint", str(project), "--no-config", *options]) == 2
    assert told in capsys.readouterr().err


def scores(report: dict[str, Any]) -> dict[str, int]:
    return {risk["id"]: risk["score"] for risk in report["risks"] if risk["applies"]}


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(lambda finding: True, id="all"),
        pytest.param(lambda finding: finding["severity"] == "high", id="high-ones"),
        pytest.param(lambda finding: finding["risk_id"] == "PERF-001", id="of-one-risk"),
        pytest.param(lambda finding: False, id="none"),
    ],
)
def test_a_baseline_applied_to_a_report_says_what_a_run_with_it_says(kept: Any, lint: Lint) -> None:
    _, report = lint("report.json")
    part = {**report, "findings": [finding for finding in report["findings"] if kept(finding)]}
    lint.path("part.json").write_text(json.dumps(part))
    file, out = lint.path("baseline.json"), lint.path("applied.json")
    assert run(["baseline", "create", str(lint.path("part.json")), "-o", str(file), "--reason", "known"]) == 0
    code, ran = lint("ran.json", "--baseline", str(file))
    applied_code = run(
        ["baseline", "apply", str(file), str(lint.path("report.json")), "-q", "--no-config", "--format", f"json={out}"]
    )
    applied = json.loads(out.read_text())
    assert applied_code == code
    for key in ("findings", "verdict", "reasons", "notes", "budgets", "target", "complete"):
        assert applied[key] == ran[key], key
    assert scores(applied) == scores(ran)


def test_a_report_that_was_made_with_a_baseline_is_judged_by_another(lint: Lint) -> None:
    lint("report.json")
    old, other, out = (str(lint.path(name)) for name in ("old.json", "other.json", "out.json"))
    assert run(["baseline", "create", str(lint.path("report.json")), "-o", old, "--reason", "known"]) == 0
    assert lint("with.json", "--baseline", old)[0] == 0
    empty = {**json.loads(lint.path("report.json").read_text()), "findings": []}
    lint.path("empty.json").write_text(json.dumps(empty))
    assert run(["baseline", "create", str(lint.path("empty.json")), "-o", other, "--reason", "none"]) == 0
    apply = ["baseline", "apply", other, str(lint.path("with.json")), "-q", "--no-config", "--format", f"json={out}"]
    assert run(apply) == 1
    again, before = scores(json.loads(Path(out).read_text())), scores(json.loads(lint.path("report.json").read_text()))
    # That no service at all has a check, only who reads the compose file can say.
    assert (again.pop("OPS-001"), before.pop("OPS-001")) == (6, 9)
    assert again == before
    assert run([*apply, "--fail-on", "never", "--exit-zero"]) == 0


@pytest.mark.parametrize(
    ("args", "told"),
    [
        pytest.param(["create", "R"], "Missing option '--reason'", id="no-reason"),
        pytest.param(["create", "R", "--reason", " "], "not empty", id="empty-reason"),
        pytest.param(["create", "R", "--reason", "x", "--expires", "2020-01-01"], "is over", id="past"),
        pytest.param(["apply", "R", "R"], "not a baseline", id="two-reports"),
        pytest.param(["apply", "R"], "Missing argument 'REPORT'", id="one-file"),
    ],
)
def test_what_is_wrong_with_a_call_is_told(
    lint: Lint, capsys: pytest.CaptureFixture[str], args: list[str], told: str
) -> None:
    lint("report.json")
    assert run(["baseline", *(arg.replace("R", str(lint.path("report.json"))) for arg in args)]) == 2
    assert told in capsys.readouterr().err


def test_entries_keep_their_reason_and_their_day(lint: Lint) -> None:
    lint("report.json")
    file, report = lint.path("baseline.json"), str(lint.path("report.json"))

    def entries(*args: str) -> list[tuple[str, str | None]]:
        assert run(["baseline", *args, report, "-o", str(file)]) == 0
        found = json.loads(file.read_text())["accepted"]
        return [(entry["reason"], entry.get("expires")) for entry in found]

    first = entries("create", "--reason", "one", "--expires", "2999-01-01")
    assert set(first) == {("one", "2999-01-01")}
    assert entries("create", "--reason", "two") == first
    text = file.read_text().replace("2999-01-01", "2020-01-01", 1)
    file.write_text(text)
    assert sorted(entries("create", "--reason", "two"), key=str).count(("two", None)) == 1
    assert set(entries("--reason", "all")) == {("all", None), ("all", "2999-01-01")}
    assert run(["baseline", "-o", str(file), report]) == 0

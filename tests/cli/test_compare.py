"""`imgscan compare`, run as a user does: reports, images, formats, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes import finding, report
from imagemaker import Made, docker25
from tarmaker import archive, member

from imgscan.cli.main import run
from imgscan.model import Report, Severity
from imgscan.report import render


def written(folder: Path, name: str, shown: Report) -> str:
    (folder / name).write_text(render(shown, "json"), encoding="utf-8")
    return str(folder / name)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    low = finding(fingerprint="1" * 16, severity=Severity.LOW)
    return (
        written(tmp_path, "base.json", report(findings=(), complete=True)),
        written(tmp_path, "head.json", report(findings=(finding(), low), complete=True)),
    )


EXITS = [
    pytest.param((), 0, id="only-told"),
    pytest.param(("--fail-on-new",), 1, id="new"),
    pytest.param(("--fail-on-new", "--fail-on", "never"), 0, id="never"),
]


@pytest.mark.parametrize(("options", "code"), EXITS)
def test_exit_codes(
    options: tuple[str, ...], code: int, pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", *pair, *options]) == code
    assert "2 new, 0 gone, 0 in both." in capsys.readouterr().out


def test_only_what_is_new_and_bad_enough_fails(pair: tuple[str, str], tmp_path: Path) -> None:
    low = written(tmp_path, "low.json", report(findings=(finding(severity=Severity.LOW),)))
    assert run(["compare", pair[1], pair[0], "--fail-on-new"]) == 0
    assert run(["compare", pair[0], low, "--fail-on-new"]) == 0
    assert run(["compare", pair[0], low, "--fail-on-new", "--fail-on", "low"]) == 1


def test_several_formats(pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "delta.json"
    assert run(["compare", *pair, "--format", "markdown", "--format", f"json={out}"]) == 0
    assert capsys.readouterr().out.startswith("## imgscan: ")
    assert len(json.loads(out.read_text(encoding="utf-8"))["new"]) == 2


def test_two_images_are_scanned_for_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = []
    for name, size in (("one", 100), ("two", 5000)):
        path = tmp_path / f"{name}.tar"
        path.write_bytes(docker25(Made(layers=(archive(member(b"app/data", b"x" * size)),))))
        names.append(str(path))
    assert run(["compare", *names, "--quiet", "--no-config", "--format", "json"]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert next(figure for figure in figures if figure["key"] == "size-bytes")["change"] == 4900


WRONG = [
    pytest.param("{", "bad.json is not a report of imgscan", id="cut"),
    pytest.param('{"a": 1}', "bad.json is not a report of imgscan", id="other-json"),
    pytest.param("text", "bad.json", id="no-json"),
]


@pytest.mark.parametrize(("text", "told"), WRONG)
def test_a_file_that_is_no_report(
    text: str, told: str, pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(text, encoding="utf-8")
    assert run(["compare", str(bad), pair[1]]) == 2
    assert told in capsys.readouterr().err


def test_a_report_that_is_not_there_is_no_image(pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", pair[0], "out/nope.json"]) == 2
    told = capsys.readouterr().err
    assert "no such file: out/nope.json" in told
    assert "--format json=out/nope.json" in told


def test_a_format_that_a_comparison_has_not(pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", *pair, "--format", "sarif"]) == 2
    assert "choose from table, markdown, json" in capsys.readouterr().err

"""A comparison as text: golden files, hostile names, what is said of each change."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from fakes import HOSTILE, directory, finding, image, report, risk, timing

from imgscan.delta import Delta, Figure, Unit, compare
from imgscan.directorychanges import DirectoryChange
from imgscan.model import BuildInfo, Location, Place, Report, Severity, Step, Target, Verdict
from imgscan.report import Style
from imgscan.report.compared import RENDERERS, change_text, figure_row

BUILD = BuildInfo(builder="buildkit", engine="28.5.2", store="overlay2", cpus=2)


def sides(name: str = "shop") -> tuple[Report, Report]:
    before = (("/", 100_000_000), ("/usr", 90_000_000), ("/usr/lib", 70_000_000))
    directories = tuple(directory(path, (0, size, 0)) for path, size in before)
    step = Step(stage="build", ordinal=2, instruction=f"RUN {name}", line=12, cached=True, seconds=6.0)
    base = report(
        target=Target(kind="image", ref=name), complete=True, verdict=Verdict.GO, findings=(finding(fingerprint="9" * 16),),
        build=replace(BUILD, scenarios=(timing(steps=(step,), steps_cached=4, median_s=2.1, seconds=(2.0, 2.1, 2.2)),)),
        risks=(), image=image(size_bytes=100_000_000, reclaimable_bytes=0, waste=(), directories=directories),
    )  # fmt: skip
    new = finding(message=name, location=Location(place=Place.CONTEXT, path=name, line=3), rule_id="secret-own")
    head = report(
        target=Target(kind="image", ref=name), findings=(new, finding(fingerprint="1" * 16, severity=Severity.LOW)),
        build=replace(BUILD, scenarios=(timing(steps=(replace(step, cached=False),)),)), risks=(risk(description=name),),
        image=image(directories=(*image().directories, directory(f"/{name}", (1, 480_000, 0)))),
    )  # fmt: skip
    return base, head


def delta(name: str = "shop") -> Delta:
    return compare(*sides(name))


@pytest.mark.parametrize("name", RENDERERS)
def test_a_comparison_is_as_reviewed(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"compared.{name}.txt", RENDERERS[name](delta(), Style()))


@pytest.mark.parametrize("name", ["table", "markdown"])
def test_nothing_is_said_of_nothing(name: str) -> None:
    text = RENDERERS[name](compare(report(), report()), Style())
    assert "0 new, 0 gone, 2 in both." in text
    assert "Nothing else changed." in text
    assert "New findings" not in text


def test_no_name_is_markup() -> None:
    text = RENDERERS["markdown"](delta(HOSTILE), Style())
    assert "<img" not in text
    assert "@org" not in text
    assert "[y](z)" not in text
    assert {row.count("|") for row in text.splitlines() if row.startswith("|")} == {5}


@pytest.mark.parametrize("name", ["table", "markdown"])
def test_no_control_character_comes_through(name: str) -> None:
    text = RENDERERS[name](delta(HOSTILE), Style(verbose=True))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert not [line for line in text.splitlines() if line.startswith("::")]


def test_json_has_everything() -> None:
    data = json.loads(RENDERERS["json"](delta(), Style()))
    assert {f["fingerprint"] for f in data["new"]} == {"0123456789abcdef", "1" * 16}
    size = next(figure for figure in data["figures"] if figure["key"] == "size-bytes")
    assert (size["change"], size["differs"], size["worse"]) == (10_000_000, True, True)


def test_a_long_list_is_cut_and_says_so() -> None:
    many = tuple(finding(fingerprint=f"{at:016x}") for at in range(30))
    made = compare(report(findings=()), report(findings=many))
    assert "- and 10 more" in RENDERERS["table"](made, Style())
    assert "more" not in RENDERERS["table"](made, Style(verbose=True))


DIRECTORIES = [
    pytest.param({"base": 10, "head": 5010, "change": 5000}, "+5.00 kB (10 B, now 5.01 kB)", id="grown"),
    pytest.param({"base": 5010, "head": 10, "change": -5000}, "−5.00 kB (5.01 kB, now 10 B)", id="shrunk"),
    pytest.param({"base": 10, "head": 5010, "change": 9}, "+9 B elsewhere in it (10 B, now 5.01 kB)", id="the-rest"),
    pytest.param({"base": None, "head": 5000, "change": 5000}, "+5.00 kB (new)", id="new"),
    pytest.param({"base": 5000, "head": None, "change": -5000}, "−5.00 kB (gone)", id="gone"),
    pytest.param({"base": None, "head": 50, "change": 50, "slack": 9}, "+50 B (9 B or less before)", id="maybe-new"),
    pytest.param({"base": 50, "head": None, "change": -50, "slack": 9}, "−50 B (9 B or less now)", id="maybe-gone"),
]


@pytest.mark.parametrize(("fields", "text"), DIRECTORIES)
def test_how_a_directory_s_change_is_called(fields: dict[str, int | None], text: str) -> None:
    change = DirectoryChange(path="/app", **fields)  # type: ignore[arg-type]
    told = RENDERERS["table"](replace(delta(), directories=(change,)), Style())
    assert f"Bytes by directory\n\n- /app {text}\n" in told


def figure(**changes: object) -> Figure:
    return replace(Figure(key="k", name="n", unit=Unit.BYTES, base=100, head=150), **changes)  # type: ignore[arg-type]


TEXTS = [
    pytest.param(figure(), "+50 B (+50.0 %)", id="more"),
    pytest.param(figure(head=50), "−50 B (−50.0 %)", id="less"),
    pytest.param(figure(head=100), "~", id="equal"),
    pytest.param(figure(noise=60), "~", id="noise"),
    pytest.param(figure(base=None), "new", id="no-before"),
    pytest.param(figure(head=None), "", id="no-after"),
    pytest.param(figure(base=0), "+150 B", id="from-nothing"),
    pytest.param(figure(unit=Unit.SECONDS, base=2.0, head=3.0), "+1.0 s (+50.0 %)", id="seconds"),
    pytest.param(figure(unit=Unit.COUNT, base=2, head=3), "+1", id="count"),
    pytest.param(figure(unit=Unit.RATIO, base=0.5, head=0.75), "+25.0 points", id="ratio"),
    pytest.param(figure(unit=Unit.RATIO, base=0.94, head=0.6), "−34.0 points", id="ratio-down"),
    pytest.param(figure(head=1_250), "+1.15 kB (×12)", id="many-times-as-much"),
    pytest.param(figure(base=3, head=32_774_604), "+32.8 MB", id="next-to-nothing-before"),
]


@pytest.mark.parametrize(("one", "text"), TEXTS)
def test_how_a_change_is_called(one: Figure, text: str) -> None:
    assert change_text(one) == text


def test_a_count_of_something_names_both() -> None:
    assert figure_row(figure(unit=Unit.COUNT, base=9, head=3, of=(11, 12)))[1:3] == ("9 of 11", "3 of 12")

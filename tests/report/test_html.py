"""The HTML report: drawings that add up, names that stay text, and the page in a real browser."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fakes import HOSTILE, directory, finding, image, layer, proof, rebuilds, report, risk, timing
from hypothesis import given
from hypothesis import strategies as st
from pages import CONTRAST, Browser, Page, check_policy

from imgscan.model import (
    Accepted,
    AcceptedBy,
    BuildFailure,
    BuildInfo,
    Coverage,
    DirectoryReport,
    ImageReport,
    Interval,
    Location,
    NotRead,
    Place,
    Report,
    Severity,
    Skipped,
    SourceLine,
    Step,
    Target,
    Timing,
    Waste,
    WasteCause,
)
from imgscan.patches import ProofOutcome, Rebuilds, ScenarioProof
from imgscan.report import render
from imgscan.report.html.charts import WIDTH, Box, bars, gantt, matrix
from imgscan.report.html.icicle import ROW, icicles

BUILD = BuildInfo(builder="buildkit", engine="28.5.2", store="overlay2", cpus=2)


def hostile(text: str = HOSTILE) -> Report:
    place = Location(place=Place.FILE, layer=1, path=text, dockerfile=SourceLine(file=text, line=1), inside=(text,))
    bad = finding(rule_id=text, message=text, location=place, places=(place, replace(place, line=7)), excerpt=text)
    step = Step(
        stage=text,
        ordinal=1,
        instruction=text,
        line=1,
        cached=False,
        seconds=1.0,
        intervals=(Interval(start_s=0, end_s=1),),
    )
    failure = BuildFailure(step=text, line=1, message=text, log=(text,), cause=text)
    return report(
        target=Target(kind="image", ref=text, dockerfile=text),
        findings=(bad, replace(bad, fingerprint="1" * 16, accepted=Accepted(by=AcceptedBy.INLINE, reason=text))),
        notes=(text,),
        coverage=Coverage(bytes=1, entries=1, not_read=(NotRead(where=text, bytes=1, reason=text),)),
        reasons=(text,),
        skipped=(Skipped(where=text, reason=text),),
        image=image(
            layers=(layer(1, instruction=text, dockerfile=SourceLine(file=text, line=2)),),
            waste=(Waste(path=f"/{text}/a/b", bytes=10, cause=WasteCause.DELETED, shipped_by=1, shadowed_by=2),),
            directories=(directory("/", (1, 10_000_000, 0)), directory(f"/{text}", (1, 10_000_000, 0))),
        ),
        risks=(risk(because=text, mitigation=text),),
        proofs=(proof(text, text), proof(text, reason=text, outcome=ProofOutcome.NOT_PROVED, scenarios=())),
        build=replace(BUILD, failure=failure, scenarios=(timing(touched=text, steps=(step,), critical_path=(0,)),)),
    )  # fmt: skip


def large() -> Report:
    severities = list(Severity)
    return report(
        findings=tuple(
            finding(
                fingerprint=f"{at:016x}", severity=severities[at % 5], message=f"Thing {at} in /app/file-{at}",
                location=Location(place=Place.FILE, layer=at % 100, path=f"/app/file-{at}", line=at + 1), places=(),
            )
            for at in range(5000)
        ),
        image=image(
            layers=tuple(layer(at, size_bytes=(at + 1) * 10_000) for at in range(100)),
            directories=tuple(
                directory(f"/{at:03d}" if at else "/", *((one, (one + 1) * 25, 0) for one in range(100)))
                for at in range(400)
            ),
        ),
    )  # fmt: skip


REPORTS = [
    pytest.param(report(), id="full"),
    pytest.param(report(findings=(), risks=(), image=None, build=None, cache=None, coverage=None), id="bare"),
    pytest.param(hostile(), id="hostile"),
    pytest.param(report(findings=(), risks=(), image=None, proofs=(proof(), proof(scenarios=()))), id="proofs"),
]


@pytest.mark.parametrize("shown", REPORTS)
def test_nothing_leaves_the_file_and_nothing_else_runs(shown: Report) -> None:
    check_policy(Page(render(shown, "html")))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_name_makes_no_element(text: str) -> None:
    assert elements(f"n{text}") == plain_elements()


def elements(name: str) -> list[str]:
    return [tag for tag, _ in Page(render(hostile(name), "html")).elements]


@cache
def plain_elements() -> list[str]:
    return elements("name")


def test_control_characters_are_made_visible() -> None:
    text = render(hostile(), "html")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert "\\u202e" in text
    assert "@org/team" in Page(text).text


FOLDERS = ["/", "/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f", "/g"]
SHARES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**10), st.integers(0, 10**9)), max_size=4)
"""Whatever a report says, sums that do not hold among it."""


def folders(shares: list[list[tuple[int, int, int]]]) -> tuple[DirectoryReport, ...]:
    return tuple(directory(path, *found) for path, found in zip(FOLDERS, shares, strict=True))


@given(
    st.lists(st.tuples(st.integers(0, 10**10), st.integers(0, 10**10), st.booleans()), min_size=1, max_size=4),
    st.lists(SHARES, min_size=len(FOLDERS), max_size=len(FOLDERS)),
)
def test_boxes_stay_on_the_sheet_and_in_what_they_lie_in(
    sizes: list[tuple[int, int, bool]], shares: list[list[tuple[int, int, int]]]
) -> None:
    layers = tuple(
        layer(at, size_bytes=size, reclaimable_bytes=min(vain, size), from_base=base)
        for at, (size, vain, base) in enumerate(sizes)
    )
    total = sum(size for size, _, _ in sizes)
    for drawing in icicles(image(size_bytes=total, layers=layers, directories=folders(shares))):
        assert all(box.x >= 0 and box.x + box.width <= WIDTH + 2 for box in drawing.boxes)
        assert all(box.y >= 0 and box.y + box.height <= drawing.height for box in drawing.boxes)
        for box in drawing.boxes[1:]:
            colour = box.style.split()[0]
            around = [other for other in drawing.boxes if other.y == box.y - ROW]
            around = [other for other in around if other.x <= box.x <= box.x + box.width <= other.x + other.width + 2]
            assert any(other.style.split()[0] in (colour, "all") for other in around)


def drawn(made: ImageReport) -> list[list[tuple[int, str, int, int, str]]]:
    """Row, colour, place, width and label of each box, of each drawing."""
    return [
        [(round(box.y / ROW), box.style.split()[0], round(box.x), round(box.width), box.text) for box in drawing.boxes]
        for drawing in icicles(made)
    ]


def test_layers_are_drawn_in_two_parts_with_their_directories() -> None:
    made = image(
        size_bytes=1000,
        layers=(
            layer(0, size_bytes=400, from_base=True, instruction="ADD rootfs"),
            layer(1, size_bytes=600, reclaimable_bytes=200, instruction="COPY . ."),
        ),
        directories=(
            directory("/", (0, 400, 0), (1, 600, 200)),
            directory("/app", (1, 600, 200)),
            directory("/app/cache", (1, 150, 150)),
            directory("/app/dist", (1, 350, 50)),
            directory("/usr", (0, 300, 0)),
            directory("/usr/lib", (0, 300, 0)),
        ),
    )
    assert drawn(made) == [
        [
            (0, "all", 0, 999, "image: 1.00 kB, 200 B of it wasted"),
            (1, "base", 0, 399, "0 ADD rootfs"),
            (2, "base", 0, 299, "usr/lib"),
            (1, "own", 400, 399, "1 COPY . ."),
            (2, "own", 400, 399, "app"),
            (3, "own", 400, 299, "dist"),
            (1, "waste", 800, 199, "1 COPY . ."),
            (2, "waste", 800, 199, "app"),
            (3, "waste", 800, 149, "cache"),
            (3, "waste", 950, 49, "dist"),
        ]
    ]


def test_what_lies_on_a_large_base_is_drawn_once_more() -> None:
    whole, own = drawn(image())
    assert [box[1] for box in whole if box[0] == 1] == ["base", "own", "waste"]
    assert [box[1:4] for box in own if box[0] == 1] == [("own", 0, 199), ("waste", 200, 799)]


def test_no_bytes_no_drawing() -> None:
    assert icicles(image(size_bytes=0, layers=(layer(0, size_bytes=0),), directories=())) == []


def test_a_report_of_an_older_version_has_layers_alone() -> None:
    assert {box[0] for box in drawn(image(directories=()))[0]} == {0, 1}


LABELS = [
    pytest.param("/app/node_modules", 1000, "app/node_modules", id="all"),
    pytest.param("/app/node_modules", 110, "…/node_modules", id="its-last-name-alone"),
    pytest.param("/app/node_modules", 104, "node_modules", id="its-last-name"),
    pytest.param("/app/node_modules", 60, "app/no…", id="its-beginning"),
    pytest.param("/app/node_modules", 30, "", id="nothing"),
    pytest.param("/\u202e\x1b" * 20, 150, "…/\\u202e\\x1b", id="as-it-is-written"),
]


@pytest.mark.parametrize(("path", "width", "label"), LABELS)
def test_labels_say_what_fits(path: str, width: int, label: str) -> None:
    made = image(
        size_bytes=1000,
        layers=(layer(0, size_bytes=1000),),
        directories=(directory("/", (0, 1000, 0)), directory(path, (0, width, 0))),
    )
    assert drawn(made)[0][-1][-1] == label


def step(start: float, end: float, **changes: Any) -> Step:
    fields: dict[str, Any] = {
        "stage": "0", "ordinal": 1, "instruction": "RUN make", "line": 3, "cached": False, "seconds": end - start,
        "intervals": (Interval(start_s=start, end_s=end),),
    }  # fmt: skip
    return Step(**{**fields, **changes})


def run_of(*steps: Step, **changes: Any) -> Timing:
    return timing(steps=steps, **{"critical_path": (), **changes})


def test_lanes_share_one_axis() -> None:
    chart = gantt(run_of(step(100, 101), step(101, 104), critical_path=(1,)))
    (first,), (second,) = (lane.boxes for lane in chart.lanes)
    assert (first.x, first.width) == (0, WIDTH / 4)
    assert (second.x, second.width) == (WIDTH / 4, WIDTH * 3 / 4)
    assert [box.style for box in (first, second)] == ["ran", "critical"]
    assert chart.end == "4.0 s"


STYLES = [
    pytest.param(step(0, 1, cached=True), "cached", "cached", id="cached"),
    pytest.param(step(0, 1, error="exit 1"), "failed", "1.0 s", id="failed"),
    pytest.param(step(0, 1), "ran", "1.0 s", id="ran"),
]


@pytest.mark.parametrize(("one", "style", "text"), STYLES)
def test_what_became_of_a_step(one: Step, style: str, text: str) -> None:
    lane = gantt(run_of(one, step(0, 2))).lanes[0]
    assert [box.style for box in lane.boxes] == [style]
    assert lane.text == text


def test_a_rebuild_in_which_nothing_ran_has_no_axis() -> None:
    chart = gantt(run_of(step(5, 5.001), step(0, 1, cached=True)))
    assert chart.end == ""
    assert [box.style for lane in chart.lanes for box in lane.boxes] == ["cached", "cached"]


def pair(before: Rebuilds, after: Rebuilds, name: str = "touch-source") -> ScenarioProof:
    return ScenarioProof(name=name, touched="src/a.ts", before=before, after=after)


def whiskers(boxes: tuple[Box, ...]) -> list[Box]:
    return [box for box in boxes if box.style == "whisker"]


def test_before_and_after_share_one_axis_and_show_their_spread() -> None:
    slow = pair(rebuilds(9.0, 10.0, 8.0), rebuilds(9.5, 9.0, 10.0), "touch-lockfile")
    fast, same = bars(proof(scenarios=(pair(rebuilds(7.0, 8.0, 9.0), rebuilds(1.0, 2.0, 2.5)), slow)))
    before, after = fast.bars
    assert (before.boxes[0].x, before.boxes[0].width) == (0, WIDTH * 8 / 10)
    assert (after.boxes[0].width, after.boxes[0].style) == (WIDTH * 2 / 10, "gain")
    line, first, last = whiskers(before.boxes)
    assert (line.x, line.width) == (WIDTH * 7 / 10, WIDTH * 2 / 10)
    assert first.x < line.x < first.x + first.width
    assert last.x < line.x + line.width < last.x + last.width
    assert fast.end == same.end == "10.0 s"


NEWS = [
    pytest.param(rebuilds(8.0, 8.2), rebuilds(1.0, 1.2), "−7.0 s (−86.4 %)", ("own", "gain"), id="faster"),
    pytest.param(rebuilds(1.0, 1.2), rebuilds(8.0, 8.2), "+7.0 s (+636.4 %)", ("own", "waste"), id="slower"),
    pytest.param(rebuilds(8.0, 9.0), rebuilds(7.6, 8.6), "~", ("base", "base"), id="inside the spread"),
    pytest.param(rebuilds(0.4, 0.4), rebuilds(0.3, 0.3), "~", ("base", "base"), id="less than anything is measured to"),
    pytest.param(rebuilds(3.0), rebuilds(2.2), "~", ("base", "base"), id="one run each"),
    pytest.param(rebuilds(0.0, 0.0), rebuilds(0.0, 0.0), "~", ("base", "base"), id="no time at all"),
]


@pytest.mark.parametrize(("before", "after", "change", "styles"), NEWS)
def test_a_difference_inside_noise_is_none(
    before: Rebuilds, after: Rebuilds, change: str, styles: tuple[str, str]
) -> None:
    (chart,) = bars(proof(scenarios=(pair(before, after),)))
    assert chart.change == change
    assert chart.better is (change[0] == "−")
    assert tuple(bar.boxes[0].style for bar in chart.bars) == styles
    assert [len(whiskers(bar.boxes)) for bar in chart.bars] == [3 if len(before.seconds) > 1 else 0] * 2


RUNS = st.lists(st.floats(0, 10_000), min_size=1, max_size=5).map(lambda seconds: rebuilds(*seconds))


@given(st.lists(st.builds(pair, RUNS, RUNS), max_size=3))
def test_bars_and_whiskers_stay_on_the_sheet(scenarios: list[ScenarioProof]) -> None:
    charts = bars(proof(scenarios=tuple(scenarios)))
    assert len(charts) == len(scenarios)
    for box in (box for chart in charts for bar in chart.bars for box in bar.boxes):
        assert box.x >= 0
        assert box.x + box.width <= WIDTH + 1e-6
        assert 0 <= box.y < box.y + box.height <= 1


def test_the_matrix_puts_each_risk_where_it_weighs() -> None:
    cells = matrix([risk(id="A-1", probability=3, impact=3), risk(id="B-2", probability=1, impact=2)])
    assert cells[0][2].risks == ("A-1",)
    assert cells[0][2].band == "critical"
    assert cells[2][1].risks == ("B-2",)
    assert sum(len(cell.risks) for row in cells for cell in row) == 2


@pytest.mark.tools
@pytest.mark.parametrize("shown", [*REPORTS, pytest.param(large(), id="large")])
def test_a_browser_shows_it_without_a_word(shown: Report, browser: Browser, tmp_path: Path) -> None:
    browser.show(render(shown, "html"), tmp_path)
    assert browser.said == []
    assert browser.asked == [(tmp_path / "report.html").as_uri()]
    assert browser.visible() == len(shown.findings)
    assert browser.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.tools
def test_filters_and_search(browser: Browser, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    browser.show(render(large(), "html"), tmp_path)
    browser.page.fill("#search", "FILE-499")
    expect(browser.page.locator("#shown")).to_have_text("11 of 5000")
    assert browser.visible() == 11
    browser.page.uncheck("input[value=critical]")
    assert browser.visible() == 9
    browser.page.fill("#search", "nothing like this")
    expect(browser.page.locator("#shown")).to_have_text("0 of 5000")
    assert browser.said == []


@pytest.mark.tools
def test_a_link_opens_its_finding(browser: Browser, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    shown = report(risks=(risk(evidence=(finding().fingerprint,)),))
    browser.show(render(shown, "html"), tmp_path)
    browser.page.click("td details summary")
    browser.page.click(f"a[href='#{finding().fingerprint}']")
    expect(browser.page.locator(f"details[id='{finding().fingerprint}'][open]")).to_have_count(1)


@pytest.mark.tools
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_every_text_can_be_read(scheme: str, width: int, chromium: Any, tmp_path: Path) -> None:
    page = chromium.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    unproved = proof(reason="it differs", outcome=ProofOutcome.NOT_PROVED)
    Browser(page).show(render(report(proofs=(proof(), unproved)), "html"), tmp_path)
    worst = page.evaluate(CONTRAST)
    page.close()
    assert worst["ratio"] >= 4.5, worst


@pytest.mark.tools
def test_boxes_tell_their_figures_when_the_keyboard_gets_to_them(browser: Browser, tmp_path: Path) -> None:
    browser.show(render(report(findings=(), risks=(), proofs=(), build=None, budgets=()), "html"), tmp_path)
    hints = browser.page.locator(".icicle .hint:visible")
    assert hints.count() == 0
    link = browser.page.locator(".skip").first
    link.focus()
    assert link.bounding_box()["x"] >= 0
    seen = []
    for _ in range(3):
        browser.page.keyboard.press("Tab")
        seen += hints.all_text_contents()
    assert [text.partition(":")[0] for text in seen] == ["image", "layer 0, ADD rootfs", "/usr"]
    browser.page.locator(".icicle .cell").nth(3).hover()
    assert hints.all_text_contents() == ["/usr/lib: 70.0 MB (63.6 %), of layer 0"]
    assert browser.said == []

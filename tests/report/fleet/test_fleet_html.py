"""A fleet's page: what it tells once, what it leaves out, names that stay text, and the page in a real browser."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import fakes
import pytest
from fakes import HOSTILE
from fleetreports import LEAK, finding, fleet_report, image, layer, no_report, run_of
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import CONTRAST, Browser, Page, check_policy

from imgscan.fleets import Change, FleetImage, FleetReport, NotListed, Origin
from imgscan.model import Fix, Location, Place, Report, Severity
from imgscan.report import Style
from imgscan.report.fleet.html import render
from imgscan.report.fleet.htmlrows import MOST_FINDINGS, MOST_NEWS, MOST_PLACES, news, numbers, teams

STYLE = Style()
BASED = "sha256:" + "ba" * 32


def text_of(shown: FleetReport) -> str:
    return render(shown, no_report, STYLE)


def hostile(text: str = HOSTILE) -> FleetReport:
    layers = (text, f"{text}1")
    images = (
        image(text, ref=text, team=text, platform=text, layers=layers[:1], created=text, key=""),
        image(f"{text}2", ref=text, team=text, layers=layers, complete=False),
        image(f"{text}3", error=text, team=text, origin=Origin.FAILED, layers=()),
    )
    fields: dict[str, Any] = {"team": text, "layer": text, "message": text, "rule_id": f"secret-{text}"}
    findings = (
        finding(text, **fields, change=Change.NEW, fingerprint=text),
        finding(f"{text}2", **fields, first_seen=text, fingerprint=text),
        finding(f"{text}2", **{**fields, "layer": ""}, change=Change.FIXED),
    )
    shown = run_of(
        images, findings, version=text, rule_packs=(text,), notes=(text,), finished_at=text, complete=False,
        not_listed=(NotListed(source=text, reason=text),),
    )  # fmt: skip
    return replace(shown, shared=tuple(replace(leak, instruction=text) for leak in shown.shared))


def large(images: int = 1000, findings: int = 10) -> FleetReport:
    severities = list(Severity)
    made = [
        image(f"acme/team{at % 10}/app{at}:1", team=f"team{at % 10}", layers=(BASED, layer(at)),
              counts=((severities[at % 5], findings),))
        for at in range(images)
    ]  # fmt: skip
    found = [
        finding(one.name, team=one.team, layer=layer(at), fingerprint=f"{at:08x}{nth:08x}", severity=severities[at % 5],
                message=f"Token in /app/file-{at}-{nth}", change=Change.NEW if nth == 0 else Change.STANDING)
        for at, one in enumerate(made)
        for nth in range(findings)
    ]  # fmt: skip
    return run_of((image("acme/base", team="platform", layers=(BASED,)), *made), tuple(found))


def nothing() -> FleetReport:
    return run_of((), ())


REPORTS = [
    pytest.param(fleet_report(), id="full"),
    pytest.param(nothing(), id="no image"),
    pytest.param(run_of((image("acme/clean"),), ()), id="nothing found"),
    pytest.param(hostile(), id="hostile"),
    pytest.param(run_of((image("two"), image("two", platform="linux/arm64")), ()), id="one name, two platforms"),
]


@pytest.mark.parametrize("shown", REPORTS)
def test_nothing_leaves_the_file_and_nothing_else_runs(shown: FleetReport) -> None:
    text = text_of(shown)
    check_policy(Page(text))
    assert text.endswith("</html>\n")
    ids = [a["id"] for _, a in Page(text).elements if "id" in a]
    assert len(ids) == len(set(ids))
    links = [(a["href"] or "")[1:] for tag, a in Page(text).elements if tag == "a"]
    assert set(links) <= set(ids)


@settings(max_examples=25)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_name_makes_no_element(text: str) -> None:
    plain_page, page = Page(text_of(hostile("name"))), Page(text_of(hostile(f"n{text}")))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain_page.elements]


def test_control_characters_are_made_visible() -> None:
    text = text_of(hostile())
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert "\\u202e" in text


def test_a_secret_of_a_shared_layer_is_told_once_and_with_its_images() -> None:
    shown = fleet_report()
    (leaked, *_), left = news(shown, numbers(shown), no_report)
    assert left == 0
    assert (leaked.group.layer, leaked.first) == (LEAK, False)
    assert [name for name, _ in leaked.images.shown] == ["acme/shop1", "acme/shop2", "acme/shop3"]
    assert leaked.fix  # what the rule says


def test_news_of_images_that_were_looked_at_before_come_first() -> None:
    shown = fleet_report()
    rows, _ = news(shown, numbers(shown), no_report)
    assert [row.first for row in rows] == [False, False, True]


def test_equally_grave_what_reaches_most_images_comes_first() -> None:
    shown = run_of(
        tuple(image(name, layers=(BASED,)) for name in "abc"),
        (
            finding("a", layer=layer(1), fingerprint="1", change=Change.NEW),
            *(finding(name, layer=BASED, fingerprint="2", change=Change.NEW) for name in "abc"),
            finding("b", layer=layer(2), fingerprint="3", change=Change.NEW, severity=Severity.CRITICAL),
        ),
    )
    rows, _ = news(shown, numbers(shown), no_report)
    assert [row.group.fingerprint for row in rows] == ["3", "2", "1"]


class Reports:
    """Images' own reports; `asked` are the images that one was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def load(self, wanted: FleetImage) -> Report | None:
        self.asked.append(wanted.name)
        place = Location(place=Place.FILE, layer=1, path="/etc/app/env", line=3)
        found = fakes.finding(fingerprint="c" * 16, location=place, fix=Fix(text="take it out"))
        return fakes.report(findings=(found,))


def test_where_it_is_comes_from_one_image_of_those_that_have_it() -> None:
    shown, reports = fleet_report(), Reports()
    (leaked, *_), _ = news(shown, numbers(shown), reports.load)
    assert (leaked.place, leaked.fix) == ("layer 1 /etc/app/env:3", "take it out")
    assert reports.asked.count("acme/shop1") == 1
    assert "acme/shop2" not in reports.asked


def test_few_reports_are_asked_for() -> None:
    shown, reports = large(500), Reports()
    news(shown, numbers(shown), reports.load)
    assert len(reports.asked) == MOST_PLACES


def listed(shown: FleetReport) -> Sequence[int]:
    return [len(row.findings) for team in teams(shown) for row in team.images]


def test_what_is_left_out_is_told() -> None:
    shown = large(4000, 5)
    text = text_of(shown)
    assert sum(listed(shown)) == len(re.findall('class="finding"', text)) <= MOST_FINDINGS
    shown_images = len(re.findall('id="image-', text))
    assert f"{4001 - shown_images:,} images" in text
    assert f"{4000 - MOST_NEWS:,} more new findings are not listed here" in text
    many = run_of((image("one"),), tuple(finding("one", fingerprint=f"{at:016x}") for at in range(1000)))
    assert "800 more are not listed here" in text_of(many)


def test_teams_count_what_is_open() -> None:
    first, *_ = teams(fleet_report())
    assert first.total.team == "shop"
    assert dict(first.counts)[Severity.CRITICAL] == 3
    assert [row.image.name for row in first.images] == ["acme/shop1", "acme/shop2", "acme/shop3"]


def test_what_was_not_looked_at_is_told_with_its_reason() -> None:
    text = Page(text_of(fleet_report())).text
    for words in ("acme/gone", "404", "registry://other.example/", "the catalogue cannot be listed: 401", "acme/old"):
        assert words in text
    assert "1 image failed. 1 source could not be listed." in text
    assert "not everything was looked at" in text
    assert "fix the base image acme/base" in text


def test_the_command_that_is_offered_is_one_command() -> None:
    shown = run_of((image("app", ref="registry/app; rm -rf ~"),), ())
    assert "imgscan scan 'registry/app; rm -rf ~'" in Page(text_of(shown)).text


def test_the_same_run_gives_the_same_bytes() -> None:
    assert text_of(fleet_report()) == text_of(fleet_report())


@pytest.mark.tools
@pytest.mark.parametrize("shown", [*REPORTS, pytest.param(large(), id="large")])
def test_a_browser_shows_it_without_a_word(shown: FleetReport, browser: Browser, tmp_path: Path) -> None:
    browser.show(text_of(shown), tmp_path)
    assert browser.said == []
    assert browser.asked == [(tmp_path / "report.html").as_uri()]
    assert browser.visible() == len(shown.findings)
    assert browser.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.tools
def test_a_thousand_images_are_bearable(browser: Browser, tmp_path: Path) -> None:
    text = text_of(large())
    assert len(text) < 6_000_000
    browser.show(text, tmp_path)
    assert browser.page.evaluate("document.querySelectorAll('*').length") < 80_000
    # Closed, an image costs nothing to lay out: what is laid out is what can be seen.
    assert browser.page.locator(".image:visible").count() == 0


def visible(browser: Browser, what: str) -> int:
    count: int = browser.page.locator(f"{what}:not([hidden])").count()
    return count


@pytest.mark.tools
def test_filters_and_search(browser: Browser, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    browser.show(text_of(large()), tmp_path)
    said = browser.page.locator("#shown")
    expect(said).to_have_text("1,001 of 1,001 images, 10,000 findings")
    browser.page.fill("#search", "TEAM3 file-993-")
    expect(said).to_have_text("1 of 1,001 images, 10 findings")
    assert (visible(browser, ".team"), visible(browser, ".image")) == (1, 1)
    assert browser.page.locator(".image:visible").count() == 1
    browser.page.uncheck("input[value=standing]")
    expect(said).to_have_text("1 of 1,001 images, 1 findings")
    browser.page.fill("#search", "nothing like this")
    expect(said).to_have_text("0 of 1,001 images, 0 findings")
    assert visible(browser, "section") == 0
    browser.page.fill("#search", "")
    browser.page.check("input[value=standing]")
    expect(said).to_have_text("1,001 of 1,001 images, 10,000 findings")
    assert browser.page.locator(".image:visible").count() == 0
    browser.page.uncheck("input[value=critical]")
    expect(said).to_have_text("800 of 1,001 images, 8,000 findings")
    assert browser.said == []


@pytest.mark.tools
def test_a_link_opens_its_image(browser: Browser, tmp_path: Path) -> None:
    shown = large(100)
    browser.show(text_of(shown), tmp_path)
    name = shown.images[5].name
    assert browser.page.locator(".image:visible").count() == 0
    for _ in range(2):  # the second time the address is the same
        row = browser.page.locator(".news .row", has_text=name).first
        if not row.is_visible():
            browser.page.click(".more > summary")
        if row.get_attribute("open") is None:
            row.locator("summary").click()
        row.locator("a").click()
        opened = browser.page.locator(".image[open]:visible")
        opened.wait_for()
        assert opened.locator(".name").text_content() == name
        opened.locator("summary").click()


@pytest.mark.tools
def test_printed_it_has_what_is_new_and_every_team(browser: Browser, tmp_path: Path) -> None:
    browser.show(text_of(large(100)), tmp_path)
    browser.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.page.locator(".image:visible").count() == 101
    assert browser.page.locator(".news .row[open]:visible").count() == 100
    browser.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert browser.page.locator(".image:visible").count() == 0


@pytest.mark.tools
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_text_can_be_read(scheme: str, width: int, chromium: Any, tmp_path: Path) -> None:
    page = chromium.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    Browser(page).show(text_of(fleet_report()), tmp_path)
    page.evaluate("document.querySelectorAll('details').forEach((element) => { element.open = true; })")
    worst = page.evaluate(CONTRAST)
    fits = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.close()
    assert worst["ratio"] >= 4.5, worst
    assert fits

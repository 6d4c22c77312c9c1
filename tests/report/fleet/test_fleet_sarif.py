"""A fleet's SARIF: a file an image, under names that are safe anywhere, and categories of their own."""

from __future__ import annotations

import json
import re

import fakes
import pytest
from fleetreports import fleet_report, image, no_report, run_of
from hypothesis import given
from hypothesis import strategies as st

from imgscan.fleets import FleetImage, Origin
from imgscan.model import Report, Target
from imgscan.report import render
from imgscan.report.fleet.sarif import sarif_files


def own_report(of: FleetImage) -> Report | None:
    return fakes.report(target=Target(kind="image", ref=of.ref))


def files_of(*images: FleetImage) -> list[tuple[str, str]]:
    return list(sarif_files(run_of(images, ()), own_report))


def category(text: str) -> str:
    (run,) = json.loads(text)["runs"]
    found: str = run["automationDetails"]["id"]
    return found


def test_every_image_with_a_report_has_a_file() -> None:
    shown = fleet_report()
    names = [name for name, _ in sarif_files(shown, own_report)]
    assert len(names) == len([one for one in shown.images if one.origin is not Origin.FAILED])
    assert not any("gone" in name for name in names)
    assert list(sarif_files(shown, no_report)) == []


def test_it_is_what_a_scan_of_the_image_says_but_for_the_category() -> None:
    ((_, text),) = files_of(image("acme/shop:1", platform=None))
    alone = json.loads(render(fakes.report(target=Target(kind="image", ref="registry://acme/shop:1")), "sarif"))
    told = json.loads(text)
    assert told["runs"][0].pop("automationDetails") == {"id": "imgscan/acme/shop:1/"}
    assert alone["runs"][0].pop("automationDetails")
    assert told == alone


HOSTILE = [
    "..",
    "../../etc/passwd",
    ".hidden",
    "/",
    "",
    "a" * 5000,
    "CON",
    "nul.",
    "a\0b\n",
    "C:\\x",
    "\udcff",
    "-rf",
    "🐳",
]


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:20])
def test_a_file_name_is_safe_anywhere(name: str) -> None:
    ((file, text),) = files_of(image(name))
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*-[0-9a-f]{12}\.sarif", file)
    assert ".." not in file
    assert len(file) <= 120
    assert re.fullmatch(r"imgscan/[\x21-\x7e]*/", category(text))


@given(
    st.lists(
        st.tuples(
            st.text(max_size=8) | st.sampled_from(["a/b", "a:b", "A/B", "a;platform=x", "a%3Bx"]),
            st.sampled_from([None, "x", "linux/amd64"]),
        ),
        max_size=8,
    )
)
def test_no_two_are_the_same(images: list[tuple[str, str | None]]) -> None:
    files = files_of(*(image(name, platform=platform) for name, platform in images))
    assert len({name.casefold() for name, _ in files}) == len(images)
    assert len({category(text) for _, text in files}) == len(images)


def test_names_stay_from_run_to_run() -> None:
    (first, text), (other, _) = files_of(image("acme/shop:1"), image("acme/pay:1"))
    ((alone, again),) = files_of(image("acme/shop:1", digest=None, key="another"))
    assert (first, category(text)) == (alone, category(again))
    assert first.startswith("acme-shop-1-linux-amd64-")
    assert other != first

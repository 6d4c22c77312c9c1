"""Every format of a fleet: golden files, hostile names, the schema."""

from __future__ import annotations

import io
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace

import jsonschema_rs
import msgspec
import pytest
from fakes import HOSTILE
from fakes import report as image_report
from fleetreports import BASE, LEAK, finding, fleet_report, image, layer, no_report, run_of
from hypothesis import given
from hypothesis import strategies as st
from markdownmodel import rendered
from prometheus_client.parser import text_string_to_metric_families

from imgscan.fleets import Change, FleetImage, FleetReport, NotListed, Origin
from imgscan.model import Report, Severity, Skipped
from imgscan.report import Style
from imgscan.report.fleet import FLEET_REPORTERS, jsonl, render_fleet
from imgscan.report.fleet.json import fleet_schema
from imgscan.report.fleet.prometheus import MOST_IMAGES, MOST_TEAMS

OWN = ("table", "json", "jsonl", "markdown", "prometheus")
WIDE = Style(width=110)


def shown(report: FleetReport, name: str, style: Style = WIDE) -> str:
    return render_fleet(report, no_report, name, style)


def hostile(text: str = HOSTILE) -> FleetReport:
    """A run in which every name is of the same bad will."""
    images = (
        image(text, ref=text, team=text, layers=(BASE,), created=text),
        image(f"{text}2", team=text, layers=(BASE, LEAK), created=text),
        image(f"{text}3", team=text, layers=(BASE, LEAK), created=text),
        image(f"{text}4", team=text, origin=Origin.FAILED, error=text, layers=(), complete=False),
        image(f"{text}5", team=text, layers=(BASE, layer(5)), complete=False),
    )
    findings = tuple(
        finding(
            one.name, team=text, message=text, layer=where, change=change, fingerprint=f"{change}{where}", fixed_at=text
        )
        for one in images
        for where in ("", *one.layers)
        for change in Change
    )
    made = run_of(
        images,
        findings,
        complete=False,
        version=text,
        rule_packs=(text,),
        notes=(text,),
        started_at=text,
        finished_at=text,
    )
    leaks = tuple(replace(leak, instruction=text) for leak in made.shared)
    return replace(made, shared=leaks, not_listed=(NotListed(source=text, reason=text),))


@pytest.mark.parametrize("name", OWN)
def test_a_run_is_told_as_reviewed(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"fleet.{name}.txt", shown(fleet_report(), name))


def test_all_of_a_run_is_told_as_reviewed(golden: Callable[[str, str], None]) -> None:
    golden("fleet-verbose.table.txt", shown(fleet_report(), "table", Style(width=110, verbose=True)))


@pytest.mark.parametrize("name", ["table", "markdown"])
def test_a_run_with_nothing_new_is_told_as_reviewed(name: str, golden: Callable[[str, str], None]) -> None:
    quiet = run_of((image("acme/pay"),), (finding("acme/pay"),))
    golden(f"fleet-quiet.{name}.txt", shown(quiet, name))


@pytest.mark.parametrize("name", OWN)
def test_same_run_same_bytes(name: str) -> None:
    assert shown(fleet_report(), name) == shown(fleet_report(), name)


@pytest.mark.parametrize("name", OWN)
def test_a_run_of_nothing(name: str) -> None:
    assert shown(run_of((), ()), name).endswith("\n")


@pytest.mark.parametrize("name", FLEET_REPORTERS)
def test_every_format_is_one_that_the_command_offers(name: str) -> None:
    from imgscan.cli.fleet_options import FLEET_FORMATS

    assert name in FLEET_FORMATS
    assert set(FLEET_FORMATS) - set(FLEET_REPORTERS) == {"sarif"}


# ---- hostile ----


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("verbose", [False, True])
def test_no_control_character_gets_through(name: str, verbose: bool) -> None:
    text = shown(hostile(), name, Style(width=100, verbose=verbose))
    # JSON is for programs: its strings may hold what a terminal is not shown.
    unsafe = (
        r"[\x00-\x09\x0b-\x1f\x7f]"
        if name.startswith("json")
        else r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
    )
    assert not re.search(unsafe, text)
    if name != "markdown":
        assert not re.search(r"^\s*::", text, re.MULTILINE)


def test_no_name_is_markup() -> None:
    page, control = rendered(shown(hostile(), "markdown")), rendered(shown(hostile("harmless"), "markdown"))
    assert page.live() == []
    assert page.links() == []
    # What stands in backticks is code in prose, and nothing else.
    plainly, harmless = ([tag for tag in one.structure if "code>" not in tag] for one in (page, control))
    assert plainly == harmless


@given(st.text(min_size=1))
def test_no_text_is_markup(text: str) -> None:
    page, control = rendered(shown(hostile(text), "markdown")), rendered(shown(hostile("harmless"), "markdown"))
    assert page.live() == []
    assert [tag for tag in page.structure if tag[1:4] in ("<a ", "img", "scr")] == []
    assert set(page.structure) <= {*control.structure, "<code>", "</code>"}


@given(st.text())
def test_a_terminal_gets_one_line_for_a_line(text: str) -> None:
    lines = shown(hostile(text), "table").split("\n")
    assert not [ch for line in lines for ch in line if unicodedata.category(ch) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
    assert not any(re.match(r"\s*::", line) for line in lines)


@given(st.text())
def test_prometheus_reads_what_is_written(text: str) -> None:
    report = hostile(text)
    families = {family.name: family for family in text_string_to_metric_families(shown(report, "prometheus"))}
    assert len(families["imgscan_fleet_image_failed"].samples) == len(report.images)
    assert sum(sample.value for sample in families["imgscan_fleet_image_failed"].samples) == 1


@given(st.text())
def test_a_record_is_a_line(text: str) -> None:
    lines = shown(hostile(text), "jsonl").removesuffix("\n").split("\n")
    assert json.loads(lines[0])["type"] == "run"
    assert json.loads(lines[-1])["type"] == "summary"


# ---- JSON ----


@pytest.mark.parametrize("made", [fleet_report, hostile, lambda: run_of((), ())], ids=["whole", "hostile", "empty"])
def test_json_satisfies_its_schema_and_reads_back(made: Callable[[], FleetReport]) -> None:
    text = shown(made(), "json")
    jsonschema_rs.validator_for(fleet_schema()).validate(json.loads(text))
    assert msgspec.json.decode(text, type=FleetReport) == made()
    assert json.loads(text)["schema_version"] == "1.0"


def test_schema_refuses_an_unknown_change() -> None:
    data = json.loads(shown(fleet_report(), "json"))
    data["findings"][0]["change"] = "odd"
    assert not jsonschema_rs.validator_for(fleet_schema()).is_valid(data)


def test_records_are_all_there_is() -> None:
    report, stream = fleet_report(), io.StringIO()
    jsonl.write(report, no_report, stream)
    assert stream.getvalue() == shown(report, "jsonl")
    kinds = [json.loads(line)["type"] for line in stream.getvalue().splitlines()]
    assert (kinds.count("image"), kinds.count("finding")) == (len(report.images), len(report.findings))
    assert (kinds.count("shared-layer"), kinds.count("base-image"), kinds.count("not-listed")) == (
        len(report.shared), len(report.bases), 1,
    )  # fmt: skip


# ---- what is told once, what is cut ----


def test_a_secret_of_a_shared_layer_is_told_once() -> None:
    found = tuple(finding(f"i{number:03}", layer=LEAK, change=Change.NEW) for number in range(300))
    text = shown(run_of(tuple(image(f"i{number:03}") for number in range(300)), found), "table")
    assert text.startswith(" NEW FINDINGS   300 new (300 high)")
    assert "NEW FINDINGS (1)" in text
    assert "by one layer in 300 images: i000, i001" in text
    assert len(text.splitlines()) < 40


def test_the_same_secret_in_two_layers_is_two_things() -> None:
    found = (finding("a", layer=layer(1), change=Change.NEW), finding("b", layer=layer(2), change=Change.NEW))
    text = shown(run_of((image("a", layers=(layer(1),)), image("b", layers=(layer(2),))), found), "table")
    assert "NEW FINDINGS (2)" in text


def test_one_rule_does_not_bury_the_others() -> None:
    many = tuple(
        finding("a", message=f"token {number}", layer=layer(number), change=Change.NEW) for number in range(40)
    )
    other = finding("a", rule_id="secret-private-key", message="a key", layer=layer(50), change=Change.NEW)
    text = shown(run_of((image("a", layers=(layer(0),)),), (*many, other)), "table")
    assert "a key" in text
    assert "(and 37 like it)" in text
    verbose = shown(run_of((image("a", layers=(layer(0),)),), (*many, other)), "table", Style(width=110, verbose=True))
    assert all(f"token {number}\n" in re.sub(" +\n", "\n", verbose) for number in range(40))


def test_one_team_does_not_bury_the_others() -> None:
    found = tuple(
        finding(
            "a",
            team=team,
            message=f"{team} {number}",
            layer=layer(number),
            fingerprint=f"{team}{number}",
            change=Change.NEW,
        )
        for team in ("one", "two")
        for number in range(40)
    )
    text = shown(run_of((image("a", layers=(layer(0),)),), found), "table")
    assert text.count("(and 37 like it)") == 2
    assert "two 0" in text


def test_lists_are_cut_and_say_so() -> None:
    failed = tuple(image(f"f{number:03}", origin=Origin.FAILED, error="404", layers=()) for number in range(50))
    report = run_of(failed, (), complete=False)
    assert "… and 34 more (-v shows all)" in shown(report, "table")
    assert "f049" in shown(report, "table", Style(verbose=True))
    assert "30 more in the JSON report." in shown(report, "markdown")


def test_what_was_left_out_of_an_image_is_said() -> None:
    own = image_report(
        skipped=(Skipped(where="layer 1", reason="cut short"), Skipped(where="layer 2", reason="x")), coverage=None
    )
    partly = tuple(image(f"p{number:02}", complete=False) for number in range(40))
    opened: list[str] = []

    def load(asked: FleetImage) -> Report | None:
        opened.append(asked.name)
        return own if asked.name == "p00" else None

    text = render_fleet(run_of(partly, (), complete=False), load, "table", WIDE)
    assert "NOT WHOLLY READ (40)" in text
    assert "  p00: layer 1: cut short (and 1 more)\n  p01\n" in text
    assert "… and 24 more" in text
    assert len(opened) == 16


def test_colours_are_for_terminals() -> None:
    assert "\x1b[1;37;41m NEW FINDINGS \x1b[0m" in shown(fleet_report(), "table", Style(color=True))
    assert "\x1b" not in shown(fleet_report(), "table")


AGES = [
    pytest.param("2026-05-11T05:00:00Z", "0 days", id="today"),
    pytest.param("2026-05-10T05:00:00.123456789Z", "1 day", id="nanoseconds"),
    pytest.param("2026-04-01T00:00:00+02:00", "40 days", id="weeks"),
    pytest.param("2025-11-01T00:00:00", "6 months", id="months"),
    pytest.param("2016-05-11T00:00:00Z", "10 years", id="years"),
    pytest.param("2027-01-01T00:00:00Z", "-", id="to-come"),
    pytest.param("0001-01-01T00:00:00+23:59", "-", id="out-of-range"),
    pytest.param("yesterday", "-", id="none"),
    pytest.param("", "-", id="nothing"),
]


@pytest.mark.parametrize(("created", "age"), AGES)
def test_ages_of_base_images(created: str, age: str) -> None:
    images = (image("base", layers=(BASE,), created=created), image("a", layers=(BASE, layer(1)), created=""))
    report = run_of(images, tuple(finding(name, layer=BASE) for name in ("base", "a")))
    (row,) = (line for line in shown(report, "table").splitlines() if re.match(r"  base +1 ", line))
    assert re.split(r"  +", row.strip())[-2] == age


# ---- Prometheus ----


def samples(report: FleetReport) -> dict[str, dict[tuple[str, ...], float]]:
    order = ("image", "team", "severity", "change")
    return {
        family.name: {
            tuple(sample.labels[label] for label in order if label in sample.labels): sample.value
            for sample in family.samples
        }
        for family in text_string_to_metric_families(shown(report, "prometheus"))
    }


def test_figures_are_those_of_the_run() -> None:
    found = samples(fleet_report())
    assert found["imgscan_fleet_run_timestamp_seconds"][()] == 1778479290
    assert found["imgscan_fleet_run_complete"][()] == 0
    assert found["imgscan_fleet_read_bytes"][()] == 12_000_000
    assert found["imgscan_fleet_image_failed"][("acme/gone", "")] == 1
    assert ("acme/gone", "") not in found["imgscan_fleet_image_size_bytes"]
    assert found["imgscan_fleet_image_findings"][("acme/shop1", "shop", "critical", "new")] == 1
    assert found["imgscan_fleet_team_findings"][("shop", "critical", "new")] == 3
    assert found["imgscan_fleet_team_findings"][("shop", "medium", "fixed")] == 0
    assert not any(name.startswith(("python_", "process_")) for name in found)


def test_the_number_of_series_is_bounded() -> None:
    count = MOST_IMAGES + 500
    images = tuple(
        image(f"i{number}", team=f"t{number}", counts=((Severity.HIGH, 1),) if number >= 500 else ())
        for number in range(count)
    )
    findings = tuple(finding(f"i{number}", team=f"t{number}", message=str(number)) for number in range(500, count))
    found = samples(run_of(images, findings, shared=(), bases=()))
    assert len(found["imgscan_fleet_image_findings"]) == MOST_IMAGES
    assert len(found["imgscan_fleet_image_size_bytes"]) == MOST_IMAGES
    assert len(found["imgscan_fleet_team_findings"]) == MOST_TEAMS * len(Severity) * 4
    assert found["imgscan_fleet_images_left_out"][()] == 500
    assert found["imgscan_fleet_teams_left_out"][()] == count - MOST_TEAMS
    assert ("i0", "t0") not in found["imgscan_fleet_image_size_bytes"]


def test_names_that_are_one_when_cut_short_are_counted_together() -> None:
    names = [f"{'a' * 300}{middle}{'b' * 300}" for middle in "xy"]
    report = run_of(tuple(image(name, size_bytes=5) for name in names), tuple(finding(name) for name in names))
    found = samples(report)
    assert list(found["imgscan_fleet_image_findings"].values()) == [2]
    assert list(found["imgscan_fleet_image_size_bytes"].values()) == [10]

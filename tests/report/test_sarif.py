"""SARIF: the schema and the rules of GitHub's ingestion by Microsoft's own validator, places, limits, hostile names."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from fakes import HOSTILE, finding, report

from imgscan.model import Accepted, AcceptedBy, Confidence, Location, Place, Report, Severity, SourceLine, Target
from imgscan.report import render

ROOT = Path(__file__).parent.parent.parent


def run_of(shown: Report) -> Any:
    (run,) = json.loads(render(shown, "sarif"))["runs"]
    return run


def hostile() -> Report:
    place = Location(
        place=Place.FILE, layer=1, path=HOSTILE, dockerfile=SourceLine(file=HOSTILE, line=1), inside=(HOSTILE,)
    )
    return report(
        target=Target(kind="build", ref=HOSTILE, dockerfile=HOSTILE),
        findings=(finding(rule_id="secret-of-a-user", message=HOSTILE, location=place, places=(place, place)),),
        reasons=(HOSTILE,),
    )


@pytest.fixture(scope="module")
def validator() -> Path:
    done = subprocess.run([ROOT / ".ci" / "sarif.sh"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def notes_of(validator: Path, text: str, folder: Path) -> Iterator[tuple[str, str]]:
    """What the validator says: rule and level. Its exit status says nothing, and it does not know its own schema."""
    (folder / "report.sarif").write_text(text, encoding="utf-8")
    subprocess.run(
        [validator / "Sarif.Multitool", "validate", "report.sarif", "--rule-kind", "Sarif;Ghas", "--output", "told.sarif"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    for run in json.loads((folder / "told.sarif").read_text(encoding="utf-8-sig"))["runs"]:
        for result in run["results"]:
            yield result["ruleId"], result.get("level", "warning")
    schema = json.loads((validator / "sarif-2.1.0.json").read_text(encoding="utf-8-sig"))
    for error in jsonschema_rs.validator_for(schema).iter_errors(json.loads(text)):
        yield "schema", error.message


# There is no page about imgscan to link to, and an image's path may have characters that URIs write otherwise.
KNOWN = {("SARIF2005", "warning")}


@pytest.mark.tools
@pytest.mark.parametrize("made", [report, hostile, lambda: report(findings=())], ids=["full", "hostile", "empty"])
def test_the_validator_has_nothing_to_say(made: Any, validator: Path, tmp_path: Path) -> None:
    assert set(notes_of(validator, render(made(), "sarif"), tmp_path)) <= KNOWN


def without_places(result: dict[str, Any]) -> None:
    del result["locations"]


def with_a_wrong_level(result: dict[str, Any]) -> None:
    result["level"] = "dreadful"


@pytest.mark.tools
@pytest.mark.parametrize(
    ("spoil", "rule"),
    [pytest.param(without_places, "GH1015", id="places"), pytest.param(with_a_wrong_level, "schema", id="level")],
)
def test_the_validator_would_have_said_something(
    spoil: Callable[[dict[str, Any]], None], rule: str, validator: Path, tmp_path: Path
) -> None:
    document = json.loads(render(report(), "sarif"))
    spoil(document["runs"][0]["results"][0])
    told = set(notes_of(validator, json.dumps(document), tmp_path))
    assert rule in {name for name, _ in told}, told


PLACES = [
    pytest.param("build", "shop", Location(place=Place.CONTEXT, path="a/.env", line=3), "shop/a/.env", 3, id="context"),
    pytest.param("build", ".", Location(place=Place.CONTEXT, path="a/.env"), "a/.env", 1, id="no-line"),
    pytest.param(
        "build", "./shop/", Location(place=Place.COMPOSE, path="docker/compose.yml", line=9),
        "shop/docker/compose.yml", 9, id="compose",
    ),
    pytest.param(
        "build", "shop",
        Location(place=Place.FILE, layer=4, path="/app/.env", line=2, dockerfile=SourceLine(file="Dockerfile", line=14)),
        "shop/Dockerfile", 14, id="layer",
    ),
    pytest.param("build", "/home/shop", Location(place=Place.CONTEXT, path="a b%.txt"), "a%20b%25.txt", 1, id="absolute"),
    pytest.param("build", "../shop", Location(place=Place.CONTEXT, path="../../x"), "x", 1, id="outside"),
    pytest.param("image", "app:1", Location(place=Place.FILE, layer=4, path="/app/.env", line=2), "app/.env", 2, id="image"),
    pytest.param("image", "app:1", Location(place=Place.ENV), "app%3A1", 1, id="no-path"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "ref", "location", "uri", "line"), PLACES)
def test_shown_where_a_forge_can_show_it(kind: str, ref: str, location: Location, uri: str, line: int) -> None:
    shown = report(target=Target(kind=kind, ref=ref), findings=(finding(location=location, places=(location,)),))
    (where,) = run_of(shown)["results"][0]["locations"]
    assert where["physicalLocation"]["artifactLocation"]["uri"] == uri
    assert where["physicalLocation"]["region"]["startLine"] == line
    assert ("uriBaseId" in where["physicalLocation"]["artifactLocation"]) == (kind == "build")


def test_a_rule_comes_with_its_help_and_weight() -> None:
    rules = {rule["id"]: rule for rule in run_of(report())["tool"]["driver"]["rules"]}
    token = rules["secret-github-token"]
    assert token["properties"]["security-severity"] == "9.5"
    assert "security" in token["properties"]["tags"]
    assert "Good:" in token["help"]["markdown"]
    assert "security-severity" not in rules["cache-copy-before-install"]["properties"]


def test_a_rule_of_the_user_is_described_by_what_it_found() -> None:
    own = finding(rule_id="secret-of-ours", severity=Severity.LOW, confidence=Confidence.LOW)
    (rule,) = run_of(report(findings=(own,)))["tool"]["driver"]["rules"]
    assert rule["help"]["text"] == own.fix.text
    assert rule["defaultConfiguration"]["level"] == "note"


@pytest.mark.parametrize(("by", "kind"), [(AcceptedBy.INLINE, "inSource"), (AcceptedBy.BASELINE, "external")])
def test_what_is_accepted_is_suppressed(by: AcceptedBy, kind: str) -> None:
    shown = report(findings=(finding(accepted=Accepted(by=by, reason="test data")),))
    (result,) = run_of(shown)["results"]
    assert result["suppressions"] == [{"kind": kind, "status": "accepted", "justification": "test data"}]


def test_fingerprints_do_not_hang_on_lines() -> None:
    one = finding()
    moved = replace(one, location=replace(one.location, line=99))
    first, second = (run_of(report(findings=(f,)))["results"][0]["partialFingerprints"] for f in (one, moved))
    assert first == second


def test_results_and_places_are_bounded_and_the_rest_is_told() -> None:
    many = tuple(finding(fingerprint=f"{at:016x}", places=()) for at in range(25_010))
    places = tuple(Location(place=Place.FILE, layer=1, path=f"/p{at}") for at in range(500))
    run = run_of(report(findings=(*many[1:], replace(many[0], severity=Severity.CRITICAL, places=places))))
    assert len(run["results"]) == 25_000
    assert max(len(result.get("relatedLocations", ())) for result in run["results"]) == 100
    notes = [note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"]]
    assert notes[0] == "10 more findings are not listed here; the JSON report has all"

"""The samples, built and judged on a real engine: each is held to its `expected.json`.

Findings there name only what must agree (rule, place, path, status, Dockerfile line); any place of a finding may be the
one that is meant.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from sampleruns import NAMES, SAMPLES, Run, run

from imgscan.report.json import schema

pytestmark = pytest.mark.engine


@pytest.fixture(params=NAMES)
def sample(request: pytest.FixtureRequest) -> Run:
    return run(request.param)


def test_exit_code_and_verdict(sample: Run) -> None:
    told = [(f["rule_id"], f["message"]) for f in sample.report["findings"] if f["severity"] in ("critical", "high")]
    assert sample.code == sample.expected["exit_code"], told
    assert sample.report["verdict"] == sample.expected["verdict"]


def test_report_satisfies_the_schema(sample: Run) -> None:
    jsonschema_rs.validator_for(schema()).validate(sample.report)


def test_nothing_expected_is_missing(sample: Run) -> None:
    missing = [
        wanted
        for wanted in sample.expected["findings"]
        if not any(matches(f, wanted) for f in sample.report["findings"])
    ]
    assert not missing


def matches(finding: dict[str, Any], wanted: dict[str, Any]) -> bool:
    if finding["rule_id"] != wanted["rule_id"]:
        return False
    return any(
        all(place_value(place, key) == value for key, value in wanted.items() if key != "rule_id")
        for place in (finding["location"], *finding["places"])
    )


def place_value(place: dict[str, Any], key: str) -> Any:
    if key == "dockerfile_line":
        return place["dockerfile"]["line"] if place["dockerfile"] else None
    return place[key]


def test_nothing_is_found_that_is_not_there(sample: Run) -> None:
    for prefix in sample.expected["no_findings_of"]:
        found = [
            (f["rule_id"], f["location"], f["excerpt"])
            for f in sample.report["findings"]
            if f["rule_id"].startswith(prefix) and f["severity"] not in ("low", "info")
        ]
        assert not found


def test_touched_files(sample: Run) -> None:
    if sample.code == 4:
        assert sample.report["build"]["scenarios"] == []
        return
    touched = {name: sample.scenario(f"touch-{name}")["touched"] for name in ("source", "lockfile")}
    assert touched == sample.expected["touch"]


def test_unchanged_rebuild_is_all_hits(sample: Run) -> None:
    if sample.code == 4:
        return
    noop = sample.scenario("noop")
    assert noop["steps_cached"] == noop["steps_total"] > 0


def test_what_re_ran_and_what_did_not(sample: Run) -> None:
    for name, lines in sample.expected.get("rerun_lines_after", {}).items():
        ran = [step["line"] for step in sample.scenario(name)["steps"] if not step["cached"]]
        assert set(lines) <= set(ran), name
    for name, lines in sample.expected.get("cached_lines_after", {}).items():
        cached = [step["line"] for step in sample.scenario(name)["steps"] if step["cached"]]
        assert set(lines) <= set(cached), name
    for name, beginnings in sample.expected["cached_after"].items():
        cached = [step["instruction"] for step in sample.scenario(name)["steps"] if step["cached"]]
        missing = [start for start in beginnings if not any(step.startswith(start) for step in cached)]
        assert not missing, name


def test_busts_name_the_line_to_blame(sample: Run) -> None:
    told = [
        (bust["scenario"], bust["blamed"]["line"], bust["step_line"])
        for bust in (sample.report["cache"] or {}).get("busts", [])
    ]
    wanted = [
        (b["scenario"], b["blamed_line"], b["step_line"])
        for b in sample.expected["busts"]
        if b["scenario"] == "touch-source"
    ]
    assert sorted(told) == sorted(wanted)
    for bust in sample.expected["busts"]:
        scenario = sample.scenario(bust["scenario"])
        assert scenario["busted_by"]["line"] == bust["blamed_line"]
        assert any(step["line"] == bust["step_line"] and not step["cached"] for step in scenario["steps"])


def test_waste(sample: Run) -> None:
    for wanted in sample.expected["waste"]:
        found = [
            item
            for item in sample.report["image"]["waste"]
            if item["path"] == wanted["path"]
            and item["cause"] == wanted["cause"]
            and item["bytes"] >= wanted["bytes_at_least"]
            and sample.layer_line(item["shipped_by"]) == wanted["shipped_line"]
            and sample.layer_line(item["shadowed_by"]) == wanted["shadowed_line"]
        ]
        assert found, wanted


def test_figures_add_up(sample: Run) -> None:
    image = sample.report["image"]
    if image is None:
        assert sample.code == 4
        return
    assert image["size_bytes"] == sum(layer["size_bytes"] for layer in image["layers"])
    assert image["reclaimable_bytes"] == image["size_bytes"] - image["visible_bytes"]
    assert image["reclaimable_bytes"] == sum(item["bytes"] for item in image["waste"] if item["cause"] != "duplicate")
    assert sample.report["complete"] is True


def test_failure_is_explained(sample: Run) -> None:
    wanted = sample.expected.get("failure")
    failure = sample.report["build"]["failure"]
    if wanted is None:
        assert failure is None
        return
    assert wanted["step_contains"] in failure["step"]
    assert wanted["cause_contains"] in failure["cause"]
    assert failure["line"] in wanted["line"]
    assert wanted["log_contains"] in failure["message"] + "\n".join(failure["log"])


def planted() -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location("plant", SAMPLES / "plant.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["plant"] = module
    spec.loader.exec_module(module)
    yield from module.planted()


def test_no_planted_secret_is_in_anything_written() -> None:
    texts = run("antone-leaky").written
    secrets = [item.secret for item in planted()]
    assert len(secrets) >= 8
    for secret in secrets:
        # Of a key of several lines no line of its body may be there either.
        lines = [line for line in secret.splitlines() if len(line) >= 8 and not line.startswith("-----")]
        for line in lines:
            assert not any(line in text for text in texts)


def test_nothing_is_left_in_the_engine(sample: Run) -> None:
    assert sample.left == set()

"""Findings of the samples land where a forge can show them: on a line that is there, each once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imgscan.cli.main import run

ROOT = Path(__file__).parent.parent.parent
SAMPLES = ("antone", "antone-as-planned", "antone-leaky", "go-service", "python-api")
TO_BE_MADE = (".dockerignore", ".env.example")


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_result_is_on_a_line_of_the_repository(
    sample: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    sarif, gitlab = tmp_path / "r.sarif", tmp_path / "r.json"
    run(["lint", f"sample_images/{sample}", "-q", "--format", f"sarif={sarif}", "--format", f"gitlab={gitlab}"])
    results = json.loads(sarif.read_text(encoding="utf-8"))["runs"][0]["results"]
    for result in results:
        place = result["locations"][0]["physicalLocation"]
        path = ROOT / place["artifactLocation"]["uri"]
        if path.name in TO_BE_MADE and not path.exists():
            continue
        assert place["region"]["startLine"] <= path.read_text(encoding="utf-8").count("\n") + 1, place
    issues = json.loads(gitlab.read_text(encoding="utf-8"))
    assert len({issue["fingerprint"] for issue in issues}) == len(issues) == len(results)

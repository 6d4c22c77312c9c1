"""Health checks against an image that an engine built, by `imgscan build-report`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from setups import write_files

from imgscan.cli.main import run

BASE = "imgscan-base/debian:slim"


@pytest.mark.engine
def test_programs_that_the_built_image_lacks_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_files(
        tmp_path / "p",
        {
            "Dockerfile": f"FROM {BASE}\nCOPY a.txt /a.txt\nHEALTHCHECK CMD no-such-client http://127.0.0.1 || exit 1\n",
            "a.txt": "a\n",
            "compose.yaml": "services:\n"
            "  good:\n    build: .\n    healthcheck: {test: [CMD, cat, /a.txt]}\n"
            "  bad:\n    build: .\n    healthcheck: {test: [CMD-SHELL, 'cat /a.txt && /opt/other a']}\n",
        },
    )
    report = tmp_path / "r.json"
    run(["build-report", str(folder), "--no-timing", "--exit-zero", "-q", "--format", f"json={report}"])
    capsys.readouterr()
    found = [f for f in json.loads(report.read_text())["findings"] if f["rule_id"] == "ops-health-binary-missing"]
    assert sorted(
        (f["evidence"], f["location"]["path"], f["message"].split(" calls ")[1].split(",")[0]) for f in found
    ) == [
        ("observed", "Healthcheck", "no-such-client"),
        ("observed", "compose.yaml", "/opt/other"),
    ]

"""`--verify` on the command line: asked for by a person, never by a project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from setups import write_files

from imgscan.cli.main import run

FILES = {
    ".git/HEAD": "",
    "compose.yaml": "services: {web: {image: 'no/such:image'}, db: {image: 'no/such:other'}}\n",
    "ctl.sh": '#!/usr/bin/env bash\ndocker compose "$@"\n',
}


def test_a_project_cannot_ask_to_be_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_files(tmp_path, {**FILES, ".imgscan.toml": "verify = true\n"})
    assert run(["lint", str(tmp_path)]) == 2
    assert "unknown key 'verify'" in capsys.readouterr().err


def test_without_it_nothing_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_files(tmp_path, FILES)
    run(["lint", str(tmp_path), "--format", "json"])
    assert json.loads(capsys.readouterr().out)["verifications"] == []


def test_without_an_engine_it_says_what_was_not_proven(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path, FILES)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent.sock")
    run(["lint", str(tmp_path), "--verify", "--format", "json"])
    found = {item["name"]: item for item in json.loads(capsys.readouterr().out)["verifications"]}
    assert found.pop("wrapper")["outcome"] == "failed"
    assert {"configuration", "start", "cold-start", "bind", "peers"} == found.keys()
    assert all(item["outcome"] == "not verified" and "no engine" in item["evidence"] for item in found.values())

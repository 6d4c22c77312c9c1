"""`imgscan lint`: what a folder without an engine tells; configuration files from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imgscan.cli.main import run

GOOD = 'FROM node:24-bookworm-slim\nWORKDIR /app\nCOPY package.json package-lock.json ./\nRUN --mount=type=cache,target=/root/.npm npm ci\nCOPY src src\nUSER 1000\nHEALTHCHECK CMD true\nCMD ["node", "src/index.js"]\n'
BAD = GOOD.replace("COPY package.json package-lock.json ./\n", "COPY . .\n")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "index.js").write_text("console.log(1)\n")
    (tmp_path / "package.json").write_text('{"name": "x", "dependencies": {}}\n')
    (tmp_path / "package-lock.json").write_text('{"lockfileVersion": 3}\n')
    (tmp_path / ".dockerignore").write_text(
        ".git\n**/.env\n**/node_modules\nDockerfile\n.dockerignore\n.imgscan.toml\n"
    )
    (tmp_path / "Dockerfile").write_text(GOOD)
    return tmp_path


def test_a_well_made_project_is_go(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", str(project), "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [(f["rule_id"], f["severity"]) for f in report["findings"] if f["severity"] not in ("info", "low")] == []


def test_sources_before_the_install_are_no_go(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "Dockerfile").write_text(BAD)
    assert run(["lint", str(project)]) == 1
    assert "cache-copy-before-install" in capsys.readouterr().out


def test_the_secret_in_the_context_is_one_finding_with_two_places(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = "sk" + "_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
    (project / ".dockerignore").write_text("node_modules\n")
    (project / ".env").write_text(f"STRIPE={token}\n")
    (project / "Dockerfile").write_text(GOOD + f"ENV STRIPE_KEY={token}\n")
    assert run(["lint", str(project), "--format", "json"]) == 1
    out = capsys.readouterr().out
    assert token not in out
    (found,) = [f for f in json.loads(out)["findings"] if f["rule_id"] == "secret-stripe-key"]
    assert {place["place"] for place in found["places"]} == {"dockerfile", "context"}


@pytest.mark.parametrize(
    ("config", "env", "args", "code"),
    [
        pytest.param("", {}, [], 1, id="default"),
        pytest.param('fail-on = "never"\n', {}, [], 1, id="file-risk-stays"),
        pytest.param("exit-zero = true\n", {}, [], 0, id="file"),
        pytest.param("exit-zero = true\n", {"IMGSCAN_EXIT_ZERO": "0"}, [], 1, id="environment-over-file"),
        pytest.param("", {"IMGSCAN_EXIT_ZERO": "1"}, [], 0, id="environment"),
        pytest.param("exit-zero = true\n", {}, ["--no-config"], 1, id="no-config"),
        pytest.param('file = "other/Dockerfile"\n', {}, [], 0, id="path-from-the-file"),
        pytest.param('fail-on = "bad"\n', {}, [], 2, id="wrong-value"),
        pytest.param("repeats = 0\n", {}, [], 1, id="key-of-another-command"),
        pytest.param("[nonsense]\n", {}, [], 2, id="unknown-table"),
    ],
)
def test_precedence(
    project: Path, monkeypatch: pytest.MonkeyPatch, config: str, env: dict[str, str], args: list[str], code: int
) -> None:
    (project / "Dockerfile").write_text(BAD)
    (project / "other").mkdir()
    (project / "other" / "Dockerfile").write_text(GOOD)
    (project / ".imgscan.toml").write_text(config)
    for key, value in env.items():
        monkeypatch.setenv(key, value)
    assert run(["lint", str(project), "-q", *args]) == code


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        pytest.param("NODE_ENV=x", True, id="not-declared"),
        pytest.param("HTTP_PROXY=http://proxy", False, id="predefined"),
        pytest.param("BUILDKIT_INLINE_CACHE=1", False, id="builder-s-own"),
    ],
)
def test_a_build_argument_without_effect_is_said(
    project: Path, capsys: pytest.CaptureFixture[str], argument: str, told: bool
) -> None:
    assert run(["lint", str(project), "-q", "--build-arg", argument]) == 0
    assert ("is not used" in capsys.readouterr().err) is told


def test_an_unknown_stage_names_those_there_are(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", str(project), "--target", "nope"]) == 2
    assert "its stages: 0" in capsys.readouterr().err

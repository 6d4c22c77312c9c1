"""Mounted secrets that a step writes into its layer, and those that it only reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from projects import make_project

from imgscan.detect.stages.stagesim import simulate
from imgscan.model import Severity
from imgscan.project.writtensecrets import detect_written_secrets

MOUNT = "--mount=type=secret,id=token"


@pytest.mark.parametrize(
    ("run", "target"),
    [
        pytest.param(f"{MOUNT} cat /run/secrets/token > .npmrc && npm ci", ".npmrc", id="redirected"),
        pytest.param(
            f'{MOUNT} echo "//r/:_authToken=$(cat /run/secrets/token)" >> /root/.npmrc', "/root/.npmrc", id="echo"
        ),
        pytest.param(f"{MOUNT} cp /run/secrets/token /root/.token", "/root/.token", id="copied"),
        pytest.param(f"{MOUNT} cat /run/secrets/token | tee x", None, id="tee-of-a-pipe-names-no-path"),
        pytest.param(
            f'{MOUNT} npm config set //r/:_authToken "$(cat /run/secrets/token)"', "~/.npmrc", id="npm-config"
        ),
        pytest.param(f"{MOUNT},env=TOKEN npm config set //r/:_authToken $TOKEN", "~/.npmrc", id="by-a-variable"),
        pytest.param(f"{MOUNT} cat /run/secrets/token > .npmrc && npm ci && rm .npmrc", None, id="removed-again"),
        pytest.param(f"{MOUNT} cat /run/secrets/token > /dev/null", None, id="nowhere"),
        pytest.param(f"{MOUNT},target=/root/.npmrc npm ci", None, id="read-in-place"),
        pytest.param(
            f"{MOUNT} TOKEN=$(cat /run/secrets/token) npm ci > log.txt", None, id="the-log-of-another-program"
        ),
        pytest.param("cat /run/secrets/token > .npmrc", None, id="no-mount"),
        pytest.param(f"{MOUNT} cat /run/secrets/tokens > x", None, id="another-file"),
    ],
)
def test_run(tmp_path: Path, run: str, target: str | None) -> None:
    project = make_project(tmp_path, f"FROM node:24\nRUN {run}\n", {})
    simulation = simulate(project.dockerfile, project.context, target=None, build_args={})
    findings = list(detect_written_secrets(simulation))
    assert [f.message.split(" to ", 1)[1].split(",")[0] for f in findings] == ([target] if target else [])


def test_a_stage_that_is_not_shipped_is_not_as_bad(tmp_path: Path) -> None:
    text = f"FROM node:24 AS a\nRUN {MOUNT} cp /run/secrets/token /x\nFROM node:24\nCOPY --from=a /y /y\n"
    project = make_project(tmp_path, text, {})
    simulation = simulate(project.dockerfile, project.context, target=None, build_args={})
    assert [f.severity for f in detect_written_secrets(simulation)] == [Severity.MEDIUM]

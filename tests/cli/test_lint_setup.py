"""`imgscan lint` and what stands around the image: compose files, several contexts, waivers, secrets beside the context."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from setups import write_files

from imgscan.cli.main import run

COMPOSE = """\
services:
  vote:
    build: ./vote
    ports: ["5000:80"]
  result:
    build: {context: ./result, target: final}
  again:
    build: {context: ./result, target: final}
  db:
    image: postgres:17
    volumes: ["data:/var/lib/postgresql/data"]
volumes: {data: {}}
"""
DOCKERFILE = "FROM python:3.13 AS final\nWORKDIR /app\nCOPY . .\nRUN pip install -r requirements.txt\nUSER 1000\n"
FILES = {
    "docker-compose.yml": COMPOSE,
    "vote/Dockerfile": DOCKERFILE,
    "vote/requirements.txt": "flask==3\n",
    "vote/app.py": "x = 1\n",
    "result/Dockerfile": DOCKERFILE,
    "result/requirements.txt": "flask==3\n",
    "result/app.py": "x = 1\n",
}


def lint(folder: Path, capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict[str, Any]]:
    code = run(["lint", str(folder), "--no-config", "--format", "json", *args])
    return code, json.loads(capsys.readouterr().out)


def test_the_dockerfiles_that_compose_builds_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = lint(write_files(tmp_path, FILES), capsys)
    assert code == 1
    found = [f for f in report["findings"] if f["rule_id"] == "cache-copy-before-install"]
    assert sorted(f["location"]["path"] for f in found) == ["result/Dockerfile", "vote/Dockerfile"]
    assert len({f["fingerprint"] for f in found}) == 2
    ignore = [f["location"]["path"] for f in report["findings"] if f["rule_id"] == "context-no-ignore-file"]
    assert sorted(ignore) == ["result/.dockerignore", "vote/.dockerignore"]
    assert report["target"]["dockerfile"] == "vote/Dockerfile"


def test_their_patches_apply_from_the_folder_that_was_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, report = lint(write_files(tmp_path, FILES), capsys)
    patches = [f["fix"]["patch"] for f in report["findings"] if f["rule_id"] == "cache-copy-before-install"]
    for patch in patches:
        assert patch
        subprocess.run(["git", "apply"], input=patch.encode(), cwd=tmp_path, check=True, capture_output=True)
    _, after = lint(tmp_path, capsys)
    assert [f for f in after["findings"] if f["rule_id"] == "cache-copy-before-install"] == []


def test_a_build_that_cannot_be_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {**FILES, "docker-compose.yml": COMPOSE.replace("./vote", "./nowhere")}
    _, report = lint(write_files(tmp_path, files), capsys)
    assert not report["complete"]
    assert any("nowhere/Dockerfile" in item["where"] for item in report["skipped"])


def test_a_build_from_elsewhere_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {**FILES, "docker-compose.yml": COMPOSE.replace("./vote", "../elsewhere")}
    _, report = lint(write_files(tmp_path, files), capsys)
    assert any("the build of vote takes files from elsewhere" in item["reason"] for item in report["skipped"])


def test_a_dockerfile_in_the_folder_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, report = lint(write_files(tmp_path, {**FILES, "Dockerfile": "FROM scratch\n"}), capsys)
    assert report["target"]["dockerfile"] == "Dockerfile"
    assert not [f for f in report["findings"] if f["rule_id"] == "cache-copy-before-install"]
    assert [f for f in report["findings"] if f["rule_id"] == "data-managed-volume"]


def test_with_neither_it_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", str(write_files(tmp_path, {"README.md": "x"})), "--no-config"]) == 2
    assert "there is no Dockerfile in" in capsys.readouterr().err


def test_images_alone_need_no_dockerfile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compose = "services:\n  db:\n    image: postgres:17\n    volumes: ['data:/var/lib/postgresql/data']\nvolumes: {data: {}}\n"
    code, report = lint(write_files(tmp_path, {"compose.yaml": compose}), capsys)
    assert code == 1
    risks = {risk["id"]: risk for risk in report["risks"]}
    assert risks["DATA-001"]["score"] == 9
    assert risks["PERF-001"]["not_applicable"] == "no Dockerfile was looked at"
    assert risks["TECH-002"]["not_applicable"] == "there is one service only"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        pytest.param("other.yml", 1, id="named"),
        pytest.param("nope.yml", 2, id="missing"),
        pytest.param("..", 2, id="dir"),
    ],
)
def test_compose_files_can_be_named(tmp_path: Path, name: str, code: int) -> None:
    write_files(tmp_path, {**FILES, "Dockerfile": "FROM scratch\n", "other.yml": COMPOSE})
    assert run(["lint", str(tmp_path), "-q", "--no-config", "--compose", str(tmp_path / name)]) == code


def test_a_compose_file_outside_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_files(tmp_path, {"in/Dockerfile": "FROM scratch\n", "out.yml": COMPOSE})
    assert run(["lint", str(tmp_path / "in"), "-q", "--no-config", "--compose", str(tmp_path / "out.yml")]) == 2
    assert "lies outside of" in capsys.readouterr().err


WAIVER = '[[waiver]]\nrisk = "{risk}"\nowner = "Ada"\nreason = "a demo"\nexpires = {day}\n'


@pytest.mark.parametrize(
    ("waivers", "code", "said"),
    [
        pytest.param((), 1, "", id="none"),
        pytest.param((("DATA-001", "2999-01-01"),), 1, "", id="one-of-three"),
        pytest.param(
            tuple(
                (risk, "2999-01-01") for risk in ("DATA-001", "OPS-001", "OPS-003", "PERF-001", "SEC-001", "CONFIG-001")
            ),
            0,
            "",
            id="all",
        ),
        pytest.param((("DATA-001", "2001-01-01"),), 1, "expired on 2001-01-01", id="expired"),
        pytest.param((("DATA-002", "2999-01-01"),), 2, "there is no risk 'DATA-002'", id="unknown"),
    ],
)
def test_waivers(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    waivers: tuple[tuple[str, str], ...],
    code: int,
    said: str,
) -> None:
    write_files(tmp_path, FILES)
    text = "".join(WAIVER.format(risk=risk, day=day) for risk, day in waivers)
    (tmp_path / ".imgscan.toml").write_text(text)
    assert run(["lint", str(tmp_path), "-v"]) == code
    captured = capsys.readouterr()
    assert said in " ".join((captured.out + captured.err).split())


def test_an_unknown_key_of_a_waiver_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_files(tmp_path, FILES)
    (tmp_path / ".imgscan.toml").write_text(WAIVER.format(risk="DATA-001", day="2999-01-01") + 'until = "x"\n')
    assert run(["lint", str(tmp_path), "-q"]) == 2
    assert ".imgscan.toml:1: unknown key 'until' in [[waiver]]" in capsys.readouterr().err


def test_secrets_beside_the_context_are_found_and_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stripe, password = "sk" + "_live_" + "4eC39HqLyjWDarjtT1zdp7dc", "9k2-" + "Vx7fQw" + "88"
    files = {
        ".dockerignore": "*\n!vote\n",
        "Dockerfile": "FROM scratch\nCOPY vote vote\n",
        "vote/x": "1",
        ".env.example": f"STRIPE_KEY={stripe}\n",
        "docker-compose.yml": f"services:\n  db:\n    image: postgres\n    environment: {{POSTGRES_PASSWORD: {password}}}\n",
        "scripts/deploy.sh": f"#!/bin/sh\ncurl -u {stripe}: https://api.stripe.com\n",
    }
    write_files(tmp_path, files)
    paths = {}
    for format_name in ("table", "markdown", "json"):
        run(["lint", str(tmp_path), "-v", "--no-config", "--format", format_name])
        out = capsys.readouterr().out
        assert stripe not in out
        assert password not in out
        if format_name == "json":
            paths = {f["rule_id"]: {place["path"] for place in f["places"]} for f in json.loads(out)["findings"]}
    assert paths["secret-stripe-key"] == {".env.example", "scripts/deploy.sh"}
    assert paths["context-compose-credential"] == {"docker-compose.yml"}


def test_a_hostile_tree_does_not_crash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bomb = "a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\n" + "".join(
        f"c{n}: &c{n} [*{'b' if n == 0 else f'c{n - 1}'}" + f",*{'b' if n == 0 else f'c{n - 1}'}" * 8 + "]\n"
        for n in range(12)
    )
    files = {
        "Dockerfile": "FROM scratch\n",
        "compose.yml": bomb + "services:\n  x: &x\n    <<: *x\n    build: ../../../etc\n    env_file: /etc/passwd\n",
        "deep/compose.yml": "services: " + "{a: " * 3000,
        "package.json": '{"workspaces": ' + "[" * 50_000,
        "pnpm-lock.yaml": "importers: &a\n  .: *a\n",
        ".env": "\0" * 100 + "=\n" + "A" * 100_000,
    }
    write_files(tmp_path, files)
    (tmp_path / "loop").symlink_to(tmp_path)
    code, report = lint(tmp_path, capsys)
    assert code in (0, 1)
    assert "root:" not in json.dumps(report)

"""The samples as files: what their `expected.json` refers to is there, and nothing ties them to one machine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imgscan.dockerfile.parse import parse
from imgscan.rulebook import load_rules, rules_dir

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_images"
NAMES = sorted(path.parent.name for path in SAMPLES.glob("*/expected.json"))


def dockerfile(name: str) -> Path:
    for path in ("Dockerfile.in", "Dockerfile", "backend/Dockerfile"):
        if (SAMPLES / name / path).is_file():
            return SAMPLES / name / path
    raise FileNotFoundError(name)


def expected(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SAMPLES / name / "expected.json").read_text())
    return document


def lines_meant(node: Any) -> Iterator[int]:
    """Every Dockerfile line that an expectation names, at any depth."""
    match node:
        case dict():
            for key, value in node.items():
                if key == "line" or key.endswith("_line") or key.endswith("_lines_after"):
                    yield from numbers(value)
                else:
                    yield from lines_meant(value)
        case list():
            for value in node:
                yield from lines_meant(value)
        case _:
            pass


def numbers(node: Any) -> Iterator[int]:
    match node:
        case int():
            yield node
        case list():
            for value in node:
                yield from numbers(value)
        case dict():
            yield from numbers(list(node.values()))
        case _:
            pass


def test_the_five_samples_are_there() -> None:
    assert NAMES == ["antone", "antone-as-planned", "antone-leaky", "go-service", "python-api"]


@pytest.mark.parametrize("name", NAMES)
def test_expected_lines_are_instructions(name: str) -> None:
    text = dockerfile(name).read_text()
    parsed = parse(text, "Dockerfile")
    commands = [*parsed.global_args, *(command for stage in parsed.stages for command in stage.commands)]
    starts = {text.count("\n", 0, command.start) + 1 for command in commands}
    meant = set(lines_meant(expected(name)))
    assert meant <= starts


@pytest.mark.parametrize("name", NAMES)
def test_expected_rules_exist(name: str) -> None:
    document = expected(name)
    packs = "".join(path.read_text() for path in (rules_dir() / "secrets").glob("*.yml"))
    known = {*load_rules(), *re.findall(r"^ *- id: (secret-[a-z0-9-]+)$", packs, re.MULTILINE)}
    assert [item["rule_id"] for item in document["findings"] if item["rule_id"] not in known] == []
    assert all(any(rule.startswith(prefix) for rule in known) for prefix in document["no_findings_of"])


@pytest.mark.parametrize("name", NAMES)
def test_touched_files_are_there(name: str) -> None:
    assert [path for path in expected(name)["touch"].values() if not (SAMPLES / name / path).is_file()] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("antone")])
def test_lockfile_is_that_of_the_manifests(name: str) -> None:
    """As `pnpm install --frozen-lockfile` does: every specifier of a manifest stands in the lockfile's importer."""
    lock = (SAMPLES / name / "pnpm-lock.yaml").read_text()
    importers = lock.partition("\nimporters:\n")[2].partition("\npackages:\n")[0]
    for member in (".", "backend", "shared", "database"):
        manifest = json.loads((SAMPLES / name / member / "package.json").read_text())
        wanted = manifest.get("dependencies", {}) | manifest.get("devDependencies", {})
        section = re.split(r"\n  (?=\S)", f"\n{importers}".partition(f"\n  {member}:\n")[2])[0]
        locked = dict(re.findall(r"^      '?([^\s']+?)'?:\n        specifier: '?([^\s']+)'?$", section, re.MULTILINE))
        assert locked == wanted, member


@pytest.mark.parametrize(
    "path",
    sorted(path.relative_to(ROOT).as_posix() for path in SAMPLES.rglob("*.sh") if "node_modules" not in path.parts),
)
def test_scripts_are_bash(path: str) -> None:
    done = subprocess.run(["bash", "-n", ROOT / path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_destructive_spelling_is_refused(tmp_path: Path) -> None:
    """The wrapper of `antone`, with a docker that only writes down what it is asked to do."""
    project = tmp_path / "antone"
    shutil.copytree(SAMPLES / "antone", project, ignore=shutil.ignore_patterns("node_modules"))
    asked = tmp_path / "asked"
    stub = tmp_path / "bin" / "docker"
    stub.parent.mkdir()
    stub.write_text(f'#!/bin/sh\necho "$*" >>"{asked}"\n')
    stub.chmod(0o755)

    def run(*arguments: str) -> int:
        script = project / "scripts" / "dev-ctl.sh"
        environment = {"PATH": f"{stub.parent}:/usr/sbin:/usr/bin:/bin", "HOME": str(tmp_path)}
        return subprocess.run(
            [script, *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        ).returncode

    assert run("init") == 0
    spellings = [
        ("down", "-v"),
        ("down", "--volumes"),
        ("down", "--volumes=true"),
        ("down", "-t", "5", "-v"),
        ("down", "--remove-orphans", "--volumes"),
        ("down", "-vt5"),
        ("down", "-t5v"),
        ("rm", "-v"),
        ("rm", "-fsv"),
        ("rm", "-f", "-s", "-v"),
        ("up", "-V"),
        ("destroy-data",),
        ("destroy-data", "-f"),
        ("volume", "rm", "antone_postgres_data"),
        ("system", "prune", "--volumes"),
    ]
    assert [words for words in spellings if run(*words) == 0] == []
    assert not asked.exists()
    assert run("down", "--remove-orphans") == 0
    assert asked.read_text().endswith("down --remove-orphans\n")

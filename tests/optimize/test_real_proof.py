"""The proof on a real engine: what stands, what is withdrawn and why, what is left behind.

The package manager is a program of the test: it copies packages that lie in the context, so nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import pytest
from engines import BASE, ensure_base
from plans import inputs_of

from imgscan.build.request import Builder, BuildOptions
from imgscan.engine import Engine
from imgscan.errors import BuildError
from imgscan.optimize.prove import ProofOptions, open_prover
from imgscan.optimize.records import Kind
from imgscan.optimize.settle import Settled, settle
from imgscan.optimize.suggest import DEFAULT_KINDS, suggest
from imgscan.report.json import schema

pytestmark = pytest.mark.engine

DOCKERFILE = f"""FROM {BASE} AS tools
COPY pip /bin/pip
FROM tools
ARG GIT_SHA=none
WORKDIR /app
# everything
COPY . .
RUN pip install -r requirements.txt --find-links packages
RUN cat src/main.py > made; echo "$GIT_SHA" >> made
CMD ["cat", "made"]
"""
PIP = """#!/bin/sh
# pip install -r FILE --find-links FOLDER: one line of FILE is the name of a file of FOLDER
sleep 0.5
mkdir -p /site
while read -r name; do
  case "$name" in "#"*|"") ;; *) cp "$5/$name" /site/ || exit 1;; esac
done < "$3"
head -c 8 /dev/urandom > /site/random
{extra}
"""
RANDOM = "site/random"
SAMPLES = Path(__file__).parent.parent.parent / "sample_images"
STAND_IN = "imgscan-base/python:3.11"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.connect() as connected:
        ensure_base(connected)
        yield connected


def write_project(root: Path, dockerfile: str = DOCKERFILE, extra: str = ":") -> None:
    files = {
        "Dockerfile": f"{dockerfile}LABEL imgscan.test={marker(root)}\n",
        "pip": PIP.replace("{extra}", extra),
        "requirements.txt": "one\n",
        "packages/one": "1",
        "src/main.py": "print()\n",
        "src/settings.py": "A = 1\n",
        ".git/HEAD": "ref: x\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    (root / "pip").chmod(0o755)


def left(engine: Engine, root: Path) -> list[object]:
    """Images and containers made from the Dockerfile of a test, tagged or not: others use the engine, too."""
    mine = {"label": [f"imgscan.test={marker(root)}"]}
    return [*engine.api.images(all=True, filters=mine), *engine.api.containers(all=True, filters=mine)]


def marker(root: Path) -> str:
    return f"{os.getpid()}-{root.name}"


def settled(engine: Engine, root: Path, kinds: tuple[Kind, ...] = DEFAULT_KINDS, builder: str = "buildkit") -> Settled:
    inputs = inputs_of(root, builder=builder)
    plan = suggest(inputs, kinds)
    build = BuildOptions(builder=Builder(builder), build_args={}, network="none")
    options = ProofOptions(build=build, bases={}, repeats=1, touch_source_path="src/main.py")
    with open_prover(engine, plan, options) as prover:
        return settle(prover, plan, lambda excluded: suggest(inputs, kinds, excluded))


@pytest.mark.parametrize("builder", ["buildkit", "classic"])
def test_a_good_patch_is_proved(builder: str, engine: Engine, tmp_path: Path) -> None:
    write_project(tmp_path)
    result = settled(engine, tmp_path, builder=builder)
    assert not result.withdrawn
    assert {change.kind for change in result.plan.changes} == {Kind.VOLATILE, Kind.SPLIT, Kind.IGNORE}
    assert result.proof is not None
    assert result.proof.reason is None
    assert all(check.ok for check in result.proof.checks)
    assert f"/{RANDOM}" in result.proof.nondeterministic
    assert set(result.proof.left_out) >= {"/app/.git/HEAD", "/app/Dockerfile"}
    timed = {comparison.scenario: comparison for comparison in result.proof.comparisons}
    assert timed["touch-source"].steps_run_after < timed["touch-source"].steps_run_before
    assert timed["touch-source"].after_s[0] < timed["touch-source"].before_s[0]
    assert left(engine, tmp_path) == []


def test_an_install_that_reads_sources_is_found_out(engine: Engine, tmp_path: Path) -> None:
    write_project(tmp_path, extra="if [ -f src/settings.py ]; then cp src/settings.py /site/settings; fi")
    result = settled(engine, tmp_path)
    (withdrawn,) = result.withdrawn
    assert withdrawn.change.kind is Kind.SPLIT
    assert "/site/settings (only before)" in withdrawn.reason
    assert {change.kind for change in result.plan.changes} == {Kind.VOLATILE, Kind.IGNORE}
    assert "COPY requirements.txt" not in result.plan.dockerfile_text


def test_an_install_that_fails_without_sources_is_found_out(engine: Engine, tmp_path: Path) -> None:
    write_project(tmp_path, extra="cat src/settings.py > /site/settings")
    result = settled(engine, tmp_path, (Kind.SPLIT,))
    (withdrawn,) = result.withdrawn
    assert withdrawn.reason.startswith("it builds: the build fails at")
    assert result.plan.dockerfile_text == (tmp_path / "Dockerfile").read_text()
    assert result.proof is None


def test_a_history_that_the_image_needs_is_kept(engine: Engine, tmp_path: Path) -> None:
    write_project(tmp_path, dockerfile=DOCKERFILE.replace("RUN cat src/main.py", "RUN cat .g*/HEAD src/main.py"))
    result = settled(engine, tmp_path, (Kind.IGNORE,))
    (withdrawn,) = result.withdrawn
    assert "the build fails" in withdrawn.reason or "/app/made" in withdrawn.reason


def test_an_edit_that_breaks_the_build_is_not_timed(engine: Engine, tmp_path: Path) -> None:
    write_project(tmp_path, extra='case "$(cat "$3")" in *"#"*) exit 3;; esac')
    result = settled(engine, tmp_path, (Kind.SPLIT,))
    assert not result.withdrawn
    assert result.proof is not None
    assert result.proof.reason is None
    assert [comparison.scenario for comparison in result.proof.comparisons] == ["touch-source"]
    checks = {check.name: check for check in result.proof.checks}
    ran = checks["an edit of requirements.txt still runs pip install"]
    assert ran.ok is True
    assert ran.detail.endswith("and so does that of the original")
    timed = checks["an edit of requirements.txt can be timed"]
    assert timed.ok is None
    assert timed.detail.startswith("in the original the build fails at")


def test_what_does_not_build_is_an_error(engine: Engine, tmp_path: Path) -> None:
    write_project(tmp_path, dockerfile=DOCKERFILE.replace("CMD", "RUN false\nCMD"))
    with pytest.raises(BuildError, match="does not build as it is"):
        settled(engine, tmp_path)
    assert left(engine, tmp_path) == []


def command(root: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "imgscan", "optimize", str(root), "--prove", "--network", "none", *options]


def test_the_command_writes_patch_and_proof(engine: Engine, tmp_path: Path) -> None:
    write_project(tmp_path)
    options = ["--repeats", "1", "--json", str(tmp_path / "p.json"), "--output", str(tmp_path / "p.patch")]
    done = subprocess.run(command(tmp_path, *options), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "CHANGES (proved)" in done.stdout
    document = json.loads((tmp_path / "p.json").read_text())
    assert document["proved"] is True
    assert document["patch"] == (tmp_path / "p.patch").read_text()
    assert {check["ok"] for check in document["proof"]["checks"]} == {True}


def test_the_report_of_a_sample_holds_what_its_builds_showed(engine: Engine, tmp_path: Path) -> None:
    # Where there is no stand-in the public image is there, or what the samples' configuration names.
    bases = ["--base-image", f"python:3.12-slim-bookworm={STAND_IN}"] if engine.tags(STAND_IN) else []
    files = {name: tmp_path / f"r.{name}" for name in ("json", "html", "markdown")}
    formats = [word for name, path in files.items() for word in ("--format", f"{name}={path}")]
    run = [sys.executable, "-m", "imgscan", "optimize", ".", "--prove", "--repeats", "1", *bases, *formats]
    env = {**os.environ, "PYTHONPATH": str(SAMPLES.parent)}
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=SAMPLES / "python-api", env=env)
    assert done.returncode == 0, done.stderr
    report = json.loads(files["json"].read_text())
    jsonschema_rs.validator_for(schema()).validate(report)
    (proof,) = report["proofs"]
    assert (proof["outcome"], proof["reason"], proof["patch"]) == ("proved", None, done.stdout)
    assert [check["name"] for check in proof["checks"] if not check["ok"]] == []
    assert [(change["file"], change["line"]) for change in proof["changes"]] == [
        ("Dockerfile", 5),
        (".dockerignore", None),
    ]
    assert proof["image"]["paths"] > 1000
    assert "/srv/Dockerfile" in proof["image"]["left_out"]
    source, lockfile = proof["scenarios"]
    assert (source["name"], lockfile["name"]) == ("touch-source", "touch-lockfile")
    assert (source["before"]["steps_cached"], source["before"]["steps_total"]) == (1, 3)
    assert (source["after"]["steps_cached"], source["after"]["steps_total"]) == (3, 4)
    assert lockfile["after"]["steps_cached"] == 1
    assert source["after"]["seconds"] == [source["after"]["median_s"]]
    assert source["after"]["median_s"] < source["before"]["median_s"]
    assert report["build"]["builder"] == "buildkit"
    for path in (files["html"], files["markdown"]):
        assert "touch-lockfile" in path.read_text()


def test_an_interrupt_leaves_nothing(engine: Engine, tmp_path: Path) -> None:
    write_project(tmp_path, extra="sleep 20")
    with subprocess.Popen(command(tmp_path, "-v"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        time.sleep(4)
        os.kill(run.pid, signal.SIGINT)
        _, said = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert "everything temporary has been removed" in said
    assert left(engine, tmp_path) == []

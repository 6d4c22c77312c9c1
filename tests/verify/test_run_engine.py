"""Proofs on a real engine: each holds for a project without the fault, and fails for one with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from engines import ensure_base
from proofstacks import (
    GOOD_RESTORE,
    NODE,
    POSTGRES,
    ROOT,
    SLOPPY_BACKUP,
    SLOPPY_RESTORE,
    SUITES,
    database_stack,
    good_backup,
    plugin_folder,
    racing_stack,
    web_stack,
)
from setups import write_files

from imgscan.engine import Engine
from imgscan.model import Outcome, Verification
from imgscan.progress import Progress
from imgscan.project.setup import read_setup
from imgscan.verify.bench import open_bench, work_folder
from imgscan.verify.composecli import find_compose
from imgscan.verify.freeing import free_folder, has_foreign_files
from imgscan.verify.peers import Answer, ask_beside, ask_from_machine, ask_inside
from imgscan.verify.prepare import prepare
from imgscan.verify.projectcopy import copy_project
from imgscan.verify.proofs import PROOFS
from imgscan.verify.run import Wanted, verify
from imgscan.verify.scratch import Terms, make_scratch, services_of
from imgscan.verify.stack import Stack, State, make_stack

Ask = Callable[[Stack, State, str, int], Answer | None]
pytestmark = pytest.mark.engine
BASES = {"node:24-bookworm-slim": NODE, "node:24-alpine": NODE, "postgres:17-bookworm": POSTGRES}


def environment(suite: str = "trixie") -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(Path.home()), "DOCKER_CONFIG": plugin_folder(suite)}


def prove(files: Mapping[str, str], root: Path, suite: str = "trixie") -> dict[str, list[Verification]]:
    """What came of each proof of a project of these files."""
    write_files(root, files)
    wanted = Wanted(root=root, connect=Engine.connect, bases=BASES, environment=environment(suite))
    verified = verify(wanted, Progress(sys.stderr, live=False, lines=False))
    found: dict[str, list[Verification]] = {}
    for item in verified.verifications:
        found.setdefault(item.name, []).append(item)
    return found


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Whatever a test does, the engine and the folder of temporary files are as they were."""
    before = left_over()
    yield
    assert left_over() - before == set()


def left_over() -> set[str]:
    """What runs of ours left on the engine and in the folder of temporary files."""
    with Engine.connect() as engine:
        api = engine.api
        names = [name for item in api.containers(all=True) for name in item.get("Names") or ()]
        names += [item["Name"] for item in api.networks()]
        names += [item["Name"] for item in api.volumes().get("Volumes") or ()]
        names += [tag for item in api.images() for tag in item.get("RepoTags") or ()]
    folders = [path.name for path in Path(tempfile.gettempdir()).glob("imgscan-verify-*")]
    return {name for name in (*names, *folders) if "imgscan-verify-" in name}


def outcomes(found: Mapping[str, list[Verification]], name: str) -> list[Outcome]:
    return [item.outcome for item in found[name]]


@pytest.mark.parametrize("suite", SUITES)
def test_a_stack_without_a_fault_passes(tmp_path: Path, suite: str) -> None:
    found = prove(web_stack(), tmp_path, suite)
    for name in ("configuration", "image-build", "start", "bind", "peers", "cold-start"):
        assert name == "image-build" or outcomes(found, name) == [Outcome.PASSED], found[name]
    assert "caller -> web:3001 (with node in caller)" in found["peers"][0].evidence


def test_a_bind_to_loopback_is_healthy_and_fails_both_proofs(tmp_path: Path) -> None:
    found = prove(web_stack(host="127.0.0.1"), tmp_path)
    assert outcomes(found, "start") == [Outcome.PASSED]  # its own health check cannot see it
    assert outcomes(found, "bind") == [Outcome.FAILED]
    assert "port 3001 (published) is bound to loopback alone: it listens on 127.0.0.1:3001" in found["bind"][0].evidence
    assert found["peers"][0].evidence.startswith("ECONNREFUSED")
    assert found["peers"][0].cites == ("TECH-002-06", "OPS-001-10")


@pytest.mark.parametrize(
    ("options", "word", "cites"),
    [
        ({"url": "http://wep:3001/"}, "ENOTFOUND", ("TECH-002-02",)),
        ({"url": "http://web:3002/"}, "ECONNREFUSED", ("TECH-002-05", "TECH-002-04")),
        ({"networks": True}, "ENOTFOUND", ("TECH-002-03",)),
    ],
    ids=["no-such-host", "wrong-port", "no-shared-network"],
)
def test_an_edge_that_is_broken_fails(
    tmp_path: Path, options: dict[str, object], word: str, cites: tuple[str, ...]
) -> None:
    (edge,) = prove(web_stack(**options), tmp_path)["peers"]  # type: ignore[arg-type]
    assert edge.outcome is Outcome.FAILED
    assert edge.evidence.startswith(word)
    assert edge.cites == cites


def test_who_does_not_wait_for_its_database_loses_the_race(tmp_path: Path) -> None:
    found = prove(racing_stack(), tmp_path)
    (race,) = found["cold-start"]
    assert race.outcome is Outcome.FAILED
    assert race.subject == "app"
    assert "before db:5432 answered" in race.evidence
    assert outcomes(found, "start") == [Outcome.PASSED]  # the second time its volume is filled


def test_a_sound_backup_passes_the_drill_and_a_managed_volume_fails_its_own(tmp_path: Path) -> None:
    found = prove(database_stack(good_backup(), GOOD_RESTORE), tmp_path)
    assert outcomes(found, "restore-drill") == [Outcome.PASSED], found["restore-drill"]
    assert "3 tables restored equal" in found["restore-drill"][0].evidence
    assert outcomes(found, "data-volumes") == [Outcome.FAILED]
    assert "`down -v` deletes data" in found["data-volumes"][0].evidence


@pytest.mark.parametrize(
    ("backup", "restore", "said"),
    [
        (good_backup("--exclude-table=imgscan_drill_wide"), GOOD_RESTORE, "1 of 3 tables are not what was backed up"),
        (SLOPPY_BACKUP, SLOPPY_RESTORE, "with a user that does not exist scripts/backup.sh ends with 0"),
        (
            good_backup("--format=plain"),
            SLOPPY_RESTORE.replace("gunzip -c", "cat"),
            "takes a backup with a flipped byte",
        ),
        (good_backup(), GOOD_RESTORE.replace("db pg_restore", "exit 3; db pg_restore"), "ended with 3"),
    ],
    ids=["lossy", "no-pipefail", "no-check", "does-nothing"],
)
def test_a_backup_that_cannot_be_trusted_fails_the_drill(tmp_path: Path, backup: str, restore: str, said: str) -> None:
    (drill,) = prove(database_stack(backup, restore), tmp_path)["restore-drill"]
    assert drill.outcome is not Outcome.PASSED
    assert said in drill.evidence


def test_an_ignore_file_that_misses_lets_the_canary_through(tmp_path: Path) -> None:
    app = {"build": "."}
    files = {
        "compose.yaml": json.dumps(
            {"services": {"app": {**app, "command": ["node", "-e", "setInterval(()=>{},1000)"]}}}
        ),
        "Dockerfile": "FROM node:24-alpine\nWORKDIR /app\nCOPY . .\n",
        ".dockerignore": ".env\n",
        "api/package.json": "{}\n",
    }
    (canary,) = prove(files, tmp_path)["canary"]
    assert canary.outcome is Outcome.FAILED
    assert "1 of 2 marked files are in the image: api/.env (planted) in file: /app/api/.env" in canary.evidence


def test_nothing_that_reaches_the_machine_is_run(tmp_path: Path) -> None:
    files = web_stack()
    document = json.loads(files["compose.yaml"])
    document["services"]["web"]["volumes"].append("/var/run/docker.sock:/var/run/docker.sock")
    found = prove({**files, "compose.yaml": json.dumps(document)}, tmp_path)
    assert outcomes(found, "start") == [Outcome.NOT_VERIFIED]
    assert "web mounts /var/run/docker.sock of this machine" in found["start"][0].evidence


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("stage", ["starting the project", "building with markers", "making the image of app"])
def test_an_interrupt_leaves_nothing(tmp_path: Path, stage: str, number: signal.Signals) -> None:
    files = racing_stack()
    document = json.loads(files["compose.yaml"])
    document["services"]["app"]["build"] = "."
    del document["services"]["app"]["image"]
    files |= {"compose.yaml": json.dumps(document), "Dockerfile": "FROM node:24-alpine\nRUN sleep 2\nCOPY . /app\n"}
    write_files(tmp_path, files)
    command = [sys.executable, "-m", "imgscan", "lint", str(tmp_path), "--verify", "-v"]
    command += ["--base-image", f"node:24-alpine={NODE}"]
    host = os.environ.get("DOCKER_HOST")
    env = {**environment(), "IMGSCAN_NO_CACHE": "1", **({"DOCKER_HOST": host} if host else {})}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if stage in line:
            time.sleep(1.5)
            process.send_signal(number)
            break
    told.append(process.stderr.read())
    process.stderr.close()
    assert process.wait(60) == 130, "".join(told)


@pytest.mark.parametrize("ask", [ask_inside, ask_beside, ask_from_machine], ids=lambda ask: ask.__name__)
def test_every_way_to_ask_gives_the_same_answers(tmp_path: Path, ask: Ask) -> None:
    write_files(tmp_path, web_stack(host="127.0.0.1"))
    with running(tmp_path) as (stack, states):
        caller, web = states["caller"], states["web"]
        expected = {"web": "ECONNREFUSED", "nobody": "ENOTFOUND"}
        for host, word in expected.items():
            answer = ask(stack, caller, host, 3001)
            assert answer is not None
            assert answer.word == word
        itself = ask(stack, web, "127.0.0.1", 3001)
        assert itself is not None
        assert itself.word == "OK"


def test_a_client_with_a_shell_alone_is_asked_too(tmp_path: Path) -> None:
    files = web_stack()
    document = json.loads(files["compose.yaml"])
    with Engine.connect() as engine:
        document["services"]["caller"] |= {"image": ensure_base(engine), "command": ["sleep", "300"]}
    (edge,) = prove({**files, "compose.yaml": json.dumps(document)}, tmp_path)["peers"]
    assert edge.outcome is Outcome.PASSED
    assert "with node" not in edge.evidence or "beside caller" in edge.evidence


@contextmanager
def running(root: Path) -> Iterator[tuple[Stack, dict[str, State]]]:
    """A project of images that are there, started as a scratch project."""
    with work_folder() as work, Engine.connect() as engine:
        compose = find_compose(engine.host, environment())
        assert compose is not None
        copy_project(root, work / "project")
        (project,) = read_setup(work / "project").composes
        prepared = prepare(work / "project", project)
        config, _ = compose.config(prepared.files, directory=prepared.directory, env_file=prepared.env_file)
        with open_bench(engine, compose, work, bases={}) as bench:
            images = {name: service["image"] for name, service in services_of(config).items()}
            terms = Terms(name=bench.name, label=bench.label, images=images, copy=str(work / "project"))
            stack = make_stack(bench, make_scratch(config, terms))
            stack.up()
            yield stack, stack.settle()


def test_the_hardened_sample_passes_every_proof_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "imgscan", "lint", "sample_images/antone", "--verify", "--network", "host"]
    command += ["--format", f"json={tmp_path}/r.json", "--quiet"]
    command += [word for public, image in BASES.items() for word in ("--base-image", f"{public}={image}")]
    # The installs inside the build and the engine are those of the machine.
    env = {**os.environ, **environment(), "IMGSCAN_NO_CACHE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["verdict"] == "GO"
    outcomes_of = {item["name"]: item["outcome"] for item in report["verifications"]}
    assert outcomes_of == dict.fromkeys(PROOFS, "passed")
    assert {risk["id"] for risk in report["risks"] if risk["verified"]} >= {PROOFS[name].risk_id for name in PROOFS}


def test_what_a_container_wrote_as_root_can_be_removed_by_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file").write_text("x")
    for path in (folder / "deep" / "file", folder / "deep"):
        path.chmod(0o500)
    with Engine.connect() as engine:
        assert free_folder(engine, ["no/such:image", POSTGRES], folder, "test")
    assert (folder / "deep").stat().st_mode & 0o777 == 0o777
    assert has_foreign_files(folder, owner=12345)
    assert not has_foreign_files(folder, owner=os.geteuid())

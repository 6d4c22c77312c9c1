"""The closed room, and wrapper scripts in it. These tests need Linux with namespaces; without them they fail."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from proofstacks import ROOT
from setups import write_files

from imgscan.model import Outcome, Verification
from imgscan.project.setup import read_setup
from imgscan.verify.bench import work_folder
from imgscan.verify.broker import Asked, broker
from imgscan.verify.prepare import prepare
from imgscan.verify.projectcopy import copy_project
from imgscan.verify.proofs import Proofs
from imgscan.verify.sandbox import NoSandboxError, Sandbox, make_sandbox
from imgscan.verify.wrapper import prove_wrappers

SAMPLES = ROOT / "sample_images"
COMPOSE = "services: {db: {image: postgres, volumes: ['data:/var/lib/postgresql/data']}}\nvolumes: {data: {}}\n"


def room_for(root: Path, work: Path) -> Sandbox:
    copy_project(root, work / "copy")
    (work / "room").mkdir(mode=0o755)
    return make_sandbox(work / "copy", work / "room")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Sandbox]:
    with work_folder() as work:
        yield room_for(tmp_path, work)


def bash(room: Sandbox, script: str, timeout_s: float = 20) -> str:
    return room.run(["bash", "-c", script], timeout_s=timeout_s).text


def test_it_has_no_network_no_engine_and_no_files(room: Sandbox) -> None:
    assert "lo:" in bash(room, "cat /proc/net/dev")
    assert bash(room, "cat /proc/net/dev | grep -c :").strip() == "1"
    assert "No such file" in bash(room, "cat /run/docker.sock")
    assert "No such file" in bash(room, f"ls {room.work}")
    assert bash(room, "ls -A ~ && echo $HOME").strip() == "/home"
    assert "Read-only" in bash(room, ": >/usr/x; : >/tools/x; : >/x")
    assert bash(room, ": >/project/x && ls /project").strip() == "x"


def test_scripts_of_root_run_as_nobody(room: Sandbox) -> None:
    assert os.geteuid() != 0 or room.maker == "unshare"
    assert bash(room, "id -u").strip() == ("65534" if os.geteuid() == 0 else "0")
    assert "CapEff:\t0000000000000000" in bash(room, "cat /proc/self/status")


def test_processes_end_with_it(room: Sandbox) -> None:
    started = time.monotonic()
    seconds = f"300.{os.getpid()}"
    ran = room.run(["bash", "-c", f"(trap '' TERM; sleep {seconds}) & sleep {seconds}"], timeout_s=1)
    assert ran.timed_out
    assert time.monotonic() - started < 15
    assert not any(f"sleep\x00{seconds}" in text for text in map(_command_line, Path("/proc").glob("[0-9]*")))


def _command_line(folder: Path) -> str:
    try:
        return (folder / "cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def test_output_without_end_is_cut(room: Sandbox) -> None:
    ran = room.run(["bash", "-c", "yes"], timeout_s=60)
    assert ran.timed_out
    assert len(ran.out) == 1 << 20


def test_calls_of_engines_reach_the_broker_with_their_streams(room: Sandbox) -> None:
    asked: list[Asked] = []

    def answer(call: Asked) -> int:
        asked.append(call)
        os.write(call.streams[1], b"<" + os.read(call.streams[0], 100) + b">")
        return 42

    with broker(room.tools / "engine.sock", answer):
        out = bash(room, "printf hello | docker compose exec -T db cat; echo $?; podman ps </dev/null")
    assert out == "<hello>42\n<>"
    assert [(call.program, call.words) for call in asked] == [
        ("docker", ("compose", "exec", "-T", "db", "cat")),
        ("podman", ("ps",)),
    ]


def test_without_a_broker_a_call_fails(room: Sandbox) -> None:
    assert bash(room, "docker ps; echo $?") == "125\nCannot connect to the Docker daemon\n"


def test_no_room_no_run(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "work").mkdir()
    root = os.geteuid() == 0
    broken = Sandbox(copy=tmp_path / "gone", work=tmp_path / "work", tools=tmp_path, maker="unshare", root=root)
    ran = broken.run(["bash", "-c", f": >{tmp_path}/ran"], timeout_s=10)
    assert ran.code != 0
    assert not (tmp_path / "ran").exists()
    with pytest.raises(NoSandboxError):
        make_sandbox(tmp_path / "gone", tmp_path / "work")


def prove(root: Path) -> list[Verification]:
    with work_folder() as work:
        setup = read_setup(root)
        copy_project(root, work / "copy")
        prepare(work / "copy", setup.composes[0])
        (work / "room").mkdir(mode=0o755)
        proofs = Proofs()
        prove_wrappers(setup, make_sandbox(work / "copy", work / "room"), proofs)
    return proofs.results


def test_the_planned_wrapper_lets_exactly_eleven_spellings_through() -> None:
    (found,) = prove(SAMPLES / "antone-as-planned")
    assert found.outcome is Outcome.FAILED
    assert found.cites == ("DATA-001-08",)
    assert found.evidence == (
        "11 of 18 calls delete volumes without a question: down -v --remove-orphans; down --remove-orphans -v; "
        "down --volumes=true; down -v=true; down -t 0 -v; down -vt0; down --rmi local --volumes; down -v -v; "
        "--profile '*' down -v; -p docker down -v; --progress plain down -v"
    )


def test_the_hardened_wrapper_lets_none_through() -> None:
    (found,) = prove(SAMPLES / "antone")
    assert (found.subject, found.outcome) == ("scripts/dev-ctl.sh", Outcome.PASSED)


HEAD = "#!/usr/bin/env bash\nset -eu\n"


@pytest.mark.parametrize(
    ("script", "outcome", "said"),
    [
        (HEAD + 'docker compose "$@"\n', Outcome.FAILED, "13 of 18"),
        (HEAD + "docker compose down -v $@\n", Outcome.FAILED, "even a plain `down`"),
        (HEAD + '[ "$*" = down ] || exit 1\ndocker compose down\necho "$@"\n', Outcome.PASSED, "none of 18"),
        # A question that nobody answers is a guard only if the script takes no answer for no.
        (HEAD + 'read -r a || true\n[ "$a" != n ] || exit 1\ndocker compose "$@"\n', Outcome.FAILED, "13 of 18"),
        (HEAD + 'read -r a\ndocker compose "$@"\n', None, ""),
        (HEAD + 'D=/usr/bin/docker\n$D compose "$@"\n', Outcome.NOT_VERIFIED, "/usr/bin/docker"),
        (HEAD + '/opt/tool "$@"\ndocker compose "$@"\n', Outcome.NOT_VERIFIED, "/opt/tool"),
        (HEAD + 'echo "$@"\n', None, ""),
    ],
    ids=["open", "always", "closed", "careless", "asks", "by-variable", "by-path", "no-wrapper"],
)
def test_wrappers(tmp_path: Path, script: str, outcome: Outcome | None, said: str) -> None:
    write_files(tmp_path, {"compose.yaml": COMPOSE, "ctl.sh": script})
    found = prove(tmp_path)
    assert [item.outcome for item in found] == ([] if outcome is None else [outcome])
    assert all(said in item.evidence for item in found)


def test_a_hostile_script_reaches_nothing(tmp_path: Path) -> None:
    target = tmp_path / "outside"
    project = tmp_path / "project"
    script = HEAD + f'echo x >{target} || true\nrm -rf {tmp_path} || true\ndocker compose "$@"\n'
    write_files(project, {"compose.yaml": COMPOSE, "ctl.sh": script})
    prove(project)
    assert not target.exists()
    assert (project / "ctl.sh").read_text().startswith("#!")

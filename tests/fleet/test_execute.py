"""Tasks are done by processes of this machine: as they end, a few at a time, whoever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from fleetwork import PROGRAM, act, children, ends_within, is_running, name_process, number_of, task

from imgscan.errors import EngineError
from imgscan.fleet.execute import Done, execute
from imgscan.fleet.limits import Limits
from imgscan.fleets import LayerOutcome, LayerTask
from imgscan.source.backoff import TransientError


def command_line(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def run(tasks: list[LayerTask], **more: Any) -> list[Done]:
    with closing(execute(tasks, **{"jobs": 2, "work": act, **more})) as done:
        return list(done)


@pytest.mark.parametrize("jobs", [0, 1, 2, 3])
def test_every_task_is_done_once(jobs: int) -> None:
    done = run([task(number) for number in range(60)], jobs=jobs, work=name_process)
    assert sorted(number_of(one.task) for one in done) == list(range(60))
    pids = {one.outcomes[0].why.split()[0] for one in done if one.outcomes}
    assert len(pids) <= max(jobs, 1)
    assert (str(os.getpid()) in pids) == (jobs == 0)
    assert not any(is_running(int(pid)) for pid in pids - {str(os.getpid())})


def test_nothing_to_do_starts_nothing() -> None:
    before = children(os.getpid())
    assert run([]) == []
    assert children(os.getpid()) == before


def test_results_come_in_the_order_they_end() -> None:
    tasks = [task(0, ref="sleep:1.5"), *(task(number) for number in range(1, 8))]
    assert number_of(run(tasks)[-1].task) == 0


@pytest.mark.parametrize("jobs", [0, 2])
def test_errors_are_words(jobs: int) -> None:
    done = run([task(0, ref="fail"), task(1, ref="crash:" + "pass" + "word"), task(2)], jobs=jobs)
    words = {number_of(one.task): (one.outcomes is None, one.problem) for one in done}
    assert words[0] == (True, "it is broken; somebody broke it; mend it")
    assert words[1][0]
    assert words[1][1].startswith("internal error: ValueError at fleetwork.py:")
    assert words[2] == (False, "")


def test_no_more_is_under_way_than_is_taken() -> None:
    given: list[int] = []

    def tasks() -> Iterator[LayerTask]:
        for number in range(1000):
            given.append(number)
            yield task(number)

    with closing(execute(tasks(), jobs=2, work=name_process)) as done:
        for count, _ in enumerate(done, start=1):
            time.sleep(0.01)
            assert len(given) <= count + 4
            if count == 50:
                break


def test_a_process_that_is_killed_takes_nothing_with_it(tmp_path: Path) -> None:
    """Several times, and all others are done as if nothing had been."""
    tasks = [
        task(number, ref=f"die-once:{tmp_path / str(number)}" if number % 7 == 0 else "sleep:0.02") for number in range(40)
    ]  # fmt: skip
    said: list[str] = []
    done = run(tasks, say=said.append)
    assert sorted(number_of(one.task) for one in done) == list(range(40))
    assert [one.problem for one in done if one.problem] == []
    assert len(said) == 6
    assert all("ended; trying again" in line for line in said)


def test_a_task_that_kills_whoever_does_it() -> None:
    tasks = [task(0, ref="die"), task(1, ref="die"), *(task(number) for number in range(2, 30))]
    done = run(tasks)
    problems = {number_of(one.task): one.problem for one in done if one.problem}
    assert sorted(number_of(one.task) for one in done) == list(range(30))
    assert problems.keys() == {0, 1}
    assert "ended 3 times; most likely out of memory" in problems[0]


def test_the_last_try_has_the_machine_for_itself(tmp_path: Path) -> None:
    tasks = [task(0, ref="die"), *(task(number, ref="sleep:0.05") for number in range(1, 20))]
    order = [number_of(one.task) for one in run(tasks)]
    assert order[-1] == 0


def test_processes_killed_from_outside(tmp_path: Path) -> None:
    stop = threading.Event()
    killed: list[int] = []

    def kill_some() -> None:
        while not stop.wait(0.4):
            servers = [pid for pid in children(os.getpid()) if b"forkserver" in command_line(pid)]
            for pid in [pid for server in servers for pid in children(server) if is_running(pid)][:1]:
                with suppress(ProcessLookupError):  # it has just ended by itself
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

    killer = threading.Thread(target=kill_some)
    killer.start()
    try:
        done = run([task(number, ref="sleep:0.1") for number in range(40)], tries=20)
    finally:
        stop.set()
        killer.join()
    assert len(killed) >= 3
    assert sorted(number_of(one.task) for one in done) == list(range(40))
    assert not any(one.problem for one in done)


def test_close_ends_what_is_under_way(tmp_path: Path) -> None:
    tasks = [task(0), task(1), *(task(number, ref=f"mark:{tmp_path}") for number in range(2, 9))]
    began = time.monotonic()
    with closing(execute(tasks, jobs=2, work=act)) as done:
        next(done)
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.02)
    assert time.monotonic() - began < 20
    assert ends_within([int(path.name.split("-")[0]) for path in tmp_path.iterdir()], 0)


def test_processes_that_cannot_be_started(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import os\nif __name__ == '__mp_main__': os._exit(3)\n" + PROGRAM)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, str(program), str(tmp_path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stderr.splitlines()[-1] == (
        "imgscan.errors.WorkerError: the processes that read layers cannot be started"
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_all_end_with_their_parent(tmp_path: Path, how: signal.Signals) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    marks = tmp_path / "marks"
    marks.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    started = subprocess.Popen(
        [sys.executable, str(program), str(marks)], env=environment, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        while len(list(marks.iterdir())) < 2 and started.poll() is None:
            time.sleep(0.02)
        family = children(started.pid)
        assert len(family) >= 4
        if how is signal.SIGINT:
            os.killpg(started.pid, how)  # as a terminal does
        else:
            started.send_signal(how)
        errors = started.communicate(timeout=10)[1].decode()
    finally:
        started.kill()
    assert ends_within(family, 5)
    assert errors.count("Traceback") == (how is signal.SIGINT)


def unreachable(given: LayerTask) -> tuple[LayerOutcome, ...]:
    if given.host != "gone.example":
        return ()
    raise EngineError("gone.example could not be read") from TransientError("it is gone")


def test_a_registry_that_is_gone_is_not_asked_for_ever() -> None:
    tasks = [task(number, host="gone.example" if number % 2 else "there.example") for number in range(200)]
    said: list[str] = []
    done = run(tasks, jobs=0, work=unreachable, say=said.append)
    assert sorted(number_of(one.task) for one in done) == list(range(200))
    asked = [one for one in done if one.problem == "gone.example could not be read"]
    assert len(asked) == 8
    assert sum("is not asked again" in one.problem for one in done) == 92
    assert said == ["gone.example does not answer; what is left of it is not asked for"]


def test_shares_of_the_bandwidth_arrive() -> None:
    done = run(
        [task(number, host="a.example") for number in range(10)],
        work=name_process,
        limits=Limits(connections=2, bytes_per_s=1000),
    )
    shares = [int(one.outcomes[0].why.split()[1]) for one in done if one.outcomes]
    assert len(shares) == 10
    assert all(500 <= share <= 1000 for share in shares)
    assert all(one.task.bytes_per_s == 0 for one in done)

"""Tasks are done by a Dask cluster, whoever of it is killed; what it is not is told clearly."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from daskcluster import NO_IMGSCAN, OTHER_DISTRIBUTED, OTHER_VERSION, Cluster, cluster
from fleetwork import act, name_process, number_of, task

from imgscan.errors import EngineError, ImgscanError, InputError
from imgscan.fleet.execute import Done, execute
from imgscan.fleets import LayerTask


def run(tasks: list[LayerTask], **more: Any) -> list[Done]:
    with closing(execute(tasks, **{"work": act, **more})) as done:
        return list(done)


def numbers(done: list[Done]) -> list[int]:
    return sorted(number_of(one.task) for one in done)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler with two workers."""
    with cluster(tmp_path, workers=2) as made:
        yield made


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_of_this_machine(workers: int, capfd: pytest.CaptureFixture[str]) -> None:
    before = dict(logging.root.manager.loggerDict)
    levels = [logger.level for logger in before.values() if isinstance(logger, logging.Logger)]
    done = run([task(number) for number in range(40)], scheduler=f"local:{workers}", work=name_process)
    assert numbers(done) == list(range(40))
    pids = {int(one.outcomes[0].why.split()[0]) for one in done if one.outcomes}
    assert 1 <= len(pids) <= workers
    assert os.getpid() not in pids
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert capfd.readouterr() == ("", "")
    assert levels == [logger.level for logger in before.values() if isinstance(logger, logging.Logger)]
    assert not logging.getLogger("distributed").disabled


def test_a_worker_of_this_machine_that_is_killed_is_started_again() -> None:
    tasks = [task(0, ref="die"), task(1, ref="fail"), *(task(number) for number in range(2, 20))]
    done = run(tasks, scheduler="local:2")
    assert numbers(done) == list(range(20))
    problems = {number_of(one.task): one.problem for one in done if one.problem}
    assert problems.keys() == {0, 1}
    assert "most likely out of memory" in problems[0]
    assert problems[1] == "it is broken; somebody broke it; mend it"


def test_workers_that_are_killed_one_after_the_other(started: Cluster, tmp_path: Path) -> None:
    """Each is replaced, as whatever runs a cluster does."""
    stop = threading.Event()
    killed = []

    def kill_some() -> None:
        while not stop.wait(0.7) and len(killed) < 4:
            victim = started.processes[1 + len(killed)]
            victim.send_signal(signal.SIGKILL)
            killed.append(victim.pid)
            started.start_worker()

    killer = threading.Thread(target=kill_some)
    killer.start()
    try:
        done = run([task(number, ref="sleep:0.1") for number in range(60)], scheduler=started.address)
    finally:
        stop.set()
        killer.join()
    assert len(killed) >= 3
    assert numbers(done) == list(range(60))
    assert not any(one.problem for one in done)


def test_a_scheduler_that_is_killed(started: Cluster) -> None:
    done = []
    began = 0.0
    with (
        pytest.raises(EngineError) as caught,
        closing(
            execute([task(number, ref="sleep:0.2") for number in range(100)], scheduler=started.address, work=act)
        ) as results,
    ):
        for one in results:
            done.append(one)
            if len(done) == 5:
                began = time.monotonic()
                started.processes[0].kill()
    assert time.monotonic() - began < 20
    assert 5 <= len(done) < 100
    assert caught.value.exit_code == 3
    assert f"the Dask scheduler at {started.address} is gone" in caught.value.what
    assert "what is done is kept" in caught.value.next_step


def test_what_was_sent_is_taken_back(started: Cluster, tmp_path: Path) -> None:
    import distributed

    marks = tmp_path / "marks"
    marks.mkdir()
    with closing(
        execute([task(0), *(task(n, ref=f"mark:{marks}") for n in range(1, 30))], scheduler=started.address, work=act)
    ) as results:
        next(results)
        while len(list(marks.iterdir())) < 2:
            time.sleep(0.05)
    with distributed.Client(started.address, set_as_default=False) as client:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            left = client.run_on_scheduler(lambda dask_scheduler: sorted(dask_scheduler.tasks))
            if not left:
                break
            time.sleep(0.1)
    assert left == []
    assert len(list(marks.iterdir())) == 2


def test_results_do_not_stay_with_the_workers(started: Cluster) -> None:
    import distributed

    with (
        distributed.Client(started.address, set_as_default=False) as client,
        closing(execute([task(n) for n in range(200)], scheduler=started.address, work=name_process)) as results,
    ):
        most = 0
        for count, _ in enumerate(results):
            if count % 20 == 0:
                most = max(most, client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))
    assert 0 < most <= 16


def refuse(scheduler: str, **more: Any) -> ImgscanError:
    with pytest.raises(ImgscanError) as caught:
        run([task(0)], scheduler=scheduler, **more)
    return caught.value


@pytest.mark.parametrize("address", ["", "local", "local:0", "local:x", "http://a:1", "a:1", "local:١", "\x1b[31m"])
def test_what_is_no_scheduler(address: str) -> None:
    error = refuse(address)
    assert error.exit_code == 2
    assert "tcp://HOST:PORT" in error.next_step
    assert "\x1b" not in error.what


@pytest.mark.parametrize(
    ("address", "code"), [("tcp://127.0.0.1:1", 3), ("tcp://127.0.0.1:port", 2), ("tls://127.0.0.1:1", 2)]
)
def test_nobody_there(address: str, code: int, capfd: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    error = refuse(address)
    assert (error.exit_code, address in error.what) == (code, True)
    assert time.monotonic() - began < 30
    assert capfd.readouterr().err == ""


def test_a_scheduler_without_workers(tmp_path: Path) -> None:
    from imgscan.fleet.cluster import open_cluster

    said: list[str] = []
    with (
        cluster(tmp_path, workers=0) as made,
        pytest.raises(EngineError, match="has no workers") as caught,
        open_cluster(made.address, said.append, workers_s=1.0),
    ):
        pass
    assert caught.value.next_step == f"start some: dask worker {made.address}"
    assert said == [f"waiting for workers of the Dask scheduler at {made.address}"]


@pytest.mark.parametrize(
    ("first", "expected"),
    [(OTHER_VERSION, "has imgscan 9.9.9, rules "), (NO_IMGSCAN, "has no imgscan;")],
    ids=["other-version", "none"],
)
def test_a_worker_that_is_something_else(tmp_path: Path, first: str, expected: str) -> None:
    with cluster(tmp_path, workers=1) as made:
        made.start_worker("--name", "other", first=first)
        wait_for_workers(made, 2)
        error = refuse(made.address)
    assert error.exit_code == 2
    assert expected in error.cause
    assert error.cause.count("tcp://127.0.0.1:") == 1
    assert "here there is imgscan 0." in error.cause


@pytest.mark.parametrize(
    ("first", "expected"),
    [(OTHER_VERSION, "imgscan 9.9.9"), (NO_IMGSCAN, "has no imgscan")],
    ids=["other-version", "none"],
)
def test_a_worker_that_is_something_else_and_comes_late(tmp_path: Path, first: str, expected: str) -> None:
    with cluster(tmp_path, workers=1) as made:
        done = 0
        with (
            pytest.raises(InputError) as caught,
            closing(
                execute((task(n, ref="sleep:0.1") for n in range(1000)), scheduler=made.address, work=act)
            ) as results,
        ):
            for one in results:
                assert not one.problem
                done += 1
                if done == 3:
                    made.start_worker(first=first)
    assert 3 <= done < 1000
    assert expected in caught.value.cause


def test_a_scheduler_needs_no_imgscan(tmp_path: Path) -> None:
    with cluster(tmp_path, scheduler_first=NO_IMGSCAN) as made:
        assert numbers(run([task(number) for number in range(10)], scheduler=made.address)) == list(range(10))


def test_a_scheduler_that_is_something_else(tmp_path: Path) -> None:
    with cluster(tmp_path, scheduler_first=OTHER_DISTRIBUTED) as made:
        error = refuse(made.address)
    assert error.exit_code == 2
    assert "the scheduler has distributed 1.0.0; here there is imgscan" in error.cause


def wait_for_workers(made: Cluster, count: int) -> None:
    import distributed

    with distributed.Client(made.address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)

"""Tasks are done by a Dask cluster, whoever of it is killed; what it is not is told clearly."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import dask
import pytest
from daskcluster import NO_IMGSCAN, OTHER_DISTRIBUTED, OTHER_VERSION, Cluster, cluster
from fleetwork import PROGRAM, act, children, ends_within, name_process, number_of, task
from registries import make_certificate

from imgscan.errors import EngineError, ImgscanError, InputError
from imgscan.fleet.execute import Done, execute
from imgscan.fleets import LayerTask

ROOT = Path(__file__).parents[2]


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


@pytest.mark.parametrize("workers", [1, 2])
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
    killed: list[int] = []

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
    done: list[Done] = []
    tasks = [task(number, ref="sleep:0.2") for number in range(100)]

    def take(results: Iterator[Done]) -> None:
        for one in results:
            done.append(one)
            if len(done) == 5:
                started.processes[0].kill()

    began = time.monotonic()
    with (
        closing(execute(tasks, scheduler=started.address, work=act)) as results,
        pytest.raises(EngineError) as caught,
    ):
        take(results)
    assert time.monotonic() - began < 30
    assert 5 <= len(done) < 100
    assert caught.value.exit_code == 3
    assert f"the Dask scheduler at {started.address} is gone" in caught.value.what
    assert "what is done is kept" in caught.value.next_step


def test_what_was_sent_is_taken_back(started: Cluster, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    with closing(
        execute([task(0), *(task(n, ref=f"mark:{marks}") for n in range(1, 30))], scheduler=started.address, work=act)
    ) as results:
        next(results)
        while len(list(marks.iterdir())) < 2:
            time.sleep(0.05)
    assert tasks_left(started) == []
    assert len(list(marks.iterdir())) == 2


def test_results_do_not_stay_with_the_workers(started: Cluster) -> None:
    with (
        connected(started) as client,
        closing(execute([task(n) for n in range(200)], scheduler=started.address, work=name_process)) as results,
    ):
        most = 0
        for count, _ in enumerate(results):
            if count % 20 == 0:
                most = max(most, client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))
    assert 0 < most <= 16


@pytest.mark.alone
def test_what_takes_far_too_long_is_done_by_another_worker_as_well(started: Cluster, tmp_path: Path) -> None:
    said: list[str] = []
    tasks = [task(0, ref=f"stray:{tmp_path / 'astray'}"), *(task(number) for number in range(1, 12))]
    began = time.monotonic()
    done = run(tasks, scheduler=started.address, patience_s=1.0, say=said.append)
    assert numbers(done) == list(range(12))
    assert not any(one.problem for one in done)
    assert time.monotonic() - began < 30
    expected = (
        f"layer sha256:000000000000 of {tasks[0].ref} takes far longer than others; another worker reads it as well"
    )
    assert [line for line in said if "waiting" not in line] == [expected]


def test_workers_that_are_gone(tmp_path: Path) -> None:
    """For good: not for ever is waited for others."""
    from imgscan.fleet.cluster import open_cluster

    with cluster(tmp_path) as made, open_cluster(made.address, lambda _: None, workers_s=3.0) as crew:
        assert crew.send(act, task(0)).result(30).problem == ""
        waiting = crew.send(act, task(1, ref="sleep:60"))
        made.processes[-1].kill()
        began = time.monotonic()
        with pytest.raises(EngineError, match="has no workers"):
            check_until(crew, 30)
        assert 2 < time.monotonic() - began < 15
        assert not waiting.done()


def check_until(crew: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        crew.check()
        time.sleep(0.1)


def test_a_nanny_starts_what_was_killed_again(tmp_path: Path) -> None:
    with cluster(tmp_path, nanny=True) as made:
        tasks = [task(n, ref=f"die-once:{tmp_path / f'once-{n}'}" if n in (2, 5) else "") for n in range(8)]
        done = run(tasks, scheduler=made.address)
    assert numbers(done) == list(range(8))
    assert not any(one.problem for one in done)


def test_a_client_that_is_killed_leaves_nothing_on_the_scheduler(started: Cluster, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    sender = sending(tmp_path, marks, started.address)
    try:
        wait_for_marks(marks, sender)
    finally:
        sender.kill()
        sender.communicate()
    assert tasks_left(started) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_of_this_machine_end_with_their_parent(tmp_path: Path, how: signal.Signals) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    sender = sending(tmp_path, marks, "local:2")
    try:
        wait_for_marks(marks, sender)
        family = children(sender.pid)
        assert len(family) >= 2
        if how is signal.SIGINT:
            os.killpg(sender.pid, how)  # as a terminal does
        else:
            sender.send_signal(how)
        errors = sender.communicate(timeout=20)[1].decode()
    finally:
        sender.kill()
    assert ends_within(family, 10)
    assert sender.returncode == -how
    assert errors.count("Traceback") == (how is signal.SIGINT)


def sending(folder: Path, marks: Path, scheduler: str) -> subprocess.Popen[bytes]:
    """A process that has tasks done which do not end."""
    program = folder / "program.py"
    program.write_text(PROGRAM.replace("jobs=2", f"scheduler={scheduler!r}"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(
        [sys.executable, str(program), str(marks)], env=environment, stderr=subprocess.PIPE, start_new_session=True
    )


def wait_for_marks(marks: Path, sender: subprocess.Popen[bytes]) -> None:
    while len(list(marks.iterdir())) < 2 and sender.poll() is None:
        time.sleep(0.05)


def tasks_left(made: Cluster) -> list[str]:
    """What the scheduler knows of, once it has had time to forget."""
    left = ["?"]
    with connected(made) as client:
        end = time.monotonic() + 10
        while left and time.monotonic() < end:
            time.sleep(0.1)
            left = client.run_on_scheduler(lambda dask_scheduler: sorted(dask_scheduler.tasks))
    return left


def connected(made: Cluster) -> Any:
    import distributed

    return distributed.Client(made.address, set_as_default=False)  # type: ignore[no-untyped-call]


def test_without_the_package() -> None:
    program = "import sys; sys.modules['distributed'] = None\nfrom imgscan.cli.main import _say\n"
    program += "from imgscan.fleet.execute import execute\nfrom imgscan.errors import InputError\n"
    program += (
        "try: list(execute([], scheduler='local:1', work=len))\nexcept InputError as error: print(error.next_step)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (said.stdout, said.stderr) == ("pip install 'imgscan[fleet]'\n", "")


def test_a_scheduler_over_tls(tmp_path: Path) -> None:
    """Certificate and key are those of Dask's own configuration."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make_certificate(key, certificate, "127.0.0.1", "IP:127.0.0.1")
    tls = {
        f"DASK_DISTRIBUTED__COMM__TLS__{role}__{name}": str(path)
        for role in ("SCHEDULER", "WORKER", "CLIENT")
        for name, path in (("KEY", key), ("CERT", certificate))
    } | {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(certificate)}
    made = Cluster(tmp_path, tls)
    settings = {"ca-file": str(certificate), "client.key": str(key), "client.cert": str(certificate)}
    try:
        made.start_scheduler("--port", "0", "--no-dashboard", "--protocol", "tls")
        made.start_worker("--protocol", "tls")
        assert made.address.startswith("tls://")
        error = refuse(made.address)
        assert (error.exit_code, "distributed.comm.tls" in error.next_step) == (2, True)
        with dask.config.set({f"distributed.comm.tls.{name}": path for name, path in settings.items()}):
            done = run([task(number) for number in range(10)], scheduler=made.address)
    finally:
        made.close()
    assert numbers(done) == list(range(10))


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
    """Nothing of the attempt is left: not the thread either in which the library talks to a scheduler."""
    from imgscan.fleet.cluster import open_cluster

    before = threading.enumerate()
    began = time.monotonic()
    with pytest.raises(ImgscanError) as caught, open_cluster(address, lambda _: None, connect_s=2.0):
        pass
    assert (caught.value.exit_code, address in caught.value.what) == (code, True)
    assert time.monotonic() - began < 15
    assert threading.enumerate() == before
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("scheduler", "where", "what"),
    [
        ("tcp://127.0.0.1:1", "client", "the Dask scheduler at tcp://127.0.0.1:1 could not be connected to"),
        ("local:1", "scheduler", "the Dask workers of this machine could not be started"),
    ],
    ids=["client", "cluster"],
)
def test_the_library_fails_in_some_other_way(scheduler: str, where: str, what: str) -> None:
    with dask.config.set({f"distributed.{where}.preload": ["raise AssertionError"]}):
        error = refuse(scheduler)
    assert (error.exit_code, error.what) == (3, what)
    assert "AssertionError" in error.cause or "failed to start" in error.cause


def test_what_did_not_connect_is_not_in_the_way_of_what_does(started: Cluster) -> None:
    """Whatever is left to collect, it may be collected in the very thread that the next connection starts."""
    collected: list[int] = []

    def collect_once(frame: Any, event: str, argument: Any) -> None:
        if not collected and threading.current_thread().name == "IO loop":
            collected.append(gc.collect())

    with forgotten_by_the_collector():
        left: list[Any] = [refuse("tcp://127.0.0.1:port")]
        left.append(left)
        del left
        threading.setprofile(collect_once)
        try:
            done = run([task(number) for number in range(3)], scheduler=started.address)
        finally:
            threading.setprofile(None)
    assert collected
    assert numbers(done) == [0, 1, 2]


@contextmanager
def forgotten_by_the_collector() -> Iterator[None]:
    """Nothing is collected but where somebody asks for it."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


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
    done: list[Done] = []

    def take(results: Iterator[Done]) -> None:
        for one in results:
            done.append(one)
            if len(done) == 3:
                made.start_worker(first=first)

    with cluster(tmp_path, workers=1) as made:
        tasks = (task(number, ref="sleep:0.1") for number in range(1000))
        with (
            closing(execute(tasks, scheduler=made.address, work=act)) as results,
            pytest.raises(InputError) as caught,
        ):
            take(results)
    assert 3 <= len(done) < 1000
    assert not any(one.problem for one in done)
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
    with connected(made) as client:
        client.wait_for_workers(count, timeout=60)

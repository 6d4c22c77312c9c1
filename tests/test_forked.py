"""Requests to forked processes and their answers, of any size and in any order, and what is left when one goes wrong."""

from __future__ import annotations

import errno
import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgscan.errors import WorkerError
from imgscan.forked import Forked, Serve
from imgscan.source.records import StoreError

PIPE_BYTES = 1 << 16


@contextmanager
def forked(serve: Serve, count: int = 2) -> Iterator[Forked]:
    with closing(Forked(serve)) as made:
        made.start(count)
        yield made


def children() -> set[int]:
    """The processes that this one has, ended ones that nobody waited for as well."""
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Whatever a test does: no process and no descriptor is left."""
    before = children(), descriptors()
    yield
    assert (children(), descriptors()) == before


def echo(request: bytes) -> bytes:
    return request


def who(_: bytes) -> bytes:
    return b"%d" % os.getpid()


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(requests=st.lists(st.tuples(st.integers(0, 3 * PIPE_BYTES), st.integers(0, 3 * PIPE_BYTES)), max_size=30))
@pytest.mark.parametrize("count", [1, 2, 3])
def test_whatever_goes_out_comes_back(count: int, requests: list[tuple[int, int]]) -> None:
    def serve(request: bytes) -> bytes:
        size = int.from_bytes(request[:8], "little")
        return request[-1:] * size

    with forked(serve, count) as made:
        asked = [
            (made.ask(out.to_bytes(8, "little") + bytes([number]) * (sent + 1)), bytes([number]) * out)
            for number, (sent, out) in enumerate(requests)
        ]
        assert all(answer.result() == expected for answer, expected in asked)
        assert all(answer.done() for answer, _ in asked)


@pytest.mark.parametrize("order", [1, -1], ids=["forwards", "backwards"])
@pytest.mark.parametrize("count", [1, 2])
def test_more_than_any_pipe_holds_in_both_directions(count: int, order: int) -> None:
    """Nobody takes an answer before all are asked for, and each process has written one that nobody reads."""
    requests = [bytes([number]) * (40 * PIPE_BYTES + number) for number in range(12)]
    with forked(echo, count) as made:
        answers = [made.ask(request) for request in requests]
        assert [answer.result() for answer in answers[::order]] == requests[::order]


def test_a_long_request_holds_up_no_more_than_the_few_behind_it() -> None:
    held, release = os.pipe()

    def serve(request: bytes) -> bytes:
        return os.read(held, 1) if request == b"long" else who(request)

    with forked(serve) as made:
        long = made.ask(b"long")
        short = [made.ask(b"short") for _ in range(20)]
        while sum(answer.data is not None for answer in short) < 18:
            made.move(wait=True)
        assert not long.done()
        os.write(release, b"!")
        assert long.result() == b"!"
        assert [answer.result() for answer in short]
    os.close(held)
    os.close(release)


def test_a_process_gives_way_to_who_asks_it() -> None:
    with forked(lambda _: b"%d" % os.nice(0)) as made:
        assert int(made.ask(b"").result()) > os.nice(0)


class Unpicklable(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} {two}")


def raise_it(request: bytes) -> bytes:
    match request:
        case b"store":
            raise StoreError("a file is shorter than recorded")
        case b"system":
            raise FileNotFoundError(errno.ENOENT, "no such file")
        case b"mine":
            raise Unpicklable(1, 2)
        case _:
            return request


def test_what_is_raised_there_is_raised_here() -> None:
    with forked(raise_it) as made:
        asked = [made.ask(request) for request in (b"store", b"system", b"mine", b"no")]
        with pytest.raises(StoreError, match="shorter than recorded") as caught:
            asked[0].result()
        assert any("in raise_it" in note for note in caught.value.__notes__), "and where it was raised"
        with pytest.raises(FileNotFoundError):
            asked[1].result()
        with pytest.raises(RuntimeError, match="Unpicklable"):
            asked[2].result()
        assert asked[3].result() == b"no"
        assert made.ask(b"again").result() == b"again"


def test_a_process_that_is_killed_while_others_work() -> None:
    def wait(request: bytes) -> bytes:
        if request == b"for ever":
            time.sleep(600)
        return who(request)

    others = children()  # of tests that ran here before, whose servers go on
    with forked(wait, 3) as made:
        first = [made.ask(b"").result() for _ in range(3)]
        waiting = [made.ask(b"for ever") for _ in range(3)]
        os.kill(min(children() - others), signal.SIGKILL)
        with pytest.raises(WorkerError, match="ended in the middle") as caught:
            waiting[2].result()
        assert "--jobs 1" in caught.value.next_step
        with pytest.raises(WorkerError, match="ended in the middle"):
            made.ask(b"")
        with pytest.raises(WorkerError, match="ended in the middle"):
            waiting[0].done()
        assert len(first) == 3


@pytest.mark.parametrize("size", [0, 3 * PIPE_BYTES], ids=["idle", "in the middle of a request"])
def test_a_process_that_ends_before_it_has_read_a_request(size: int) -> None:
    with forked(lambda _: os._exit(0), 1) as made:
        first = made.ask(b"")
        with pytest.raises(WorkerError):  # noqa: PT012 - it may be seen at any of these
            made.ask(bytes(size))
            made.ask(bytes(size))
            first.result()


def test_an_answer_that_was_there_before_another_process_ended() -> None:
    with forked(lambda request: os._exit(1) if request else b"there", 2) as made:
        good = made.ask(b"")
        assert good.result() == b"there"
        with pytest.raises(WorkerError):
            made.ask(b"bad").result()
        assert good.result() == b"there"


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_interrupt_while_one_waits() -> None:
    """However long they would go on: close does not wait for them."""

    def wait(request: bytes) -> bytes:
        time.sleep(600)
        return request

    began = time.monotonic()
    with forked(wait) as made:
        answers = [made.ask(bytes(2 * PIPE_BYTES)) for _ in range(10)]
        with pytest.raises(KeyboardInterrupt), interrupted_after(0.2):
            answers[0].result()
    assert time.monotonic() - began < 60


def test_an_interrupt_at_any_moment() -> None:
    def for_ever(made: Forked) -> None:
        while True:
            assert made.ask(bytes(PIPE_BYTES)).result() == bytes(PIPE_BYTES)

    for number in range(40):
        with forked(echo) as made, pytest.raises(KeyboardInterrupt), interrupted_after(0.001 + number / 4000):
            for_ever(made)


def test_two_at_a_time_and_the_first_ends_first() -> None:
    """The processes of the second have the pipes of the first, too."""
    with closing(Forked(who)) as first, closing(Forked(who)) as second:
        first.start(2)
        before = first.ask(b"").result()
        second.start(2)
        assert second.ask(b"").result() != before
        first.close()
        assert second.ask(b"").result()
        with pytest.raises(WorkerError):
            first.ask(b"")


def test_close_again_and_before_anything() -> None:
    made = Forked(echo)
    made.close()
    with forked(echo) as started:
        started.close()


def test_no_descriptor_left_to_start_with() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with closing(Forked(echo)) as made:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors() + 7, hard))
        try:
            with pytest.raises(WorkerError, match="cannot be started") as caught:
                made.start(20)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert "Too many open files" in caught.value.cause


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_what_a_terminal_sends_to_all_is_the_parents_to_handle(number: signal.Signals) -> None:
    def send(request: bytes) -> bytes:
        os.kill(os.getpid(), number)
        return request

    with forked(send) as made:
        assert made.ask(b"still there").result() == b"still there"


def open_pipes() -> list[str]:
    """The ends of pipes that this process has."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists them
            found.append(str(entry.readlink()))
    return [link for link in found if link.startswith("pipe:")]


def test_what_a_process_has_of_the_pipes() -> None:
    """Its own two ends and nothing of the others': else none would see that nobody is there any more."""
    before = open_pipes()
    with forked(lambda _: "\n".join(open_pipes()).encode(), 3) as made:
        asked = [made.ask(b"") for _ in range(3)]
        theirs = [set(answer.result().decode().split()) - set(before) for answer in asked]
    assert [len(ends) for ends in theirs] == [2, 2, 2]

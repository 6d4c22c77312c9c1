"""A Dask cluster as an executor: calls -> futures, on workers that come and go.

The scheduler sends what a lost worker had to another one, and gives up what has ended too many. Here is seen to it that
it can be reached and has workers, that these are what this process is, and that nothing is left of us on it.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import secrets
import time
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from importlib import import_module
from typing import Any, Final

from imgscan.errors import EngineError, ImgscanError, InputError
from imgscan.escape import plain, shorten
from imgscan.fleet.attempt import (
    Attempt,
    Work,
    describe_installation,
    pack,
    pack_task,
)
from imgscan.fleet.pool import TaskLost, ctrl_c_later
from imgscan.fleets import LayerTask

CONNECT_S: Final = 15.0
WORKERS_S: Final = 60.0
"""How long to wait for a first worker, and for another one when all are gone."""
_COUNT_S: Final = 2.0
_CLOSE_S: Final = 10.0
_ON_THE_WAY: Final = 8
_MOST_UNRUNNABLE: Final = 5
_LABEL_CHARS: Final = 12


class ClusterCrew:
    """The workers of a scheduler that a `client` is connected to; `address` names it in messages."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - a Client of distributed, which need not be there
        address: str,
        *,
        workers_s: float = WORKERS_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._address = address
        self._executor = client.get_executor(pure=False)
        self._workers_s = workers_s
        self._clock = clock
        self._threads = 0
        self._counted_at = self._seen_at = clock()
        self._unrunnable = 0
        self._is_unrunnable = False

    @property
    def at_once(self) -> int:
        """How many tasks the workers have threads for; the last number known while there are none."""
        return max(self._threads, 1)

    @property
    def is_uneven(self) -> bool:
        """Machines differ, and one may be ill; the scheduler moves what waits, but never what has begun."""
        return True

    @property
    def most_sent(self) -> int:
        """How many calls to have under way: the way to the next one is longer than in a machine."""
        return 2 * self.at_once + _ON_THE_WAY

    def send(self, work: Work, task: LayerTask) -> Future[Attempt]:
        """Send a task. Its key, which the dashboard shows, has of it the beginning of a digest."""
        label = (
            "".join(filter(str.isalnum, task.blobs[0].diff_id.partition(":")[2][:_LABEL_CHARS])) if task.blobs else ""
        )
        key = f"layer-{label}-{secrets.token_hex(8)}"
        with self._talking():
            sent: Future[Attempt] = self._executor.submit(pickle.load, pack_task(work, task), key=key)
        handed: Future[Attempt] = Future()
        sent.add_done_callback(lambda ended: self._hand_on(ended, handed))
        # Each would keep the other, and with it the result on its worker, until cycles are looked for.
        known = weakref.ref(sent)
        handed.add_done_callback(lambda ended: _cancel(known()) if ended.cancelled() else None)
        return handed

    def check(self) -> None:
        """Raise EngineError when scheduler or workers are gone, InputError when a worker cannot do what it is sent."""
        if self._client.status != "running":
            raise self._gone("the connection to it was closed")
        if self._is_unrunnable:
            self._is_unrunnable = False
            self.check_installations()
            # Whoever it was is gone, or it was something else.
            self._unrunnable += 1
            if self._unrunnable >= _MOST_UNRUNNABLE:
                raise EngineError(
                    f"the cluster at {self._address} does not run what it is sent",
                    cause="its workers say that it fails before it begins",
                    next_step="see the logs of the scheduler and its workers",
                )
        self._count()

    def check_installations(self) -> None:
        """Raise InputError unless all workers are what this process is; of the scheduler, which only hands on, Python
        and `distributed` count."""
        own = describe_installation()
        with self._talking():
            found = self._client.run(pickle.load, pack(describe_installation), on_error="return")
            packages = self._client.get_versions()["scheduler"]["packages"]
            python = ".".join(str(packages["python"]).split(".")[:2])
            found["the scheduler"] = {**own, "python": python, "distributed": str(packages["distributed"])}
            # A connection that is lost says nothing of a worker; tasks are for the right ones alone in any case.
            others = {where: said for where, said in found.items() if said != own and not isinstance(said, OSError)}
            if others:
                raise _other_installations(self._address, own, others)

    def wait_for_workers(self, say: Callable[[str], None]) -> None:
        """Wait until there is one. Raises EngineError."""
        self._count(now=True)
        if not self._threads:
            say(f"waiting for workers of the Dask scheduler at {self._address}")
        while not self._threads:
            time.sleep(0.2)
            self.check()
            self._count(now=True)

    def shutdown(self) -> None:
        """Take back what was sent, and end the connection. What a worker has begun it goes on with, for nobody."""
        if self._client.status == "running":
            with contextlib.suppress(Exception):  # that there is nobody left to tell
                self._executor.shutdown(wait=False)
        _end(self._client)

    def _count(self, *, now: bool = False) -> None:
        """How many threads the workers have, asked now and then. Raises EngineError."""
        at = self._clock()
        if not now and at - self._counted_at < _COUNT_S:
            return
        self._counted_at = at
        with self._talking():
            threads = sum(self._client.nthreads().values())
        if threads:
            self._threads, self._seen_at = threads, at
        if at - self._seen_at > self._workers_s:
            raise EngineError(
                f"the Dask scheduler at {self._address} has no workers",
                cause=f"none was there for {self._workers_s:.0f} s",
                next_step=f"start some: dask worker {self._address}",
            )

    @contextlib.contextmanager
    def _talking(self) -> Iterator[None]:
        """Whatever becomes of a question to the scheduler. Raises EngineError."""
        try:
            yield
        except ImgscanError:
            raise
        except Exception as error:  # the library raises errors of many kinds for a connection that is lost
            raise self._gone(f"it could not be asked ({type(error).__name__})") from None

    def _gone(self, cause: str) -> EngineError:
        return EngineError(
            f"the Dask scheduler at {self._address} is gone",
            cause=cause,
            next_step="start it again, then run the same command again: what is done is kept",
        )

    def _hand_on(self, ended: Future[Attempt], handed: Future[Attempt]) -> None:
        if not handed.set_running_or_notify_cancel():
            return
        if ended.cancelled():
            handed.set_exception(TaskLost(ended=0))
            return
        error = ended.exception()
        if error is None:
            handed.set_result(ended.result())
        elif isinstance(error, _distributed().KilledWorker):
            handed.set_exception(TaskLost(ended=error.allowed_failures + 1))
        else:
            # No exception of the work comes this way: the task could not be unpacked, or its result.
            self._is_unrunnable = True
            handed.set_exception(TaskLost(ended=0))


def _cancel(future: Future[Attempt] | None) -> None:
    if future is not None:
        future.cancel()


@contextlib.contextmanager
def open_cluster(
    scheduler: str, say: Callable[[str], None], *, workers_s: float = WORKERS_S, connect_s: float = CONNECT_S
) -> Iterator[ClusterCrew]:
    """Connect to a scheduler (`tcp://HOST:PORT`, `tls://HOST:PORT`), or start one here with `local:N` workers.

    Raises InputError for an address that is none, a cluster that is not what this process is, or where `distributed` is
    not installed; EngineError where nobody answers or nobody works.
    """
    kind, _, rest = scheduler.partition(":")
    local = kind == "local" and rest.isascii() and rest.isdigit() and 0 < int(rest[:6]) < 1000
    if not local and not scheduler.startswith(("tcp://", "tls://")):
        raise InputError(
            f"{plain(shorten(scheduler, 100))} is no scheduler",
            next_step="name one as tcp://HOST:PORT or tls://HOST:PORT, or local:N for N workers on this machine",
        )
    with contextlib.ExitStack() as stack:
        _distributed()
        stack.enter_context(_quiet())
        where = stack.enter_context(_local_cluster(int(rest), say)) if local else scheduler
        client = _connect(where, plain(scheduler), connect_s)
        crew = ClusterCrew(client, plain(scheduler), workers_s=workers_s)
        stack.callback(crew.shutdown)
        crew.wait_for_workers(say)
        crew.check_installations()
        yield crew


def _distributed() -> Any:  # noqa: ANN401 - it need not be there
    """The package. Raises InputError."""
    try:
        return import_module("distributed")
    except ImportError:
        raise InputError(
            "--scheduler needs the package distributed, which is not installed",
            next_step="pip install 'imgscan[fleet]'",
        ) from None


def _connect(where: Any, name: str, seconds: float) -> Any:  # noqa: ANN401 - an address or a cluster; a client
    try:
        return _made_client(where, seconds)
    except (OSError, TimeoutError) as error:
        raise EngineError(
            f"no Dask scheduler answers at {name}",
            cause=plain(shorten(str(error).splitlines()[0] if str(error) else type(error).__name__, 300)),
            next_step="start one: dask scheduler",
        ) from error
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{name} cannot be connected to",
            cause=plain(shorten(str(error), 300)),
            next_step="for tls:// Dask's configuration has to name certificate and key under distributed.comm.tls",
        ) from error
    except Exception as error:  # an assertion, say, where this machine is too busy for the library to start a thread
        raise _not_there(f"the Dask scheduler at {name} could not be connected to", error) from error


def _not_there(what: str, error: Exception) -> EngineError:
    """For an error of the library that says little, and is not known to come again."""
    cause = f"{type(error).__name__}: {error}".removesuffix(": ")
    return EngineError(
        what, cause=plain(shorten(cause, 300)), next_step="run the same command again; Dask's configuration may matter"
    )


def _made_client(where: Any, seconds: float) -> Any:  # noqa: ANN401 - an address or a cluster; a client
    """A client that is connected; one that could not be is ended, which its constructor does not see to."""
    kind = _distributed().Client
    client = kind.__new__(kind)
    try:
        with warnings.catch_warnings():
            # Versions are compared here, with better words.
            warnings.simplefilter("ignore")
            client.__init__(where, timeout=seconds, set_as_default=False, name="imgscan")
    except BaseException:
        _end(client)
        raise
    return client


def _end(client: Any) -> None:  # noqa: ANN401 - a client
    """Close a client and end the thread of its event loop.

    One that is left to the garbage collector ends itself in the thread that happens to collect it. If that is the
    thread of another client's loop that is being started, it waits for a lock which the starting one holds.
    """
    with contextlib.suppress(Exception):  # that there is nobody left to tell
        client.close(timeout=_CLOSE_S)
    # A client that has closed itself, as it does where nobody answers, has left its loop running.
    with contextlib.suppress(Exception):
        client._loop_runner.stop()


@contextlib.contextmanager
def _local_cluster(count: int, say: Callable[[str], None]) -> Iterator[Any]:
    """A scheduler and workers on this machine, which end with the block and with this process."""
    settings = {
        "distributed.worker.profile.enabled": False,
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
    }
    with ctrl_c_later(), import_module("dask").config.set(settings):
        try:
            cluster = _distributed().LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                host="127.0.0.1",
                # The port of its web server is looked for even where that has no pages; the usual one may be taken.
                scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                silence_logs=logging.CRITICAL,
                security=_temporary_security(say),
            )
        except Exception as error:  # of many kinds
            raise _not_there("the Dask workers of this machine could not be started", error) from error
    with cluster:
        yield cluster


def _temporary_security(say: Callable[[str], None]) -> Any:  # noqa: ANN401 - a Security, of an optional package
    """Certificates for a cluster that nobody else is to use."""
    try:
        return _distributed().Security.temporary()
    except ImportError:
        say("without the package cryptography, other users of this machine can use the workers that are started here")
        return None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What happens to a cluster is told by us; its own loggers say it several times over, with tracebacks."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]
    loggers = [logging.getLogger(name) for name in {"distributed", *names}]
    was = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, was, strict=True):
            logger.disabled = disabled


def _other_installations(address: str, own: Mapping[str, str], others: Mapping[str, object]) -> ImgscanError:
    told = [f"{plain(where)} {_difference(own, said)}" for where, said in list(others.items())[:5]]
    more = f", and {len(others) - 5} more" if len(others) > 5 else ""
    return InputError(
        f"the cluster at {address} does not run what this process runs",
        cause="; ".join(told) + more + f"; here there is {_written(own)}",
        next_step="install the same versions everywhere, scheduler included: pip install 'imgscan[fleet]'",
    )


def _difference(own: Mapping[str, str], said: object) -> str:
    if isinstance(said, dict):
        return f"has {_written({name: str(said.get(name)) for name, value in own.items() if said.get(name) != value})}"
    name = getattr(said, "name", None)
    if isinstance(said, ImportError) and isinstance(name, str):
        package = name.partition(".")[0]
        return f"has no {plain(package)}" + (" of this version" if package != name else "")
    return f"cannot be asked ({type(said).__name__})"


def _written(parts: Mapping[str, str]) -> str:
    return ", ".join(f"{plain(name)} {plain(shorten(value, 60))}" for name, value in parts.items())

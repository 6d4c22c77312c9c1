"""Does a service start before what it depends on answers? Watched while a project starts on fresh volumes, with the
first start of databases slowed down.

In: a stack that is about to start, and who depends on which port of whom. Out: who was early, by observation.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from imgscan.errors import ImgscanError
from imgscan.verify.sockets import reachable
from imgscan.verify.stack import Stack, State

INIT_FOLDER: Final = "/docker-entrypoint-initdb.d"
SLOW_S: Final = 4
_SLOW_FILE: Final = "zz-imgscan-slow.sh"
_SLOW_TEXT: Final = f"sleep {SLOW_S}\n"
_POLL_S: Final = 0.15
_ANSWER_S: Final = 30.0
_DATABASES: Final = ("postgres", "postgis", "timescale", "pgvector", "mysql", "mariadb", "mongo", "percona")
_DATABASE_VARIABLES: Final = ("POSTGRES_", "MYSQL_", "MARIADB_", "MONGO_INITDB_")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Need:
    """A service that depends on a port of another one."""

    client: str
    server: str
    port: int


@dataclass(slots=True, kw_only=True)
class Watched:
    """What was seen. `early`: the client ran while nobody answered at the server's port; seconds from then until
    somebody did (None: never). `answered` are the ports that did answer."""

    early: dict[Need, float] = field(default_factory=dict)
    late_by: dict[Need, float] = field(default_factory=dict)
    answered: set[tuple[str, int]] = field(default_factory=set)
    looks: int = 0


@contextmanager
def watch(stack: Stack, needs: Iterable[Need]) -> Iterator[Watched]:
    """Look several times a second while the block lasts."""
    seen, over = Watched(), threading.Event()
    wanted = sorted(set(needs))
    thread = threading.Thread(target=_look_on, args=(stack, wanted, seen, over), daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join(10)


def wait_for_answers(seen: Watched, needs: Iterable[Need], running: Callable[[], frozenset[str]]) -> None:
    """Wait until every server that others need has answered, as long as it runs; half a minute at most."""
    deadline = time.monotonic() + _ANSWER_S
    wanted = {(need.server, need.port) for need in needs}
    while time.monotonic() < deadline and {pair for pair in wanted - seen.answered if pair[0] in running()}:
        time.sleep(_POLL_S)


def _look_on(stack: Stack, needs: list[Need], seen: Watched, over: threading.Event) -> None:
    while not over.is_set():
        # An engine that is busy or gone: whoever started the stack learns of it, too.
        with suppress(ImgscanError):
            _look(stack, needs, seen)
        over.wait(_POLL_S)


def _look(stack: Stack, needs: list[Need], seen: Watched) -> None:
    states = stack.states()
    seen.looks += 1
    for need in needs:
        client, server = states.get(need.client), states.get(need.server)
        if client is None or not client.started or (need.server, need.port) in seen.answered:
            continue
        # The client was seen first: if nobody listens now, nobody did when it started.
        if _answers(stack, server, need.port):
            if need in seen.early:
                seen.late_by[need] = time.monotonic() - seen.early[need]
            seen.answered.add((need.server, need.port))
        else:
            seen.early.setdefault(need, time.monotonic())


def _answers(stack: Stack, state: State | None, port: int) -> bool:
    if state is None or not state.running:
        return False
    listening = stack.listening(state)
    return listening is not None and bool(reachable(listening, port))


def slow_mounts(config: Mapping[str, Any], copy: Path, work: Path) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """For every database that runs scripts on its first start, one that takes a few seconds: mounted, or put beside
    those of the project (in the copy) where it mounts a folder there."""
    file = work / _SLOW_FILE
    for name, service in config.get("services", {}).items():
        if not is_database(service):
            continue
        folder = next(
            (m for m in service.get("volumes") or () if isinstance(m, dict) and m.get("target") == INIT_FOLDER), None
        )
        if folder is None:
            file.write_text(_SLOW_TEXT, encoding="utf-8")
            file.chmod(0o644)
            yield name, ((str(file), f"{INIT_FOLDER}/{_SLOW_FILE}"),)
        elif folder.get("type") == "bind" and Path(str(folder.get("source"))).is_dir():
            script = Path(str(folder["source"])) / _SLOW_FILE
            if copy in script.parents:
                script.write_text(_SLOW_TEXT, encoding="utf-8")
                script.chmod(0o644)


def is_database(service: Mapping[str, Any]) -> bool:
    """Whether a service is one of the databases whose images run `/docker-entrypoint-initdb.d`."""
    image = str(service.get("image") or "").rpartition("/")[2]
    environment = service.get("environment")
    names = environment if isinstance(environment, dict) else {}
    known = any(word in image for word in _DATABASES)
    return known or (not service.get("build") and any(str(name).startswith(_DATABASE_VARIABLES) for name in names))

"""An engine for the project's scripts in the sandbox: `exec` into a container of the scratch project, and nothing else.

In: calls as the broker takes them. Out: exit codes, with the scripts' own input and outputs on the program in the
container. Names of services and containers mean those of the scratch project; every other verb is refused.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from imgscan.verify.broker import REFUSED, Asked
from imgscan.verify.commandline import EngineCall, read_call
from imgscan.verify.process import end_session
from imgscan.verify.scratch import services_of
from imgscan.verify.stack import Stack

_CALL_S: Final = 120.0
_PASSED: Final = frozenset({"-u", "--user", "-w", "--workdir", "-e", "--env"})
_USER_FLAGS: Final = frozenset({"-U", "--username", "-u", "--user"})


@dataclass(slots=True, kw_only=True)
class Passage:
    """What passes. `config` is the project as compose resolved it, `containers` the scratch project's by service;
    `wrong_user`: programs get this as the database's user instead of the right one. `refused` are calls that were not
    passed on."""

    stack: Stack
    config: Mapping[str, Any]
    containers: Mapping[str, str]
    user: str
    wrong_user: str | None = None
    refused: list[str] = field(default_factory=list)
    passed: int = 0
    _running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, asked: Asked) -> int:
        """Answer a call."""
        call = read_call(asked.program, asked.words)
        if call.subcommand == "exec" and not call.broken and len(call.operands) > 1:
            service = self._service(call)
            if service is not None:
                self.passed += 1
                return self._execute(service, call, asked)
        if call.subcommand in ("ps", "container ls") and call.has("-q", "--quiet"):
            return self._list(call, asked)
        if call.subcommand in ("version", "info", "volume inspect", "inspect", "ps", "config"):
            return 0
        shown = f"{asked.program} {'compose ' if call.compose else ''}{call.subcommand}".strip()
        self.refused.append(shown)
        with suppress(OSError):
            os.write(asked.streams[2], f"{shown}: not passed on\n".encode())
        return REFUSED

    def end(self) -> None:
        """End what still runs."""
        with self._lock:
            running = list(self._running)
        for process in running:
            end_session(process)

    def _service(self, call: EngineCall) -> str | None:
        """The service that a call means, by its name or by a name that its container would have."""
        name = call.operands[0]
        if name in self.containers:
            return name
        if call.compose:
            return None
        project = str(self.config.get("name") or "")
        for service, record in services_of(self.config).items():
            usual = (record.get("container_name"), f"{project}-{service}-1", f"{project}_{service}_1")
            if service in self.containers and (name in usual or self.containers[service] == name):
                return service
        return None

    def _execute(self, service: str, call: EngineCall, asked: Asked) -> int:
        compose = self.stack.bench.compose
        words = compose.exec_words(self.stack.scratch.name, service, self.containers[service], self._options(call))
        command = [*words, *self._words(call.operands[1:])]
        process = subprocess.Popen(  # noqa: S603 - compose or docker, and a program in a container of ours
            command,
            env=dict(compose.environment),
            stdin=asked.streams[0],
            stdout=asked.streams[1],
            stderr=asked.streams[2],
            start_new_session=True,
        )
        with self._lock:
            self._running.add(process)
        try:
            return process.wait(_CALL_S)
        except subprocess.TimeoutExpired:
            end_session(process)
            return 124
        finally:
            with self._lock:
                self._running.discard(process)

    def _options(self, call: EngineCall) -> list[str]:
        """Compose attaches the input by itself, and a terminal only if there is one, which here there never is."""
        options = ["-i"] if call.compose or call.has("-i", "--interactive") else []
        if call.has("-t", "--tty") and not call.has("-T", "--no-TTY"):
            options.append("-t")
        for name, value in call.flags:
            if name in _PASSED and value is not None:
                options += [name, value]
        if self.wrong_user is not None:
            options += ["-e", f"POSTGRES_USER={self.wrong_user}", "-e", f"PGUSER={self.wrong_user}"]
        return options

    def _words(self, words: tuple[str, ...]) -> list[str]:
        """The program's words, the database's user replaced where one is to be wrong."""
        if self.wrong_user is None:
            return list(words)
        given = list(words)
        for at, word in enumerate(given):
            name, glued, value = word.partition("=")
            if word in _USER_FLAGS and at + 1 < len(given) and given[at + 1] == self.user:
                given[at + 1] = self.wrong_user
            elif glued and name in _USER_FLAGS and value == self.user:
                given[at] = f"{name}={self.wrong_user}"
            elif word == f"-U{self.user}":
                given[at] = f"-U{self.wrong_user}"
            elif " " in word:
                # A script for a shell in the container.
                for flag in _USER_FLAGS:
                    given[at] = given[at].replace(f"{flag} {self.user} ", f"{flag} {self.wrong_user} ")
        return given

    def _list(self, call: EngineCall, asked: Asked) -> int:
        """Ids of containers: those of the services named, or whose names a filter names."""
        wanted = list(call.operands) if call.compose else []
        for name, value in call.flags:
            if name in ("-f", "--filter") and value:
                wanted.append(value.partition("=")[2].strip("^$/"))
        found = [id_ for service, id_ in self.containers.items() if not wanted or any(service in w for w in wanted)]
        with suppress(OSError):
            os.write(asked.streams[1], "".join(f"{id_}\n" for id_ in found).encode())
        return 0

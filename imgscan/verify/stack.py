"""The scratch project on the engine: made, started, looked at, ended. In: a `Scratch`. Out: what its containers did."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imgscan.errors import EngineError, InputError
from imgscan.frozen import frozen
from imgscan.verify.leftovers import containers_of
from imgscan.verify.process import Ran
from imgscan.verify.scratch import LABEL, Scratch
from imgscan.verify.sockets import Listening, read_sockets

if TYPE_CHECKING:
    from imgscan.engine import Engine
    from imgscan.project.compose.records import ComposeProject
    from imgscan.verify.bench import Bench

UP_S: Final = 180
_SETTLE_S: Final = 60
_POLL_S: Final = 0.3
_OFTEN_S: Final = 2
# The engine's own defaults (moby, daemon/health.go).
_INTERVAL_S: Final = 30.0
_RETRIES: Final = 3
_SERVICE: Final = "com.docker.compose.service"


@frozen
class State:
    """What a container does. `health` is None without a check; `log` its last lines, `checks` what the health check
    wrote last; `ports` are those that its image exposes."""

    service: str
    container: str
    pid: int
    started: bool
    running: bool
    exit_code: int
    health: str | None
    restarts: int
    checks: str
    ports: tuple[int, ...] = ()

    @property
    def well(self) -> bool:
        """Whether it runs, and is healthy if it can tell."""
        return self.running and self.health in (None, "healthy") and not self.restarts

    @property
    def waiting(self) -> bool:
        """Whether it may still become well."""
        return self.running and self.health == "starting"


@frozen
class Stack:
    """A scratch project and the file that compose reads it from."""

    bench: Bench
    scratch: Scratch
    file: Path

    def compose(self, *words: str, timeout_s: float = 60) -> Ran:
        """A compose command on the scratch project alone."""
        options = ("-p", self.scratch.name, "-f", str(self.file), "--env-file", "/dev/null")
        return self.bench.compose.run(*options, *words, timeout_s=timeout_s, cwd=self.file.parent)

    def up(self) -> Ran:
        """Create and start everything, and wait for the health checks."""
        wait = ("--wait", "--wait-timeout", str(UP_S))
        return self.compose("up", "-d", *wait, "--pull", "never", "--no-build", timeout_s=UP_S + 60)

    def settle(self) -> dict[str, State]:
        """The states once no health check is undecided any more, or after a minute."""
        deadline = time.monotonic() + _SETTLE_S
        while True:
            states = self.states()
            if time.monotonic() > deadline or not any(state.waiting for state in states.values()):
                return states
            time.sleep(_POLL_S)

    def states(self) -> dict[str, State]:
        """What each service's container does (of several the first)."""
        found: dict[str, State] = {}
        for container, item in sorted(containers_of(self.bench.engine, self.scratch.name, self.bench.label).items()):
            service = str((item.get("Labels") or {}).get(_SERVICE) or "")
            if service and service not in found:
                with suppress(EngineError, InputError):
                    found[service] = _state(service, self.inspect(container))
        return found

    def inspect(self, container: str) -> dict[str, Any]:
        """The engine's record of a container."""
        with self.bench.engine.calling("looking at a container"):
            return dict(self.bench.engine.api.inspect_container(container))

    def execute(self, state: State, command: list[str], *, timeout_s: float = 10) -> tuple[int, str]:
        """Run a program in a container; its exit code (126, 127: there is no such program; 124: its time was over) and
        what it wrote."""
        compose, project = self.bench.compose, self.scratch.name
        ran = compose.execute(project, state.service, state.container, command, timeout_s=timeout_s)
        return 124 if ran.timed_out else ran.code, ran.text

    def log(self, container: str) -> str:
        """The last lines that a container wrote."""
        with self.bench.engine.calling("reading a container's log"):
            lines = self.bench.engine.api.logs(container, tail=15, stdout=True, stderr=True)
        return bytes(lines).decode("utf-8", "replace")[-1500:]

    def listening(self, state: State) -> tuple[Listening, ...] | None:
        """The sockets of a container; None if its tables cannot be read."""
        for prefix in _local_tables(state):
            return read_sockets(prefix)
        _, text = self.execute(state, ["cat", "/proc/net/tcp", "/proc/net/tcp6"])
        return read_sockets(text) if "local_address" in text else None


def _local_tables(state: State) -> list[str]:
    """The tables by way of the machine's own /proc: for root, and where the engine runs on this machine."""
    folder = Path(f"/proc/{state.pid}")
    try:
        if state.pid <= 1 or state.container not in (folder / "cgroup").read_text(encoding="ascii", errors="replace"):
            return []
        tables = [(folder / "net" / name).read_text(encoding="ascii", errors="replace") for name in ("tcp", "tcp6")]
    except OSError:
        return []
    return ["\n".join(tables)]


def make_stack(bench: Bench, scratch: Scratch) -> Stack:
    """Write the project down, and make what it expects to be there: volumes under names of ours. Raises EngineError."""
    file = bench.work / "compose.json"
    file.write_text(json.dumps(scratch.document), encoding="utf-8")
    for key in scratch.external_volumes:
        with bench.engine.calling("creating a volume"):
            bench.engine.api.create_volume(scratch.volumes[key], labels={LABEL: bench.label})
    return Stack(bench=bench, scratch=scratch, file=file)


def frequent_checks(engine: Engine, project: ComposeProject, images: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The same health checks more often, so that nobody waits for the next one: every second or two, with as many
    retries as fill the same time. By service, in compose's words."""
    found: dict[str, dict[str, Any]] = {}
    for name, image in images.items():
        service = project.services.get(name)
        own = service.healthcheck if service is not None else None
        with suppress(InputError, EngineError):
            of_image = (engine.inspect_image(image).get("Config") or {}).get("Healthcheck") or {}
            if (own is None or own.test is None) and not of_image.get("Test"):
                continue
            if own is not None and own.disabled:
                continue
            interval = (own.interval_s if own else None) or (of_image.get("Interval") or 0) / 1e9 or _INTERVAL_S
            retries = (own.retries if own else None) or of_image.get("Retries") or _RETRIES
            if interval > _OFTEN_S:
                more = math.ceil(retries * interval / _OFTEN_S)
                found[name] = {"interval": f"{_OFTEN_S}s", "retries": min(more, 1000)}
    return found


def _state(service: str, record: Mapping[str, Any]) -> State:
    state = record.get("State") or {}
    health = state.get("Health") or {}
    checks = [
        f"exit {entry.get('ExitCode')}: {' '.join(str(entry.get('Output') or '').split())[:300]}"
        for entry in (health.get("Log") or ())[-2:]
    ]
    exposed = (record.get("Config") or {}).get("ExposedPorts") or {}
    return State(
        service=service,
        container=str(record.get("Id")),
        pid=int(state.get("Pid") or 0),
        started=str(state.get("StartedAt") or "0001").partition("-")[0] != "0001",
        running=bool(state.get("Running")) and not state.get("Restarting"),
        exit_code=int(state.get("ExitCode") or 0),
        health=str(health["Status"]) if health.get("Status") else None,
        restarts=int(record.get("RestartCount") or 0),
        checks="; ".join(checks),
        ports=tuple(sorted(int(p.partition("/")[0]) for p in exposed if p.endswith("/tcp"))),
    )

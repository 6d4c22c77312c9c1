"""The proofs that need the project running: it starts, in the right order, listens where it should, and its services
reach each other.

In: the scratch project. Out: proofs; the running stack is given on to the drill.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from imgscan.frozen import frozen
from imgscan.project.compose.records import ComposeProject
from imgscan.project.network.graph import Edge, edges
from imgscan.project.setup import Setup
from imgscan.verify.coldstart import SLOW_S, Need, Watched, wait_for_answers, watch
from imgscan.verify.peers import Answer, connect
from imgscan.verify.process import Ran
from imgscan.verify.proofs import Proofs
from imgscan.verify.scratch import services_of
from imgscan.verify.sockets import Listening, reachable
from imgscan.verify.stack import Stack, State

_MOST_EDGES: Final = 60
_FAILS: Final = "ops-service-fails"
_STORE_SCHEMES: Final = frozenset(
    {"postgres", "postgresql", "mysql", "mariadb", "mongodb", "redis", "rediss", "amqp", "amqps", "nats", "kafka"}
)
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - names to recognise
# The engine's own words for what is no fault of the project.
_ENGINES_FAULT: Final = (
    "pool overlaps",
    "could not find an available",
    "no space left",
    "toomanyrequests",
    "operation not permitted",
    "port is already allocated",
    "feature require docker engine",
)


@frozen
class Scene:
    """What the proofs know of the project: its set-up, compose's resolved document, the connections it is told to
    make."""

    setup: Setup
    project: ComposeProject
    config: Mapping[str, Any]
    edges: tuple[Edge, ...]

    def line(self, service: str) -> tuple[str | None, int | None]:
        """Where a service stands in the project's own files."""
        found = self.project.services.get(service)
        return (found.at.file, found.at.line) if found else (None, None)


def make_scene(setup: Setup, project: ComposeProject, config: Mapping[str, Any]) -> Scene:
    """The scene of a project."""
    return Scene(setup=setup, project=project, config=config, edges=edges(project, setup))


def needs_of(scene: Scene) -> tuple[Need, ...]:
    """Who depends on which port: connections of the graph, and `depends_on` with the ports that are known."""
    found = [
        Need(client=edge.client, server=edge.server, port=edge.port)
        for edge in scene.edges
        if edge.server is not None and edge.port is not None
    ]
    for client, service in services_of(scene.config).items():
        for server, how in (service.get("depends_on") or {}).items():
            done = isinstance(how, dict) and how.get("condition") == "service_completed_successfully"
            ports = () if done else _ports_of(services_of(scene.config).get(server, {}))
            found += [Need(client=client, server=server, port=port) for port in ports]
    running = services_of(scene.config).keys()
    return tuple(sorted({need for need in found if need.client in running and need.server in running}))


def start(stack: Stack, scene: Scene, proofs: Proofs, *, slowed: frozenset[str]) -> dict[str, State] | None:
    """Start everything on fresh volumes, watched. The states, or None if too little runs for the other proofs."""
    needs = needs_of(scene)
    with proofs.timed():
        with watch(stack, needs) as seen:
            ran = stack.up()
            states = stack.settle()
            bad = _not_well(scene, states)
            died = {state.service for state in bad} | {s.service for s in states.values() if s.restarts}
            if died:
                # Whether it was too early shows when what it needs answers at last.
                wait_for_answers(seen, needs, lambda: _running(stack))
        _judge_order(scene, proofs, needs, seen, died, slowed)
        if bad or not states:
            # Once more on volumes that are filled now: what the slow start alone broke is the other proof's matter.
            again = stack.up()
            states, retried = stack.settle(), True
            bad = _not_well(scene, states)
            ran = again
        else:
            retried = False
        _judge_start(stack, scene, proofs, states, bad, ran, retried=retried)
    return states if any(state.running for state in states.values()) else None


def _running(stack: Stack) -> frozenset[str]:
    return frozenset(name for name, state in stack.states().items() if state.running)


def _judge_start(
    stack: Stack,
    scene: Scene,
    proofs: Proofs,
    states: Mapping[str, State],
    bad: list[State],
    ran: Ran,
    *,
    retried: bool,
) -> None:
    missing = sorted(services_of(scene.config).keys() - states.keys())
    if not bad and not missing:
        told = "; ".join(f"{name} {_state_words(state)}" for name, state in sorted(states.items()))
        after = ", at the second try" if retried else ""
        proofs.passed("start", f"all started{after}: {told}")
        return
    words = " ".join(ran.err.decode("utf-8", "replace").split())[-600:]
    if any(word in words.lower() for word in _ENGINES_FAULT):
        proofs.unverified("start", f"the engine refused: {words}")
        return
    for state in bad:
        file, line = scene.line(state.service)
        evidence = f"{_state_words(state)}; its log ends: {_last_line(stack.log(state.container))}"
        cites = ("OPS-001-03", "OPS-001-04") if state.health == "unhealthy" else ("OPS-001-09",)
        proofs.failed("start", evidence, state.service, cites=cites, file=file, line=line, rule_id=_FAILS)
    if missing and not bad:
        proofs.failed("start", f"{', '.join(missing)} did not start: {words}", cites=("OPS-001-09",), rule_id=_FAILS)


def _judge_order(
    scene: Scene,
    proofs: Proofs,
    needs: tuple[Need, ...],
    seen: Watched,
    died: set[str],
    slowed: frozenset[str],
) -> None:
    how = f"the first start of {', '.join(sorted(slowed))} slowed by {SLOW_S} s" if slowed else "on fresh volumes"
    if not needs:
        return
    if not seen.looks:
        proofs.unverified("cold-start", "the engine did not answer while the project started")
        return
    early = [need for need in needs if need in seen.late_by]
    harmed = [need for need in early if need.client in died]
    for need in harmed:
        file, line = scene.line(need.client)
        evidence = (
            f"{need.client} ran {seen.late_by[need]:.1f} s before {need.server}:{need.port} answered, and ended "
            f"or fell ill of it ({how})"
        )
        proofs.failed("cold-start", evidence, need.client, file=file, line=line)
    if harmed:
        return
    answered = sorted({f"{need.server}:{need.port}" for need in needs if (need.server, need.port) in seen.answered})
    if not answered:
        proofs.unverified("cold-start", "nothing that others depend on ever answered")
        return
    told = f"{', '.join(answered)} answered before others needed it, {how}"
    if early:
        names = ", ".join(sorted({need.client for need in early}))
        told = f"{names} started earlier than what it needs, and waited for it by itself ({how})"
    proofs.passed("cold-start", told)


def probe_binds(stack: Stack, scene: Scene, states: Mapping[str, State], proofs: Proofs) -> None:
    """Whether every port that others use is listened on, and not on loopback alone."""
    with proofs.timed():
        held: list[str] = []
        wanted = _wanted_ports(scene)
        for name, state in sorted(states.items()):
            ports = wanted.get(name, {})
            if not state.running or not ports:
                continue
            listening = stack.listening(state)
            if listening is None:
                proofs.unverified("bind", "its table of sockets cannot be read: the image has no cat", name)
                continue
            for port, why in sorted(ports.items()):
                if _judge_port(scene, proofs, name, port, why, listening):
                    held.append(f"{name}:{port}")
        if held:
            proofs.passed("bind", f"{', '.join(held)} answer on an address that others reach")


def _judge_port(scene: Scene, proofs: Proofs, name: str, port: int, why: str, listening: tuple[Listening, ...]) -> bool:
    file, line = scene.line(name)
    where = ", ".join(map(str, listening[:8])) or "no port"
    match reachable(listening, port):
        case True:
            return True
        case False:
            evidence = f"port {port} ({why}) is bound to loopback alone: it listens on {where}"
            proofs.failed("bind", evidence, name, file=file, line=line)
        case None:
            evidence = f"nobody listens on port {port} ({why}): it listens on {where}"
            proofs.failed("bind", evidence, name, cites=("TECH-002-05", "OPS-001-07"), file=file, line=line)
    return False


def probe_peers(stack: Stack, scene: Scene, states: Mapping[str, State], proofs: Proofs) -> None:
    """Connect along every edge from the client's own namespace."""
    with proofs.timed():
        held: list[str] = []
        asked: set[tuple[str, str, int]] = set()
        for edge in _worth_asking(scene)[:_MOST_EDGES]:
            client = states.get(edge.client)
            key = (edge.client, edge.host, edge.port or 0)
            if client is None or not client.running or edge.port is None or key in asked:
                continue
            asked.add(key)
            answer = connect(stack, client, edge.host, edge.port)
            shown = f"{edge.client} -> {edge.host}:{edge.port}"
            if answer is None:
                proofs.unverified("peers", "there is no program in any of the images to ask with", shown)
            elif answer.word == "OK":
                held.append(f"{shown} ({answer.asked})")
            else:
                _judge_edge(stack, scene, edge, states, answer, proofs)
        if held:
            proofs.passed("peers", "; ".join(held))


def _judge_edge(
    stack: Stack, scene: Scene, edge: Edge, states: Mapping[str, State], answer: Answer, proofs: Proofs
) -> None:
    server = states.get(edge.server or edge.host)
    listening = stack.listening(server) if server and server.running else None
    cites, why = explain(answer.word, edge, listening, known=edge.host in services_of(scene.config))
    shown = f"{edge.client} -> {edge.host}:{edge.port}"
    if answer.word == "ETIMEDOUT" and shared_networks(scene.config, edge.client, edge.server or edge.host):
        told = "they share a network on which nothing gets through: a firewall of the engine's machine"
        proofs.unverified("peers", f"{answer.word}, asked {answer.asked}: {told}", shown)
        return
    evidence = f"{answer.word}, asked {answer.asked}: {why} (from {edge.name or edge.source})"
    proofs.failed("peers", evidence, shown, cites=cites, file=edge.at.file, line=edge.at.line, about=edge.host)


def shared_networks(config: Mapping[str, Any], client: str, server: str) -> frozenset[str]:
    """The networks that two services of a document have in common."""
    services = services_of(config)
    if client not in services or server not in services:
        return frozenset()
    first, second = (frozenset(services[name].get("networks") or {"default": None}) for name in (client, server))
    return first & second


def explain(
    word: str, edge: Edge, listening: tuple[Listening, ...] | None, *, known: bool
) -> tuple[tuple[str, ...], str]:
    """The points of the list that an error of a connection proves, and what it means. `listening` are the server's
    sockets, `known`: a service has the host's name."""
    if edge.host in _LOOPBACK:
        return ("TECH-002-01",), f"{edge.host} is {edge.client} itself, in a container"
    if word in ("ENOTFOUND", "EAI_AGAIN", "EAI_NONAME"):
        if edge.server is None and not known:
            return ("TECH-002-02",), "no service or alias has that name"
        return ("TECH-002-03",), f"{edge.server or edge.host} shares no network with {edge.client}"
    if word == "ECONNREFUSED":
        bound = reachable(listening or (), edge.port or 0)
        if bound is False:
            return ("TECH-002-06", "OPS-001-10"), f"{edge.host} listens on loopback alone"
        where = ", ".join(map(str, (listening or ())[:8])) or "no port"
        return ("TECH-002-05", "TECH-002-04"), f"{edge.host} listens on {where}"
    if word in ("EHOSTUNREACH", "ENETUNREACH"):
        return ("TECH-002-03", "TECH-002-07"), "there is no way to that network"
    return ("TECH-002-07", "TECH-002-03"), "nothing came back: a network between them lets nothing through"


def _worth_asking(scene: Scene) -> list[Edge]:
    """Edges within the project. A foreign host with a dot is somebody else's, which is left in peace; localhost counts
    only where it cannot be meant for a browser."""
    kept = []
    for edge in scene.edges:
        own = edge.host in _LOOPBACK
        store = own and edge.scheme in _STORE_SCHEMES
        # A name without a dot is no host of the world's; with a scheme it is meant as a host.
        name = not own and not {".", ":"} & set(edge.host) and edge.scheme is not None
        if edge.port is not None and (edge.server is not None or (not edge.browser and (store or name))):
            kept.append(edge)
    return kept


def _wanted_ports(scene: Scene) -> dict[str, dict[int, str]]:
    """The ports of each service that others use, with who says so."""
    wanted: dict[str, dict[int, str]] = {}
    for name, service in services_of(scene.config).items():
        for port in service.get("ports") or ():
            if isinstance(port, dict) and port.get("protocol", "tcp") == "tcp" and str(port.get("target")).isdigit():
                wanted.setdefault(name, {})[int(port["target"])] = "published"
    for edge in _worth_asking(scene):
        if edge.server is not None and edge.port is not None:
            wanted.setdefault(edge.server, {}).setdefault(edge.port, f"{edge.client} calls it")
    return wanted


def _ports_of(service: Mapping[str, Any]) -> Iterator[int]:
    for port in service.get("ports") or ():
        if isinstance(port, dict) and port.get("protocol", "tcp") == "tcp" and str(port.get("target")).isdigit():
            yield int(port["target"])
    for port in service.get("expose") or ():
        if str(port).partition("/")[0].isdigit() and not str(port).endswith("/udp"):
            yield int(str(port).partition("/")[0])


def _not_well(scene: Scene, states: Mapping[str, State]) -> list[State]:
    """The services that should run and do not, or are ill. One that has done its work (exit 0, and nobody asked for it
    to be kept running) is well."""
    return [state for state in states.values() if not (state.well or _is_done(scene, state))]


def _is_done(scene: Scene, state: State) -> bool:
    service = services_of(scene.config).get(state.service, {})
    kept = str(service.get("restart") or "no").partition(":")[0] in ("always", "unless-stopped")
    return not state.running and state.started and state.exit_code == 0 and not kept


def _state_words(state: State) -> str:
    if not state.running:
        return f"ended with exit code {state.exit_code}" if state.started else "was never started"
    health = state.health or "running, without a health check"
    again = f", restarted {state.restarts} times" if state.restarts else ""
    return f"{health}{again}" + (f" ({state.checks})" if state.checks else "")


def _last_line(log: str) -> str:
    lines: Iterable[str] = (line.strip() for line in log.splitlines() if line.strip())
    return " / ".join(list(lines)[-3:])[-400:] or "(nothing)"

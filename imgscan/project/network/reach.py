"""Networks that lead nowhere, and the order of starting along the edges (TECH-002-07, -08). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imgscan.diff import Edit
from imgscan.lazyre import lazy_re
from imgscan.model import Evidence, Finding, Fix, Severity
from imgscan.project.knownimages import STORES
from imgscan.project.mend import into_service, patch_of
from imgscan.project.network.names import is_address, mode_of, networks_of
from imgscan.project.network.view import View, address, location_of
from imgscan.project.scene import Scene, at
from imgscan.rulebook import make_finding

_PUBLIC: Final = lazy_re(r"(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}")
_NOT_PUBLIC: Final = lazy_re(
    r".*\.(?:local|internal|lan|localhost|test|example|invalid|svc|home|docker)|(?:.*\.)?example\.\w+"
)


def detect(view: View) -> Iterator[Finding]:
    """The findings for one project."""
    for scene in view.scenes.values():
        if _shut_in(view, scene):
            yield from _published(scene)
    for edge, client in view.outward():
        public = _PUBLIC.fullmatch(edge.host) and not _NOT_PUBLIC.fullmatch(edge.host) and not is_address(edge.host)
        if public and not edge.browser and edge.source != "default" and _shut_in(view, client):
            yield make_finding(
                "net-internal-only",
                message=(
                    f"{edge.name} of {edge.client} leads to {address(edge)}, but {edge.client} is on internal networks "
                    "alone: nothing outside is reachable."
                ),
                location=location_of(view, edge),
                evidence=Evidence.DERIVED,
                identity=view.identity(edge),
                fix=Fix(text=f"Put {edge.client} on a network that is not internal as well."),
            )
    yield from _order(view)


def _shut_in(view: View, scene: Scene) -> bool:
    """Whether a service is on internal networks alone."""
    names = networks_of(view.project, scene.service)
    networks = [view.project.networks.get(name) for name in names]
    return bool(networks) and all(network is not None and network.internal for network in networks)


def _published(scene: Scene) -> Iterator[Finding]:
    if not scene.service.ports:
        return
    port = scene.service.ports[0]
    yield make_finding(
        "net-internal-only",
        message=(
            f"service {scene.name} publishes port {port.published or port.target}, but is on internal networks alone: "
            "the engine publishes nothing there."
        ),
        location=at(port.at),
        evidence=Evidence.DERIVED,
        identity=scene.identity,
        fix=Fix(text=f"Put {scene.name} on a network that is not internal as well, or take the port away."),
    )


def _order(view: View) -> Iterator[Finding]:
    told: set[tuple[str, str]] = set()
    for edge, client, server in view.between():
        if edge.browser or edge.source in ("image", "default") or (client.name, server.name) in told:
            continue
        if server.name in waited_for(view, client.name) or client.name in waited_for(view, server.name):
            continue
        if not _starts_with(client, server) or not _can_reach(view, client, server):
            continue
        told.add((client.name, server.name))
        store = server.image.known is not None and server.image.known.kind in STORES
        # nginx looks its upstreams up when it starts, and ends if one does not resolve.
        store = store or (
            edge.source == "config" and client.image.known is not None and client.image.known.family == "nginx"
        )
        edits = dependency_edits(view, client, server)
        yield make_finding(
            "net-dependency-missing",
            message=(
                f"{client.name} calls {server.name} ({edge.name}), but does not depend on it: they start in any order."
            ),
            location=location_of(view, edge),
            evidence=Evidence.ABSENT,
            identity=(view.identity(edge)[0], client.name, server.name),
            severity=None if store and not edge.shared else Severity.LOW,
            fix=Fix(
                text=f"Add {server.name} to the `depends_on` of {client.name}, with `condition: {_condition(server)}`.",
                patch=patch_of(view.setup, client.service.at.file, edits),
            ),
        )


def _starts_with(client: Scene, server: Scene) -> bool:
    """Whether the server is there whenever the client is: a dependency on one that is not makes compose refuse."""
    profiles = frozenset(server.service.profiles)
    return not profiles or (bool(client.service.profiles) and frozenset(client.service.profiles) <= profiles)


def _can_reach(view: View, client: Scene, server: Scene) -> bool:
    """Whether the two have a network in common: without one there is no call to wait for."""
    near, far = networks_of(view.project, client.service), networks_of(view.project, server.service)
    return not near or not far or bool(near & far)


def _condition(server: Scene) -> str:
    return "service_healthy" if server.check is not None else "service_started"


def dependency_edits(view: View, client: Scene, server: Scene) -> list[Edit]:
    """A dependency of one service on another that it does not wait for yet; nothing where it has others."""
    if "depends_on" in client.service.keys or server.name in waited_for(view, client.name):
        return []
    if client.name in waited_for(view, server.name):
        return []
    lines = ["depends_on:", f"  {server.name}:", f"    condition: {_condition(server)}"]
    return into_service(view.setup, client.service, lines)


def waited_for(view: View, name: str) -> frozenset[str]:
    """What a service waits for, directly or by way of others; links wait too."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        service = view.project.services.get(waiting.pop())
        if service is None:
            continue
        links = (link.partition(":")[0] for link in service.links)
        mode = mode_of(service)
        shared = [mode.removeprefix("service:")] if mode.startswith("service:") else []
        for other in (*service.depends_on, *links, *shared):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return frozenset(seen)

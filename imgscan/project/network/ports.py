"""Ports on which nobody listens, or on which everybody can (TECH-002-04, -05, -06, -11). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from imgscan.diff import Edit
from imgscan.lazyre import lazy_re
from imgscan.model import Evidence, Finding, Fix, Severity
from imgscan.project.compose.records import Port
from imgscan.project.health.loopback import loopback_listeners
from imgscan.project.knownimages import STORES
from imgscan.project.listening import is_configured
from imgscan.project.mend import patch_of, written
from imgscan.project.network.graph import Edge
from imgscan.project.network.names import mode_of
from imgscan.project.network.view import View, address, location_of, ports_of
from imgscan.project.scene import Scene, at
from imgscan.rulebook import make_finding

_EVERY: Final = frozenset({None, "", "0.0.0.0", "::", "*"})  # noqa: S104 - nothing is bound here
_FLAGS_OF_PORTS: Final = lazy_re(
    r"(?:^|\s)(?:-p|--port|--http-port|-c\s*port|--bind|--listen)\b|:\d{4,5}\b|port[= ]\d+"
)


def detect(view: View) -> Iterator[Finding]:
    """The findings for one project."""
    for edge, _, server in view.between():
        if edge.port is None or edge.browser:
            continue
        wrong = _wrong(view, edge, server)
        if wrong is not None:
            yield wrong
        elif loopback_listeners(server) and mode_of(server.service) in ("", "bridge"):
            yield _loopback(view, edge, server)
    for scene in view.scenes.values():
        yield from _published(scene)


def _wrong(view: View, edge: Edge, server: Scene) -> Finding | None:
    ports = ports_of(server)
    if not ports or edge.port in ports or mode_of(server.service) not in ("", "bridge"):
        return None
    target = next((p.target for p in server.service.ports if p.published == edge.port), None)
    if target is not None:
        return _published_inside(view, edge, target)
    known = server.known
    words = server.service.command.words if server.service.command else ()
    changed = _FLAGS_OF_PORTS.search(" ".join(words)) is not None
    changed = changed or (known is not None and any(n in server.service.environment for n in known.port_variables))
    if changed or is_configured(server.service):
        return None
    # A server in the sources need not be the only one; that of a command line is.
    commanded = server.listening.complete and any(each.served for each in server.listening.listeners)
    sure = (known is not None and known.kind in STORES) or commanded
    if not sure and not server.listening.ports and not (known is not None and known.ports):
        return None  # what is published or exposed need not be all that an unknown program listens on
    listed = ", ".join(str(port) for port in sorted(ports)[:6])
    return make_finding(
        "net-wrong-port",
        message=(f"{edge.name} of {edge.client} leads to {address(edge)}, but {edge.server} listens on {listed}."),
        location=location_of(view, edge),
        evidence=Evidence.DERIVED,
        identity=view.identity(edge),
        severity=None if sure else Severity.MEDIUM,
        fix=Fix(
            text=f"Use port {listed} of {edge.server}.",
            patch=_other_port(view, edge, min(ports)) if len(ports) == 1 else None,
        ),
    )


def _published_inside(view: View, edge: Edge, target: int) -> Finding:
    return make_finding(
        "net-published-port",
        message=(
            f"{edge.name} of {edge.client} leads to {address(edge)}: {edge.port} is the port on the host; between "
            f"containers {edge.server} listens on {target}."
        ),
        location=location_of(view, edge),
        evidence=Evidence.DERIVED,
        identity=view.identity(edge),
        fix=Fix(text=f"Use `{edge.host}:{target}`.", patch=_other_port(view, edge, target)),
    )


def _other_port(view: View, edge: Edge, port: int) -> str | None:
    mark = edge.mark
    if mark is None:
        return None
    text = written(view.setup, mark)
    found = [*re.finditer(rf"(?<={re.escape(edge.host)}:){edge.port}(?!\d)", text)]
    if len(found) != 1:
        return None
    edit = Edit(start=mark.start + found[0].start(), end=mark.start + found[0].end(), text=str(port))
    return patch_of(view.setup, mark.file, [edit])


def _loopback(view: View, edge: Edge, server: Scene) -> Finding:
    listener = loopback_listeners(server)[0]
    where = f"{listener.bind.file}:{listener.bind.line}"
    return make_finding(
        "net-target-on-loopback",
        message=(
            f"{edge.name} of {edge.client} leads to {address(edge)}, but {edge.server} listens on {listener.host} "
            f"alone ({where}): the connection is refused."
        ),
        location=location_of(view, edge),
        evidence=Evidence.DERIVED if listener.sure else Evidence.PATTERN,
        identity=(view.identity(edge)[0], edge.client, edge.server or ""),
        severity=None if listener.sure else Severity.MEDIUM,
        fix=Fix(text=f"Let {edge.server} listen on 0.0.0.0 ({where})."),
    )


def _published(scene: Scene) -> Iterator[Finding]:
    known = scene.image.known
    if known is None or known.kind not in STORES:
        return
    found = [port for port in scene.service.ports if port.host_ip in _EVERY]
    if not found:
        return
    listed = ", ".join(f"{port.published or 'a free port'}" for port in found)
    edits = [edit for port in found for edit in _on_loopback(scene, port)]
    yield make_finding(
        "net-store-published",
        message=(
            f"service {scene.name} ({known.family}) publishes {listed} on every address of the host, past most host "
            "firewalls: whoever reaches the machine reaches its data."
        ),
        location=at(found[0].at),
        evidence=Evidence.DERIVED,
        identity=scene.identity,
        fix=Fix(
            text="Take the port away (other services need none), or publish it on loopback alone: "
            f"{_loopback_ports(found)}.",
            patch=patch_of(scene.setup, found[0].at.file, edits),
        ),
    )


def _loopback_ports(ports: list[Port]) -> str:
    return ", ".join(f"`127.0.0.1:{port.published or ''}:{port.target}`" for port in ports[:4])


def _on_loopback(scene: Scene, port: Port) -> list[Edit]:
    text = written(scene.setup, port.at)
    found = re.fullmatch(r"([\"']?)(?:0\.0\.0\.0:)?((?:\$\{[^}]*\}|[\d-]+):[\d-]+(?:/\w+)?)([\"']?)", text)
    if found is None:
        return []
    quote = found[1] or '"'
    return [Edit(start=port.at.start, end=port.at.end, text=f"{quote}127.0.0.1:{found[2]}{quote}")]

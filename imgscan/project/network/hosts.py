"""Hosts that a service cannot mean or cannot resolve (TECH-002-01, -02, -03, -09, -10, -12). Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from typing import Final

from imgscan.alike import alike
from imgscan.diff import Edit
from imgscan.model import Evidence, Finding, Fix, Severity
from imgscan.project.knownimages import STORES
from imgscan.project.mend import into_service, patch_of, written
from imgscan.project.network.endpoints import WEB_SCHEMES
from imgscan.project.network.graph import Edge
from imgscan.project.network.names import (
    DEFAULT_NETWORK,
    HOST_GATEWAY_NAMES,
    is_address,
    is_any_address,
    is_loopback,
    mode_of,
    names_of,
    networks_of,
    resolves_elsewhere,
)
from imgscan.project.network.reach import dependency_edits
from imgscan.project.network.view import View, address, location_of, ports_of
from imgscan.project.network.wording import words_of
from imgscan.project.scene import Scene, at, key_of
from imgscan.rulebook import make_finding

_LIKE: Final = 0.78
_WORD_LIKE: Final = 0.6
_NO_HOSTS: Final = frozenset(
    {"none", "null", "true", "false", "default", "local", "mock", "console", "stdout", "memory", "example", "dummy"}
)
_FOR_BROWSERS: Final = frozenset(
    {
        "vite",
        "vite preview",
        "ng serve",
        "react-scripts start",
        "vue-cli-service serve",
        "webpack serve",
        "gatsby develop",
    }
)


def detect(view: View) -> Iterator[Finding]:
    """The findings for one project."""
    for edge, client in view.outward():
        if is_any_address(edge.host) or mode_of(client.service) not in ("", "bridge"):
            continue
        if is_loopback(edge.host):
            yield from _localhost(view, edge, client)
        elif edge.host in HOST_GATEWAY_NAMES:
            yield from _gateway(view, edge, client)
        elif not is_address(edge.host) and "." not in edge.host and "_" not in edge.host[:1]:
            yield from _unknown(view, edge, client)
    for edge, client, server in view.between():
        yield from _unreachable(view, edge, client, server)
        yield from _inactive(view, edge, client, server)
    for scene in view.scenes.values():
        yield from _links(scene)


def _localhost(view: View, edge: Edge, client: Scene) -> Iterator[Finding]:
    served = any(each.served and each.served.server.name in _FOR_BROWSERS for each in client.listening.listeners)
    web = edge.scheme in WEB_SCHEMES
    if edge.browser or (served and (web or edge.scheme is None)) or edge.port in ports_of(client):
        return
    if web and _is_for_the_host(view, edge):
        return
    meant = _meant(view, edge, client)
    if meant is None and (edge.source == "default" or edge.port is None):
        return  # a node's own name, or where it is to listen
    known = view.scenes[meant].image.known if meant else None
    store = known is not None and known.kind in STORES
    sure = store and not web and not edge.shared
    hint = f"; {meant} is meant" if meant else ""
    yield make_finding(
        "net-localhost",
        message=(
            f"{edge.name} of {edge.client} leads to {address(edge)}, which in a container is the container itself, and "
            f"{edge.client} does not listen there{hint}."
        ),
        location=location_of(view, edge),
        evidence=Evidence.DERIVED if sure else Evidence.PATTERN,
        identity=view.identity(edge),
        severity=Severity.HIGH if sure else None,
        fix=Fix(
            text=f"Use {f'`{meant}`' if meant else 'the name of the service'} in place of {edge.host}.",
            patch=_other_host(view, edge, meant) if meant else None,
        ),
    )


def _is_for_the_host(view: View, edge: Edge) -> bool:
    """Whether a port is one that a service has on the host alone: such a URL is for browsers, which are there."""
    return any(
        port.published == edge.port and edge.port not in ports_of(scene)
        for scene in view.scenes.values()
        for port in scene.service.ports
    )


def _meant(view: View, edge: Edge, client: Scene) -> str | None:
    """The one other service that listens on such a port or speaks such a scheme, or whose name the variable has."""
    others = [scene for scene in view.scenes.values() if scene.name != client.name]
    words = {word.lower() for word in words_of(edge.name)}
    tests: tuple[Callable[[Scene], bool], ...] = (
        lambda scene: scene.image.known is not None and edge.scheme in scene.image.known.schemes,
        lambda scene: edge.port is not None and edge.port in ports_of(scene),
        lambda scene: (
            scene.name.lower() in words or (scene.image.known is not None and scene.image.known.family in words)
        ),
        lambda scene: edge.port is not None and any(port.published == edge.port for port in scene.service.ports),
    )
    for test in tests:
        found = [scene.name for scene in others if test(scene)]
        if len(found) == 1:
            return found[0]
    return None


def _other_host(view: View, edge: Edge, name: str) -> str | None:
    """The value with another host, where it stands in a compose file."""
    mark = edge.mark
    if mark is None:
        return None
    text = written(view.setup, mark)
    found = [*re.finditer(rf"(?<![\w.-]){re.escape(edge.host)}(?![\w.-])", text)]
    if len(found) != 1:
        return None
    edit = Edit(start=mark.start + found[0].start(), end=mark.start + found[0].end(), text=name)
    client, server = view.scenes[edge.client], view.scenes[name]
    waits = dependency_edits(view, client, server) if client.service.at.file == mark.file else []
    return patch_of(view.setup, mark.file, [edit, *waits])


def _gateway(view: View, edge: Edge, client: Scene) -> Iterator[Finding]:
    if edge.host in client.service.extra_hosts or edge.browser:
        return
    lines = ["extra_hosts:", f'  - "{edge.host}:host-gateway"']
    edits = into_service(view.setup, client.service, lines) if "extra_hosts" not in client.service.keys else []
    yield make_finding(
        "net-host-gateway",
        message=(
            f"{edge.name} of {edge.client} leads to {edge.host}, a name that only Docker Desktop knows: on a Linux "
            "engine it needs an entry in extra_hosts."
        ),
        location=location_of(view, edge),
        evidence=Evidence.PATTERN,
        identity=view.identity(edge),
        fix=Fix(
            text=f'Add `extra_hosts: ["{edge.host}:host-gateway"]` to {edge.client}.',
            patch=patch_of(view.setup, client.service.at.file, edits),
        ),
    )


def _unknown(view: View, edge: Edge, client: Scene) -> Iterator[Finding]:
    if edge.host.lower() in _NO_HOSTS or resolves_elsewhere(view.project, client.service, edge.host):
        return
    other = _other_project(view, edge.host)
    if other is not None:
        yield _elsewhere(view, edge, other)
        return
    near = _near(view, edge.host, client.name)
    if edge.source == "default" and near is None:
        return
    hint = f"; the nearest is {near}" if near else ""
    yield make_finding(
        "net-unknown-host",
        message=f"{edge.name} of {edge.client} leads to {address(edge)}, and no service has that name{hint}.",
        location=location_of(view, edge),
        evidence=Evidence.DERIVED if near else Evidence.PATTERN,
        identity=view.identity(edge),
        severity=None if near and _is_written(view, edge) and not edge.shared else Severity.MEDIUM,
        fix=Fix(
            text=f"Use the name of a service{': `' + near + '`' if near else ''}, or give it that name as an alias.",
            patch=_other_host(view, edge, near) if near else None,
        ),
    )


def _near(view: View, host: str, client: str) -> str | None:
    names = {name: service for service in view.project.services for name in names_of(view.project.services[service])}
    names = {name: service for name, service in names.items() if service != client}
    found = alike(host.lower()[:100], list(names)[:500], most=3, cutoff=_LIKE)
    return next((names[name] for name in found if _is_misspelt(host.lower()[:100], name)), None)


def _is_misspelt(host: str, name: str) -> bool:
    """Whether each word of the one may be a slip of the other's: a common prefix does not make two names alike."""
    given, wanted = host.split("-"), name.split("-")
    if len(given) != len(wanted):
        return True
    return all(difflib.SequenceMatcher(None, a, b).ratio() > _WORD_LIKE for a, b in zip(given, wanted, strict=True))


def _is_written(view: View, edge: Edge) -> bool:
    """Whether the project itself says so; what a file of variables has may be an example, or for another place."""
    return edge.source != "default" and edge.at.file in view.project.files


def _other_project(view: View, host: str) -> str | None:
    for other in view.setup.composes:
        if other is not view.project and other.files:
            for service in other.services.values():
                if host.lower() in names_of(service):
                    return other.files[0]
    return None


def _elsewhere(view: View, edge: Edge, other: str) -> Finding:
    return make_finding(
        "net-other-project",
        message=(
            f"{edge.name} of {edge.client} leads to {address(edge)}, a service of another project ({other}): the "
            "two share no external network, so the name does not resolve."
        ),
        location=location_of(view, edge),
        evidence=Evidence.DERIVED,
        identity=view.identity(edge),
        fix=Fix(text=f"Put both services on one external network, or start {other} together with this file."),
    )


def _unreachable(view: View, edge: Edge, client: Scene, server: Scene) -> Iterator[Finding]:
    ours, theirs = mode_of(client.service), mode_of(server.service)
    if edge.browser:
        return
    if ours == "host" and theirs != "host":
        yield _host_mode(view, edge, f"{edge.client} is on the host's network, where service names do not resolve")
        return
    if theirs == "host" and ours != "host":
        yield _host_mode(view, edge, f"{edge.server} is on the host's network, and its name resolves nowhere")
        return
    near, far = networks_of(view.project, client.service), networks_of(view.project, server.service)
    if not near or not far or near & far:
        return
    listed, other = ", ".join(sorted(near)), ", ".join(sorted(far))
    yield make_finding(
        "net-no-shared-network",
        message=(
            f"{edge.client} is to call {address(edge)} ({edge.name}), but {edge.client} is on {listed} and "
            f"{edge.server} on {other}: the name does not resolve."
        ),
        location=location_of(view, edge),
        evidence=Evidence.DERIVED,
        identity=(view.identity(edge)[0], edge.client, edge.server or ""),
        severity=Severity.MEDIUM if edge.shared else None,
        fix=Fix(
            text=f"Put {edge.client} on {min(far)} as well.",
            patch=patch_of(view.setup, client.service.at.file, _joined(view, client, min(far))),
        ),
    )


def _joined(view: View, client: Scene, network: str) -> list[Edit]:
    """One network more: a line behind the last of a list, or a list where there is none."""
    service = client.service
    if "networks" not in service.keys:
        lines = ["networks:", f"  - {DEFAULT_NETWORK}", f"  - {network}"]
        return into_service(view.setup, service, lines) if service.network_mode is None else []
    last = max((each.at for each in service.networks), key=lambda mark: mark.start, default=None)
    text = view.setup.tree.text(last.file) if last is not None else None
    if last is None or text is None or last.file != service.at.file:
        return []
    start = text.rfind("\n", 0, last.start) + 1
    dash = text[start : last.start].rstrip("\"'")
    if re.fullmatch(r" *- +", dash):
        stop = text.find("\n", last.end)
        stop = len(text) if stop < 0 else stop
        return [Edit(start=stop, end=stop, text=f"\n{dash}{network}")]
    if re.search(r"\[[^\]\n]*$", text[start : last.start]):
        stop = last.end + (text[last.end : last.end + 1] in ("'", '"'))
        return [Edit(start=stop, end=stop, text=f", {network}")]
    return []


def _host_mode(view: View, edge: Edge, why: str) -> Finding:
    return make_finding(
        "net-host-mode",
        message=f"{edge.name} of {edge.client} leads to {address(edge)}: {why}.",
        location=location_of(view, edge),
        evidence=Evidence.DERIVED,
        identity=view.identity(edge),
        fix=Fix(text=f"Take `network_mode: host` away, or use a published port of {edge.server} on localhost."),
    )


def _inactive(view: View, edge: Edge, client: Scene, server: Scene) -> Iterator[Finding]:
    ours, theirs = frozenset(client.service.profiles), frozenset(server.service.profiles)
    if not theirs or (ours and ours <= theirs) or edge.browser or server.name in client.service.depends_on:
        return
    yield make_finding(
        "net-inactive-profile",
        message=(
            f"{edge.client} is to call {address(edge)} ({edge.name}), but {edge.server} only starts with the profile "
            f"{', '.join(sorted(theirs))}."
        ),
        location=location_of(view, edge),
        evidence=Evidence.DERIVED,
        identity=(view.identity(edge)[0], edge.client, edge.server or ""),
        fix=Fix(text=f"Give {edge.client} the same profile, or take it from {edge.server}."),
    )


def _links(scene: Scene) -> Iterator[Finding]:
    if scene.service.links:
        yield make_finding(
            "net-links",
            message=f"service {scene.name} uses links, which services on one network have no need of.",
            location=at(key_of(scene.service, "links")),
            evidence=Evidence.PATTERN,
            identity=scene.identity,
        )

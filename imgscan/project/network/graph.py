"""The service graph: every endpoint that a service of a compose project is told to call. Pure.

In: a compose project with its `Setup`. Out: `Edge`s, from variables (compose, env files, the image's ENV), commands,
configuration files of proxies and monitors, and defaults in the sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import SourceLine
from imgscan.project.compose.records import Argv, ComposeProject, Mark, Service
from imgscan.project.knownimages import known_image
from imgscan.project.network.configs import config_endpoints
from imgscan.project.network.endpoints import WEB_SCHEMES, Endpoint, endpoints_of
from imgscan.project.network.names import find_server, is_any_address, services_by_name
from imgscan.project.network.variables import Setting, is_complete, settings_of, source_defaults
from imgscan.project.network.wording import (
    BIND_NAMES,
    BIND_WORDS,
    HOST_ENDINGS,
    NO_ADDRESS,
    UNKNOWN_ENDINGS,
    is_for_browser,
    words_of,
)
from imgscan.project.setup import Setup

_BARE: Final = lazy_re(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?")
_MOST_EDGES: Final = 2_000
MOST_SERVICES: Final = 500
"""So many services of a project are looked at; every one of them can still be found by the others."""


@frozen
class Edge:
    """A service that is told to call `host` and `port` (None: not said, and no scheme says it).

    `server` is the service of the project that the host means, None for any other host. `at` is the line that says so;
    `mark` its place in a compose file, for patches. `source`: environment, env_file, image, command, config, default.
    `name` is the variable or the directive, `browser`: it may be meant for a browser, which the host's ports are for,
    `shared`: the same line is given to several services, and not each of them need use it.
    """

    client: str
    server: str | None
    host: str
    port: int | None
    at: SourceLine
    source: str
    name: str
    scheme: str | None = None
    mark: Mark | None = None
    browser: bool = False
    shared: bool = False


@frozen
class _Scope:
    """A project with its services by the names that they answer to."""

    project: ComposeProject
    by_name: Mapping[str, list[str]]

    def find(self, client: Service, host: str) -> str | None:
        """The service that a client means by a host."""
        return find_server(self.project, client, host, self.by_name)


def edges(project: ComposeProject, setup: Setup) -> tuple[Edge, ...]:
    """Every edge of a project, in the order of services and of what is said of them."""
    found: dict[Edge, None] = {}
    scope = _Scope(project=project, by_name=services_by_name(project))
    for service in islice(project.services.values(), MOST_SERVICES):
        for edge in _service_edges(scope, setup, service):
            if edge.server != service.name:
                found[edge] = None
            if len(found) >= _MOST_EDGES:
                return _marked(found)
    return _marked(found)


def _marked(found: Iterable[Edge]) -> tuple[Edge, ...]:
    """The edges, with those that come from one line for several services marked."""
    edges = list(found)
    clients: dict[tuple[SourceLine, str], set[str]] = {}
    for edge in edges:
        clients.setdefault((edge.at, edge.name), set()).add(edge.client)
    return tuple(
        replace(edge, shared=edge.source != "default" and len(clients[edge.at, edge.name]) > 1) for edge in edges
    )


def _service_edges(scope: _Scope, setup: Setup, service: Service) -> Iterator[Edge]:
    settings = settings_of(service, setup)
    for setting in settings.values():
        yield from _setting_edges(scope, service, setting, settings)
    for argv in (service.entrypoint, service.command):
        if argv is not None:
            yield from _command_edges(scope, service, argv)
    for directive, endpoint, at in config_endpoints(service, setup):
        yield _edge(scope, service, endpoint, at=at, source="config", name=directive)
    if is_complete(service, setup):
        for setting in source_defaults(service, setup, settings):
            yield from _setting_edges(scope, service, setting, settings)


def _command_edges(scope: _Scope, service: Service, argv: Argv) -> Iterator[Edge]:
    """Words of a command with an address in them; only where that is a service, since much else looks like one."""
    at = SourceLine(file=argv.at.file, line=argv.at.line)
    for word in argv.words:
        for endpoint in endpoints_of(word) or endpoints_of(word.partition("=")[2]):
            if scope.find(service, endpoint.host) is not None:
                yield _edge(scope, service, endpoint, at=at, source="command", name="command")


def _setting_edges(
    scope: _Scope, service: Service, setting: Setting, settings: Mapping[str, Setting]
) -> Iterator[Edge]:
    upper = words_of(setting.name)
    if upper & NO_ADDRESS or is_any_address(setting.value):
        return
    browser = is_for_browser(setting.name)
    found = endpoints_of(setting.value) or tuple(_bare(scope, service, setting, settings))
    for endpoint in found:
        if upper & BIND_WORDS and scope.find(service, endpoint.host) is None:
            continue
        web = endpoint.scheme is None or endpoint.scheme in WEB_SCHEMES
        yield _edge(
            scope,
            service,
            endpoint,
            at=setting.at,
            source=setting.source,
            name=setting.name,
            mark=setting.mark,
            browser=browser and web,
        )


def _bare(scope: _Scope, service: Service, setting: Setting, settings: Mapping[str, Setting]) -> Iterator[Endpoint]:
    """`X_HOST=db`, with the port of `X_PORT`; unknown names count only where the variable surely names a host."""
    value, name = setting.value.strip(), setting.name.upper()
    ending = name.rpartition("_")[2]
    if ending not in HOST_ENDINGS or not _BARE.fullmatch(value):
        return
    server = scope.find(service, value)
    if server is None and (ending not in UNKNOWN_ENDINGS or name in BIND_NAMES or value.isdigit()):
        return
    beside = settings.get(setting.name[: len(setting.name) - len(ending)] + ("PORT" if name.isupper() else "port"))
    port = int(beside.value) if beside is not None and beside.value.isdigit() and len(beside.value) <= 5 else None
    yield Endpoint(host=value, port=port, scheme=None, start=0, end=len(value))


def _edge(
    scope: _Scope,
    service: Service,
    endpoint: Endpoint,
    *,
    at: SourceLine,
    source: str,
    name: str,
    mark: Mark | None = None,
    browser: bool = False,
) -> Edge:
    server = scope.find(service, endpoint.host)
    port = endpoint.port
    if port is None and server is not None:
        port = _only_port(scope.project.services[server])
    return Edge(
        client=service.name,
        server=server,
        host=endpoint.host,
        port=port,
        at=at,
        source=source,
        name=name,
        scheme=endpoint.scheme,
        mark=mark,
        browser=browser,
    )


def _only_port(server: Service) -> int | None:
    """The port that clients take when they are told none: that of a known image which has one scheme of its own."""
    known = known_image(server.image.value if server.image else None)
    return min(known.ports) if known is not None and len(known.ports) == 1 else None

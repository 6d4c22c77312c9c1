"""Configuration files of proxies and monitors -> the endpoints that they call: nginx, Caddy, HAProxy, Prometheus,
Traefik. Pure.

In: a service with its mounts and Dockerfile. Out: the directive, the endpoint, the line. Names that the file itself
gives to groups of servers (nginx's `upstream`) are no hosts.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.model import SourceLine
from imgscan.project.compose.records import Service
from imgscan.project.network.endpoints import Endpoint, endpoints_of
from imgscan.project.serviceimages import ServiceImage, service_image
from imgscan.project.setup import Setup

_FAMILIES: Final = {
    "nginx": re.compile(r"(?:.*\.conf|.*\.conf\.template|.*\.template|nginx.*|default)"),
    "caddy": re.compile(r"Caddyfile.*|.*\.caddyfile"),
    "haproxy": re.compile(r".*\.cfg"),
    "prometheus": re.compile(r".*\.ya?ml"),
    "traefik": re.compile(r".*\.(?:ya?ml|toml)"),
}
_NGINX: Final = lazy_re(
    r"^\s*(?P<what>proxy_pass|grpc_pass|fastcgi_pass|uwsgi_pass|scgi_pass|memcached_pass|server)\s+(?P<value>[^\s;{}]+)[^;{}]*;"
)
_UPSTREAM: Final = lazy_re(r"^\s*upstream\s+([^\s{]+)")
_CADDY: Final = lazy_re(r"^\s*(?P<what>reverse_proxy|php_fastcgi|to|forward_auth)\s+(?P<value>[^#{]+)")
_HAPROXY: Final = lazy_re(r"^\s*(?P<what>server|default-server)\s+\S+\s+(?P<value>[\w.-]+:\d{1,5})")
_TARGETS: Final = lazy_re(r"(?:^|[\s\[,'\"-])(?P<value>[A-Za-z0-9_.-]+:\d{2,5})(?=$|[\s\],'\"])")
_TRAEFIK: Final = lazy_re(r"(?P<what>url|address)\s*[:=]\s*[\"']?(?P<value>\w+://[^\s\"']+)")
_HOST_ONLY: Final = lazy_re(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")
_MOST_FILES: Final = 50
_MOST_LINES: Final = 20_000
_LONGEST: Final = 2_000
Found = tuple[str, Endpoint, SourceLine]


def config_endpoints(service: Service, setup: Setup) -> Iterator[Found]:
    """What the configuration files of a proxy or monitor tell it to call."""
    image = service_image(service, setup)
    family = image.known.family if image.known else ""
    if family not in _FAMILIES:
        return
    for path in _files(service, setup, image, family)[:_MOST_FILES]:
        text = setup.tree.text(path)
        if text:
            yield from _PARSERS[family](path, text)


def _files(service: Service, setup: Setup, image: ServiceImage, family: str) -> list[str]:
    """The files of the tree that reach such a service as configuration: bind mounts, and what its Dockerfile copies."""
    wanted = _FAMILIES[family]
    sources = [(m.source, m.target) for m in service.mounts if m.kind == "bind" and m.source is not None]
    context = service.build.context if service.build else None
    for command in image.commands("COPY"):
        if command.flag("from") is None and context is not None:
            for source in command.words[:-1]:
                inside = posixpath.normpath(posixpath.join(context, source.lstrip("/")))
                sources.append(("" if inside == "." else inside, command.words[-1]))
    found: dict[str, None] = {}
    for source, target in sources:
        if family not in target.lower() and "/etc/" not in target and "conf" not in target.lower():
            continue
        if source in setup.tree.files:
            found[source] = None
        else:
            below = [p for p in setup.tree.files if p.startswith(f"{source}/")] if source else []
            found.update((p, None) for p in below if wanted.fullmatch(posixpath.basename(p)))
    return list(found)


def _lines(path: str, text: str) -> Iterator[tuple[str, SourceLine]]:
    for number, line in enumerate(text.split("\n")[:_MOST_LINES], 1):
        bare = line.split("#", 1)[0]
        if len(bare) <= _LONGEST and bare.strip():
            yield bare, SourceLine(file=path, line=number)


def _nginx(path: str, text: str) -> Iterator[Found]:
    upstreams = {found[1] for line, _ in _lines(path, text) if (found := _UPSTREAM.match(line))}
    for line, at in _lines(path, text):
        found = _NGINX.match(line)
        if found is None or "$" in found["value"] or found["value"].startswith("unix:"):
            continue
        for endpoint in _any_form(found["value"], default_port=80):
            if endpoint.host not in upstreams:
                yield found["what"], endpoint, at


def _caddy(path: str, text: str) -> Iterator[Found]:
    for line, at in _lines(path, text):
        found = _CADDY.match(line)
        for word in found["value"].split() if found else ():
            if not word.startswith(("/", "*", "@", "{", "unix/")):
                for endpoint in _any_form(word, default_port=80):
                    yield found["what"] if found else "", endpoint, at


def _haproxy(path: str, text: str) -> Iterator[Found]:
    for line, at in _lines(path, text):
        if found := _HAPROXY.match(line):
            for endpoint in endpoints_of(found["value"]):
                yield found["what"], endpoint, at


def _prometheus(path: str, text: str) -> Iterator[Found]:
    inside = False
    for line, at in _lines(path, text):
        stripped = line.strip()
        if "targets:" in stripped:
            inside = True
        elif not stripped.startswith(("-", "'", '"', "[", "]")):
            inside = False
        if inside:
            for found in _TARGETS.finditer(line):
                for endpoint in endpoints_of(found["value"]):
                    yield "targets", endpoint, at


def _traefik(path: str, text: str) -> Iterator[Found]:
    for line, at in _lines(path, text):
        for found in _TRAEFIK.finditer(line):
            for endpoint in endpoints_of(found["value"]):
                yield found["what"], endpoint, at


def _any_form(value: str, default_port: int) -> Iterator[Endpoint]:
    """A URL, `host:port`, or a host alone."""
    found = endpoints_of(value)
    if not found and _HOST_ONLY.fullmatch(value):
        yield Endpoint(host=value, port=default_port, scheme=None, start=0, end=len(value))
    yield from found


_PARSERS: Final = {
    "nginx": _nginx,
    "caddy": _caddy,
    "haproxy": _haproxy,
    "prometheus": _prometheus,
    "traefik": _traefik,
}

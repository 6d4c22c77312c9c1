"""Servers and routes in JavaScript and TypeScript. Pure.

In: a module. Out: `Bind`s (Node's http and what builds on it, Fastify, Hono, Nest, Bun, Deno, Hapi, WebSocket servers)
and `Route`s (Express, Fastify, Hono, Koa's router, Nest's decorators, the files of Next).
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.project.sources.frameworks import LIBRARY_HOSTS
from imgscan.project.sources.jsvalues import (
    Module,
    Names,
    Value,
    arguments_of,
    literal_of,
    options_of,
    value_of,
)
from imgscan.project.sources.records import Bind, Mend, Route
from imgscan.project.sources.syntax import line_of

if TYPE_CHECKING:
    from tree_sitter import Node

_METHODS: Final = frozenset({"get", "post", "put", "delete", "patch", "options", "head", "all"})
_NEST: Final = lazy_re(r"(Get|Post|Put|Delete|Patch|All|Head|Options|Controller)")
_NEXT_ROUTE: Final = lazy_re(
    r"(?:.*/)?(?:src/)?(?:app(?P<app>(?:/[^/]+)*)/route|pages(?P<pages>(?:/[^/]+)+))\.[cm]?[jt]sx?"
)
_NO_SERVERS: Final = lazy_re(
    r".*(?:socket|history|i18n|messag|router\.|window|emitter|events?|pubsub|store|keyboard)\b", re.IGNORECASE
)
_ANY: Final = "0.0.0.0"  # noqa: S104 - what the change is to say


@frozen
class _Listen:
    framework: str
    host: Node | None = None
    port: Node | None = None
    options: Node | None = None
    key: str = "host"


def binds_in(module: Module, names: Names, manifests: Mapping[str, str]) -> Iterator[Bind]:
    """The servers of a module."""
    if re.search(
        r"(?:^|/)(?:vite|vitest|webpack|nuxt|astro|svelte|next|rollup|jest|playwright)[\w.]*\.config\.", module.path
    ):
        return
    for node in module.syntax.nodes():
        if node.type == "call_expression":
            listen = _listen(module, node, manifests)
            if listen is not None:
                yield _bind(module, node, listen, names)
        elif node.type == "new_expression":
            listen = _new_server(module, node)
            if listen is not None:
                yield _bind(module, node, listen, names)


def _listen(module: Module, node: Node, manifests: Mapping[str, str]) -> _Listen | None:
    called = module.syntax.of(node.child_by_field_name("function"))[-200:]
    arguments = arguments_of(node)
    options = next((each for each in arguments if each.type == "object"), None)
    found = options_of(module.syntax, options)
    if called in ("Bun.serve", "Deno.serve"):
        return _Listen(
            framework=called, host=found.get("hostname"), port=found.get("port"), options=options, key="hostname"
        )
    if called == "serve" and any("hono" in each for each in module.imports):
        return _Listen(
            framework="hono", host=found.get("hostname"), port=found.get("port"), options=options, key="hostname"
        )
    if called.endswith(".server") and "hapi" in " ".join(module.imports).lower():
        return _Listen(framework="hapi", host=found.get("host"), port=found.get("port"), options=options)
    if called.rpartition(".")[2] != "listen" or "." not in called or _NO_SERVERS.match(called) or not arguments:
        return None
    framework = _framework(module, manifests, by_object=options is not None)
    if arguments[0].type == "object":
        if "port" not in found and "host" not in found:
            return None
        return _Listen(framework=framework, host=found.get("host"), port=found.get("port"), options=options)
    if not _is_port(module, arguments[0]):
        return None
    second = arguments[1] if len(arguments) > 1 else None
    has_host = second is not None and second.type not in ("arrow_function", "function_expression", "number", "object")
    if has_host and second is not None and second.type == "identifier" and _is_callback(module, second):
        has_host = False
    return _Listen(framework=framework, host=second if has_host else None, port=arguments[0])


def _is_port(module: Module, node: Node) -> bool:
    """Whether the first argument of `listen` is a port and not a path, a callback or an event."""
    if node.type == "number":
        return True
    text = module.syntax.of(node)[:200]
    return node.type not in ("string", "arrow_function", "function_expression") and "port" in text.lower()


def _is_callback(module: Module, node: Node) -> bool:
    name = module.syntax.of(node)
    value = module.values.get(name)
    if value is not None:
        return value.type in ("arrow_function", "function_expression")
    return not re.search(r"host|addr|bind|ip", name, re.IGNORECASE)


def _new_server(module: Module, node: Node) -> _Listen | None:
    name = module.syntax.of(node.child_by_field_name("constructor")).rpartition(".")[2]
    if name not in ("WebSocketServer", "Server") or "ws" not in module.imports:
        return None
    options = next((each for each in arguments_of(node) if each.type == "object"), None)
    found = options_of(module.syntax, options)
    return (
        _Listen(framework="ws", host=found.get("host"), port=found["port"], options=options)
        if "port" in found
        else None
    )


def _framework(module: Module, manifests: Mapping[str, str], *, by_object: bool) -> str:
    """Whose `listen` it is: that of what the module imports, else of what its package depends on."""
    imports = " ".join(module.imports).lower()
    for name, marks in (
        ("fastify", ("fastify",)),
        ("nest", ("@nestjs/core",)),
        ("elysia", ("elysia",)),
        ("express", ("express",)),
        ("koa", ("koa",)),
        ("http", ("http", "node:http", "https", "node:https", "net", "node:net")),
    ):
        if any(mark in module.imports for mark in marks):
            return "nest-fastify" if name == "nest" and "platform-fastify" in imports else name
    depends = _dependencies(module.path, manifests)
    return (
        "fastify" if by_object and "fastify" in depends and not depends & {"express", "koa", "@hapi/hapi"} else "http"
    )


def _dependencies(path: str, manifests: Mapping[str, str]) -> frozenset[str]:
    folder = posixpath.dirname(path)
    while True:
        text = manifests.get(posixpath.join(folder, "package.json"))
        if text:
            try:
                data = json.loads(text)
            except (ValueError, RecursionError):
                return frozenset()
            found = data.get("dependencies") if isinstance(data, dict) else None
            return frozenset(found) if isinstance(found, dict) else frozenset()
        if not folder:
            return frozenset()
        folder = posixpath.dirname(folder)


def _bind(module: Module, node: Node, listen: _Listen, names: Names) -> Bind:
    host, port = value_of(module, listen.host, names), value_of(module, listen.port, names)
    # What is spread into the options may have a host.
    spread = listen.options is not None and any(c.type == "spread_element" for c in listen.options.named_children)
    known = host.known if listen.host is not None else not spread
    return Bind(
        file=module.path,
        line=line_of(node),
        framework=listen.framework,
        host=host.literal,
        host_variable=host.variable,
        port=int(port.literal) if port.literal and port.literal.isdigit() and len(port.literal) <= 5 else None,
        port_variable=port.variable,
        framework_host=LIBRARY_HOSTS.get(listen.framework) if listen.host is None else None,
        host_known=known,
        mend=_mend(module, listen, host),
    )


def _mend(module: Module, listen: _Listen, host: Value) -> Mend | None:
    if host.span is not None:
        return Mend(start=host.span[0], end=host.span[1], text=f"'{_ANY}'")
    if listen.host is None and listen.options is not None and listen.framework in LIBRARY_HOSTS:
        at = module.syntax.character(listen.options.start_byte) + 1
        return Mend(start=at, end=at, text=f" {listen.key}: '{_ANY}',")
    if listen.host is None and listen.options is None and listen.framework in LIBRARY_HOSTS and listen.port is not None:
        at = module.syntax.character(listen.port.end_byte)
        return Mend(start=at, end=at, text=f", '{_ANY}'")
    return None


def routes_in(module: Module) -> Iterator[Route]:
    """The routes of a module; `use`, `route` and `register` with a path make mounts."""
    for node in module.syntax.nodes():
        if node.type == "call_expression":
            yield from _route(module, node)
        elif node.type == "decorator":
            yield from _decorated(module, node)
    if found := _NEXT_ROUTE.fullmatch(module.path):
        raw = found["app"] if found["app"] is not None else (found["pages"] or "").removesuffix("/index")
        path = "/".join(part for part in raw.split("/") if not (part.startswith("(") and part.endswith(")")))
        yield Route(file=module.path, line=1, path=path or "/", method=None)


def _route(module: Module, node: Node) -> Iterator[Route]:
    called = module.syntax.of(node.child_by_field_name("function"))[-200:]
    method = called.rpartition(".")[2]
    arguments = arguments_of(node)
    if "." not in called or not arguments:
        return
    path = literal_of(module.syntax, arguments[0])
    several = len(arguments) > 1
    if path is not None and path.startswith(("/", "*")):
        if method in _METHODS and several:
            yield Route(file=module.path, line=line_of(node), path=path, method=method.upper())
        elif method in ("use", "route", "mount", "setGlobalPrefix", "basePath"):
            yield Route(file=module.path, line=line_of(node), path=path, method="MOUNT")
        return
    if method == "setGlobalPrefix" and path:
        yield Route(file=module.path, line=line_of(node), path=f"/{path}", method="MOUNT")
    options = next((each for each in arguments if each.type == "object"), None)
    found = options_of(module.syntax, options)
    url = literal_of(module.syntax, found.get("url") or found.get("path"))
    prefix = literal_of(module.syntax, found.get("prefix"))
    if method == "route" and url:
        yield Route(file=module.path, line=line_of(node), path=url, method=None)
    if method in ("register", "Router") and prefix:
        yield Route(file=module.path, line=line_of(node), path=prefix, method="MOUNT")
    if method == "on" and several and (second := literal_of(module.syntax, arguments[1])) and second.startswith("/"):
        yield Route(file=module.path, line=line_of(node), path=second, method=None)


def _decorated(module: Module, node: Node) -> Iterator[Route]:
    call = node.named_child(0)
    if call is None or call.type != "call_expression":
        return
    name = module.syntax.of(call.child_by_field_name("function"))
    if not _NEST.fullmatch(name):
        return
    arguments = arguments_of(call)
    path = literal_of(module.syntax, arguments[0]) if arguments else ""
    if path is not None:
        method = "MOUNT" if name == "Controller" else name.upper()
        yield Route(file=module.path, line=line_of(node), path=f"/{path.strip('/')}", method=method)

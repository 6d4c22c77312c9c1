"""Sources in Go: os.Getenv and its kin, servers of net/http, gin, echo, fiber, chi, routes. Pure.

In: texts by path. Out: `Sources`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from imgscan.lazyre import lazy_re
from imgscan.project.sources.records import Bind, EnvRead, Mend, Route, Sources
from imgscan.project.sources.syntax import Syntax, line_of, named

if TYPE_CHECKING:
    from tree_sitter import Node

_HELPERS: Final = lazy_re(
    r"(?:.*\.)?(?:get_?env|env_?or|env_?or_?default|getenv_?or|must_?getenv|lookup_?env|env)\w*", re.IGNORECASE
)
_CAPITALS: Final = lazy_re(r"[A-Z][A-Z0-9_]{0,127}")
_FIRST_IS_ADDRESS: Final = {"http.ListenAndServe": "net/http", "http.ListenAndServeTLS": "net/http"}
_METHODS: Final = {
    "Run": "gin",
    "RunTLS": "gin",
    "Start": "echo",
    "StartTLS": "echo",
    "Listen": "fiber",
    "ListenTLS": "fiber",
}
_ADDRESS: Final = lazy_re(r"(?P<host>[A-Za-z0-9_.-]*|\[[0-9a-fA-F:]*\]):(?P<port>\d{1,5})")
_ROUTE_METHODS: Final = frozenset(
    {
        "HandleFunc",
        "Handle",
        "GET",
        "POST",
        "PUT",
        "DELETE",
        "PATCH",
        "HEAD",
        "Get",
        "Post",
        "Put",
        "Delete",
        "Patch",
        "Any",
        "All",
        "Head",
    }
)
_MOUNTS: Final = frozenset({"Group", "Route", "Mount", "PathPrefix"})
_STRUCT_TAG: Final = lazy_re(r'\benv(?:config)?:"(?P<name>[A-Z][A-Z0-9_]*)(?P<rest>[^"]*)"')
_TAG_DEFAULT: Final = lazy_re(r'\b(?:envDefault|default):"([^"]*)"')


def read(texts: Mapping[str, str], manifests: Mapping[str, str]) -> Sources:
    """What is in the texts; `manifests` are not needed."""
    reads: list[EnvRead] = []
    binds: list[Bind] = []
    routes: list[Route] = []
    for path, text in texts.items():
        syntax = Syntax("go", text)
        for node in syntax.nodes():
            if node.type == "call_expression":
                reads += _env(path, syntax, node)
                binds += _binds(path, syntax, node, text)
                routes += _routes(path, syntax, node)
            elif node.type == "raw_string_literal" and "env" in syntax.of(node)[:2_000]:
                reads += _tag(path, syntax, node)
            elif node.type == "keyed_element":
                binds += _server_field(path, syntax, node)
    return Sources(reads=tuple(dict.fromkeys(reads)), binds=tuple(binds), routes=tuple(routes))


def _literal(syntax: Syntax, node: Node | None) -> str | None:
    if node is not None and node.type in ("interpreted_string_literal", "raw_string_literal"):
        return syntax.of(node)[1:-1]
    return None


def _call(syntax: Syntax, node: Node) -> tuple[str, list[Node]]:
    return syntax.of(node.child_by_field_name("function"))[-200:], named(node.child_by_field_name("arguments"))


def _env(path: str, syntax: Syntax, node: Node) -> Iterator[EnvRead]:
    called, arguments = _call(syntax, node)
    name = _literal(syntax, arguments[0]) if arguments else None
    if not name or not _CAPITALS.fullmatch(name):
        return
    if called in ("os.Getenv", "os.LookupEnv", "syscall.Getenv"):
        yield EnvRead(name=name, file=path, line=line_of(node), optional=called == "os.LookupEnv")
    elif _HELPERS.fullmatch(called):
        default = _literal(syntax, arguments[1]) if len(arguments) > 1 else None
        required = called.rpartition(".")[2].lower().startswith("must")
        optional = len(arguments) > 1
        yield EnvRead(name=name, file=path, line=line_of(node), default=default, required=required, optional=optional)


def _tag(path: str, syntax: Syntax, node: Node) -> Iterator[EnvRead]:
    text = syntax.of(node)[:2_000]
    for found in _STRUCT_TAG.finditer(text):
        default = _TAG_DEFAULT.search(text)
        required = "required" in found["rest"] or 'required:"true"' in text
        yield EnvRead(
            name=found["name"],
            file=path,
            line=line_of(node),
            default=default[1] if default else None,
            required=required and default is None,
            optional=default is not None,
        )


def _binds(path: str, syntax: Syntax, node: Node, text: str) -> Iterator[Bind]:
    called, arguments = _call(syntax, node)
    method = called.rpartition(".")[2]
    if called in _FIRST_IS_ADDRESS and arguments:
        yield from _bind(path, syntax, node, arguments[0], _FIRST_IS_ADDRESS[called])
    elif called == "net.Listen" and len(arguments) > 1 and (_literal(syntax, arguments[0]) or "").startswith("tcp"):
        yield from _bind(path, syntax, node, arguments[1], "net")
    elif method in _METHODS and "." in called and f"/{_METHODS[method]}" in text:
        if arguments:
            yield from _bind(path, syntax, node, arguments[0], _METHODS[method])
        elif method == "Run":
            yield Bind(file=path, line=line_of(node), framework="gin", port=8080, port_variable="PORT")


def _server_field(path: str, syntax: Syntax, node: Node) -> Iterator[Bind]:
    parts = named(node)
    owner = node.parent.parent if node.parent is not None else None
    if len(parts) == 2 and syntax.of(parts[0]) == "Addr" and owner is not None:
        kind = syntax.of(owner.child_by_field_name("type"))
        if kind == "http.Server":
            value = parts[1].named_child(0) if parts[1].type == "literal_element" else parts[1]
            if value is not None:
                yield from _bind(path, syntax, node, value, "net/http")


def _bind(path: str, syntax: Syntax, node: Node, address: Node, framework: str) -> Iterator[Bind]:
    literal = _literal(syntax, address)
    line = line_of(node)
    if literal is None:
        # ":" + port: every address, whatever the port.
        left = address.child_by_field_name("left") if address.type == "binary_expression" else None
        every = (_literal(syntax, left) or "").startswith(":") or 'Sprintf(":' in syntax.of(address)[:200]
        variable = re.search(r'os\.Getenv\("([A-Z0-9_]+)"\)', syntax.of(address)[:500])
        yield Bind(
            file=path, line=line, framework=framework, port_variable=variable[1] if variable else None, host_known=every
        )
        return
    found = _ADDRESS.fullmatch(literal)
    if found:
        host = found["host"].strip("[]")
        start, end = syntax.character(address.start_byte), syntax.character(address.end_byte)
        yield Bind(
            file=path,
            line=line,
            framework=framework,
            host=host or None,
            port=int(found["port"]),
            mend=Mend(start=start, end=end, text=f'":{found["port"]}"') if host else None,
        )


def _routes(path: str, syntax: Syntax, node: Node) -> Iterator[Route]:
    called, arguments = _call(syntax, node)
    method = called.rpartition(".")[2]
    route = _literal(syntax, arguments[0]) if arguments else None
    if route is None or "." not in called:
        return
    verb, space, rest = route.partition(" ")
    if space and verb.isupper():
        route = rest
    if method in _ROUTE_METHODS and route.startswith("/") and len(arguments) > 1:
        yield Route(
            file=path, line=line_of(node), path=route, method=method.upper() if method.upper() in _HTTP else None
        )
        if method in ("Handle", "HandleFunc") and route.endswith("/"):
            yield Route(file=path, line=line_of(node), path=f"{route}*", method=None)
    elif method in _MOUNTS and route.startswith("/"):
        yield Route(file=path, line=line_of(node), path=route, method="MOUNT")


_HTTP: Final = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"})

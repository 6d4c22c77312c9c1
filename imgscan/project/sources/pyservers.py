"""Servers and routes in Python. Pure.

In: a parsed module. Out: `Bind`s (uvicorn, Flask and its kin, aiohttp, waitress, tornado, the standard library, gRPC)
and `Route`s (FastAPI, Flask, Django, Starlette, aiohttp).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from imgscan.frozen import frozen
from imgscan.project.sources.frameworks import LIBRARY_HOSTS
from imgscan.project.sources.pyvalues import PyModule, PyValue, constant, dotted, keyword_or_argument, value_of
from imgscan.project.sources.records import Bind, Mend, Route

_RUNNERS: Final = (
    ("flask_socketio", "flask-socketio", 5000),
    ("dash", "dash", 8050),
    ("quart", "quart", 5000),
    ("sanic", "sanic", 8000),
    ("flask", "flask", 5000),
    ("bottle", "bottle", 8080),
)
"""Packages whose application is started with `app.run()`: the import, the framework's name, its port."""
_METHODS: Final = frozenset(
    {"get", "post", "put", "delete", "patch", "head", "options", "api_route", "route", "websocket"}
)
_DJANGO: Final = frozenset({"path", "re_path", "url"})
_ADDERS: Final = frozenset({"add_url_rule", "add_route", "add_api_route", "Route", "add_get", "Mount", "mount"})
_PREFIXES: Final = {
    "APIRouter": "prefix",
    "include_router": "prefix",
    "Blueprint": "url_prefix",
    "register_blueprint": "url_prefix",
}
_ANY: Final = "0.0.0.0"  # noqa: S104 - what the change is to say


@frozen
class _Server:
    framework: str
    host: ast.expr | None
    port: ast.expr | None
    default_port: int | None = None


def binds_in(module: PyModule) -> Iterator[Bind]:
    """The servers of a module."""
    for node in module.nodes:
        if isinstance(node, ast.Call):
            server = _server(module, node)
            if server is not None:
                yield _bind(module, node, server)


def _server(module: PyModule, node: ast.Call) -> _Server | None:
    called = dotted(node.func)
    name = called.rpartition(".")[2]
    host = keyword_or_argument(node, ("host", "address", "hostname", "listen_host"), None)
    port = keyword_or_argument(node, ("port", "server_port"), None)
    if called in ("uvicorn.run", "uvicorn.Config") or (called == "run" and "uvicorn" in module.imports):
        return _Server(framework="uvicorn", host=host, port=port, default_port=8000)
    if called.endswith("run_app") and "aiohttp" in module.imports:
        return _Server(framework="aiohttp", host=host, port=port, default_port=8080)
    if called in ("waitress.serve", "serve") and "waitress" in module.imports:
        return _Server(framework="waitress", host=host, port=port, default_port=8080)
    if name == "launch" and "gradio" in module.imports:
        host = keyword_or_argument(node, ("server_name",), None)
        return _Server(framework="gradio", host=host, port=port, default_port=7860)
    if name in ("run", "run_server"):
        return _runner(module, node, called, host, port)
    return _of_standard_library(module, node, name)


def _runner(
    module: PyModule, node: ast.Call, called: str, host: ast.expr | None, port: ast.expr | None
) -> _Server | None:
    if "." not in called and not (called == "run" and "bottle" in module.imports):
        return None
    owner = called.partition(".")[0]
    if owner in ("subprocess", "asyncio", "loop", "anyio", "trio", "pytest", "typer", "mcp", "server", "client", "bot"):
        return None
    for package, framework, default in _RUNNERS:
        if package in module.imports:
            if framework in ("flask", "quart") and host is None and node.args:
                host = node.args[0]
            return _Server(framework=framework, host=host, port=port, default_port=default)
    return None


def _of_standard_library(module: PyModule, node: ast.Call, name: str) -> _Server | None:
    if name in ("HTTPServer", "ThreadingHTTPServer", "TCPServer", "ThreadingTCPServer", "WSGIServer") and node.args:
        address = node.args[0]
        if isinstance(address, ast.Name):
            address = module.values.get(address.id) or address
        if isinstance(address, ast.Tuple) and len(address.elts) == 2:
            return _Server(framework=name, host=address.elts[0], port=address.elts[1])
    if name == "make_server" and len(node.args) >= 2:
        return _Server(framework="wsgiref", host=node.args[0], port=node.args[1])
    if name in ("add_insecure_port", "add_secure_port") and node.args:
        return _Server(framework="grpc", host=node.args[0], port=None)
    if name == "listen" and "tornado" in module.imports and node.args:
        return _Server(framework="tornado", host=keyword_or_argument(node, ("address",), 1), port=node.args[0])
    return None


def _bind(module: PyModule, node: ast.Call, server: _Server) -> Bind:
    host, port = value_of(module, server.host), value_of(module, server.port)
    if server.framework == "grpc" and host.literal:
        address, _, number = host.literal.rpartition(":")
        host, port = PyValue(literal=address.strip("[]")), PyValue(literal=number)
    number_text = port.literal or ""
    written = int(number_text) if number_text.isdigit() and len(number_text) <= 5 else None
    return Bind(
        file=module.path,
        line=node.lineno,
        framework=server.framework,
        host=host.literal if host.literal != "" else _ANY,
        host_variable=host.variable,
        port=server.default_port if server.port is None and written is None else written,
        port_variable=port.variable,
        framework_host=LIBRARY_HOSTS.get(server.framework) if server.host is None else None,
        host_known=server.host is None or host.known or _is_none(server.host),
        mend=_mend(module, node, server, host),
    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _mend(module: PyModule, node: ast.Call, server: _Server, host: PyValue) -> Mend | None:
    if host.node is not None:
        start = _offset(module.text, host.node.lineno, host.node.col_offset)
        end = _offset(module.text, host.node.end_lineno, host.node.end_col_offset)
        return Mend(start=start, end=end, text=f'"{_ANY}"') if start is not None and end is not None else None
    if server.host is not None or server.framework not in LIBRARY_HOSTS:
        return None
    end = _offset(module.text, node.end_lineno, node.end_col_offset)
    if end is None or module.text[end - 1 : end] != ")":
        return None
    inside = module.text[: end - 1].rstrip()
    key = "server_name" if server.framework == "gradio" else "host"
    comma = "" if inside.endswith(("(", ",")) else ", "
    return Mend(start=len(inside), end=len(inside), text=f'{comma}{key}="{_ANY}"')


def _offset(text: str, line: int | None, column: int | None) -> int | None:
    """The character at a line and a column of UTF-8 bytes, as `ast` counts them."""
    if line is None or column is None:
        return None
    lines = text.split("\n")
    if line > len(lines):
        return None
    before = sum(len(each) + 1 for each in lines[: line - 1])
    return before + len(lines[line - 1].encode("utf-8", "surrogatepass")[:column].decode("utf-8", "ignore"))


def routes_in(module: PyModule) -> Iterator[Route]:
    """The routes of a module; prefixes of routers, blueprints and included URLs make mounts."""
    for node in module.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call):
                    yield from _decorator(module, decorator)
        elif isinstance(node, ast.Call):
            yield from _called(module, node)


def _decorator(module: PyModule, node: ast.Call) -> Iterator[Route]:
    method = dotted(node.func).rpartition(".")[2]
    path = constant(keyword_or_argument(node, ("path", "rule"), 0))
    if method in _METHODS and path is not None and (path.startswith("/") or not path):
        known = None if method in ("route", "api_route") else method.upper()
        yield Route(file=module.path, line=node.lineno, path=path or "/", method=known)


def _called(module: PyModule, node: ast.Call) -> Iterator[Route]:
    name = dotted(node.func).rpartition(".")[2]
    first = constant(node.args[0]) if node.args else None
    if name in _PREFIXES:
        prefix = constant(keyword_or_argument(node, (_PREFIXES[name],), None))
        if prefix:
            yield Route(file=module.path, line=node.lineno, path=prefix, method="MOUNT")
    elif name in _DJANGO and first is not None and len(node.args) > 1 and "django" in module.imports:
        bare = re.sub(r"[\^$]", "", first).strip("/")
        included = isinstance(node.args[1], ast.Call) and dotted(node.args[1].func) == "include"
        yield Route(file=module.path, line=node.lineno, path=f"/{bare}", method="MOUNT" if included else None)
    elif name in _ADDERS and first is not None and first.startswith("/"):
        method = "MOUNT" if name.lower() == "mount" else None
        yield Route(file=module.path, line=node.lineno, path=first, method=method)

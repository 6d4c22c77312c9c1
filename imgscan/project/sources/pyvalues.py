"""Expressions of Python -> what is known of their values without running anything. Pure.

In: nodes of `ast`. Out: constants, reads of the environment, names that a module gives to one of these.
"""

from __future__ import annotations

import ast
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

_MOST_NODES: Final = 300_000
_DEEPEST: Final = 20
_CAPITALS: Final = lazy_re(r"[A-Z][A-Z0-9_]{0,127}")
_GETTERS: Final = frozenset({"os.environ.get", "environ.get", "os.getenv", "getenv", "os.environ.setdefault"})
_ENV_CALLS: Final = lazy_re(
    r"(?:self\.)?_?(?:env|environ|config|decouple\.config|AutoConfig|get_env|getenv|get_env_variable|env_config)"
    r"(?:\.(?:str|bool|int|float|list|json|url|db|db_url|cache|cache_url|tuple|path|read|get_value|decimal|dict))?"
)
_CONVERSIONS: Final = frozenset({"int", "str", "bool", "float"})


@frozen
class PyModule:
    """A parsed file: its nodes (300,000 at most), the top-level names of the packages it imports, and the expressions
    that its names are assigned once."""

    path: str
    text: str
    nodes: tuple[ast.AST, ...]
    imports: frozenset[str]
    values: dict[str, ast.expr | None]

    @classmethod
    def of(cls, path: str, text: str, tree: ast.AST) -> PyModule:
        """The module of a tree."""
        nodes: list[ast.AST] = []
        imports: set[str] = set()
        values: dict[str, ast.expr | None] = {}
        for node in ast.walk(tree):  # breadth first, with a queue: no depth of the text is too deep for it
            nodes.append(node)
            if len(nodes) >= _MOST_NODES:
                break
            if isinstance(node, ast.Import):
                imports.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                imports.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    name = dotted(target).removeprefix("self.")
                    if name and node.value is not None:
                        values[name] = None if name in values else node.value
        return cls(path=path, text=text, nodes=tuple(nodes), imports=frozenset(imports), values=values)


@frozen
class PyRead:
    """A read of a variable. `required`: without it there is an exception."""

    name: str
    default: str | None = None
    required: bool = False
    optional: bool = False
    default_node: ast.expr | None = None


@frozen
class PyValue:
    """As `jsvalues.Value`; `node` is the constant, for its place."""

    literal: str | None = None
    variable: str | None = None
    node: ast.expr | None = None

    @property
    def known(self) -> bool:
        """Whether anything is known of it."""
        return self.literal is not None or self.variable is not None


def dotted(node: ast.AST | None) -> str:
    """`a.b.c` of names and attributes; empty for anything else."""
    parts: list[str] = []
    for _ in range(_DEEPEST):
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Name):
            return ".".join((node.id, *reversed(parts)))
        else:
            return ""
    return ""


def constant(node: ast.AST | None) -> str | None:
    """The text of a string, number or boolean."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | bool):
        return str(node.value)
    return None


def env_read(module: PyModule, node: ast.AST | None) -> PyRead | None:
    """The read that an expression is: os.environ, os.getenv, decouple's config, environs' and django-environ's env."""
    if isinstance(node, ast.Subscript):
        name = constant(node.slice)
        stored = not isinstance(node.ctx, ast.Load)
        return PyRead(name=name, required=True) if name and not stored and _is_environ(node.value) else None
    if not isinstance(node, ast.Call) or not node.args:
        return None
    called = dotted(node.func)
    name = constant(node.args[0])
    if not name:
        return None
    default = node.args[1] if len(node.args) > 1 else _keyword(node, "default")
    if called in _GETTERS:
        return PyRead(name=name, default=constant(default), optional=default is not None, default_node=default)
    if _ENV_CALLS.fullmatch(called) and _CAPITALS.fullmatch(name) and _is_env_library(module, called):
        missing = default is None
        return PyRead(
            name=name, default=constant(default), required=missing, optional=not missing, default_node=default
        )
    return None


def _is_environ(node: ast.AST) -> bool:
    return dotted(node) in ("os.environ", "environ")


def _is_env_library(module: PyModule, called: str) -> bool:
    return bool(
        module.imports & {"decouple", "environs", "environ", "starlette", "dotenv"}
    ) or "getenv" in called.replace("_", "")


def _keyword(node: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in node.keywords if keyword.arg == name), None)


def keyword_or_argument(node: ast.Call, names: tuple[str, ...], index: int | None) -> ast.expr | None:
    """An argument by one of its names, or by its place."""
    for name in names:
        found = _keyword(node, name)
        if found is not None:
            return found
    if index is not None and index < len(node.args) and not isinstance(node.args[index], ast.Starred):
        return node.args[index]
    return None


def value_of(module: PyModule, node: ast.expr | None, depth: int = 0) -> PyValue:
    """What is known of an expression."""
    if node is None or depth > _DEEPEST:
        return PyValue()
    literal = constant(node)
    if literal is not None:
        return PyValue(literal=literal, node=node)
    read = env_read(module, node)
    if read is not None:
        node = read.default_node if read.default is not None else None
        return PyValue(literal=read.default, variable=read.name, node=node)
    if isinstance(node, ast.Call) and dotted(node.func) in _CONVERSIONS and node.args:
        return value_of(module, node.args[0], depth + 1)
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or) and len(node.values) == 2:
        left, right = (value_of(module, each, depth + 1) for each in node.values)
        return PyValue(literal=right.literal, variable=left.variable) if left.known else PyValue()
    if isinstance(node, ast.Name | ast.Attribute):
        return value_of(module, module.values.get(dotted(node).removeprefix("self.")), depth + 1)
    return PyValue()

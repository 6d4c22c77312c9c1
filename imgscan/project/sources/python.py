"""Sources in Python, by the standard library's `ast`: variables, servers, routes. Pure; nothing is imported or run.

In: texts by path. Out: `Sources`. A text that this Python's grammar refuses, or that nests too deep, has nothing in it.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping

from imgscan.project.sources.pyservers import binds_in, routes_in
from imgscan.project.sources.pyvalues import PyModule, constant, dotted, env_read
from imgscan.project.sources.records import EnvRead, Sources

_MARKS = ("environ", "getenv", "BaseSettings", "config(", "env(", "env.", ".run(", "serve(", "Server(", ".listen(",
          "make_server", "run_app", "route", "path(", ".get(", "launch(", "Env(", "secure_port(")  # fmt: skip


def read(texts: Mapping[str, str], manifests: Mapping[str, str]) -> Sources:
    """What is in the texts; `manifests` are not needed."""
    modules = [module for path, text in texts.items() if (module := _module(path, text)) is not None]
    return Sources(
        reads=tuple(dict.fromkeys(read for module in modules for read in _reads(module))),
        binds=tuple(bind for module in modules for bind in binds_in(module)),
        routes=tuple(route for module in modules for route in routes_in(module)),
    )


def _module(path: str, text: str) -> PyModule | None:
    if not any(mark in text for mark in _MARKS):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes in other people's strings
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    return PyModule.of(path, text, tree)


def _reads(module: PyModule) -> Iterator[EnvRead]:
    for node in module.nodes:
        if isinstance(node, ast.Call | ast.Subscript):
            found = env_read(module, node)
            if found is not None:
                handled = found.default is not None or found.optional
                yield EnvRead(
                    name=found.name,
                    file=module.path,
                    line=node.lineno,
                    default=found.default,
                    required=found.required and not handled,
                    optional=found.optional,
                )
        elif isinstance(node, ast.ClassDef) and any("Settings" in dotted(base) for base in node.bases):
            yield from _settings(module, node)


def _settings(module: PyModule, node: ast.ClassDef) -> Iterator[EnvRead]:
    """The fields of a pydantic settings class: names are those of the fields, with the prefix, whatever the case."""
    prefix = _prefix(node)
    for field in node.body:
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        name = field.target.id
        if name == "model_config" or "ClassVar" in ast.unparse(field.annotation)[:200]:
            continue
        value = field.value
        given = f"{prefix}{name}".upper()
        if isinstance(value, ast.Call) and dotted(value.func).endswith("Field"):
            options = {keyword.arg: keyword.value for keyword in value.keywords}
            alias = next(
                (constant(options[key]) for key in ("env", "validation_alias", "alias") if key in options), None
            )
            given = alias.upper() if alias else given
            value = options.get("default") or (value.args[0] if value.args else options.get("default_factory"))
        default = constant(value)
        missing = value is None or (isinstance(value, ast.Constant) and value.value is Ellipsis)
        yield EnvRead(
            name=given,
            file=module.path,
            line=field.lineno,
            default=default,
            required=missing,
            optional=not missing,
        )


def _prefix(node: ast.ClassDef) -> str:
    for child in node.body:
        if isinstance(child, ast.ClassDef) and child.name == "Config":
            for item in child.body:
                if isinstance(item, ast.Assign) and any(dotted(t) == "env_prefix" for t in item.targets):
                    return constant(item.value) or ""
        value = child.value if isinstance(child, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Call) and dotted(value.func).endswith(("ConfigDict", "dict")):
            for keyword in value.keywords:
                if keyword.arg == "env_prefix":
                    return constant(keyword.value) or ""
    return ""

"""Sources in JavaScript and TypeScript, also inside of Vue, Svelte and Astro files. Pure.

In: texts by path, and the package.json files. Out: `Sources`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.project.sources.jsreads import reads_in
from imgscan.project.sources.jsservers import binds_in, routes_in
from imgscan.project.sources.jsvalues import Module, Names, Value, read_module, shared_values, stem_of, takers_of
from imgscan.project.sources.records import EnvRead, Sources
from imgscan.project.sources.syntax import Syntax

_SCRIPT: Final = lazy_re(
    r"<script\b[^>]*>(.*?)</script\s*>|\A---\r?\n(.*?)^---", re.DOTALL | re.IGNORECASE | re.MULTILINE
)
_NOT_BLANK: Final = lazy_re(r"[^\n\r]")
_WORTH_A_LOOK: Final = lazy_re(
    r"process\.env|import\.meta\.env|ProcessEnv|[eE]nv\b|Joi\.|\.listen\(|\bserve\(|[cC]onfig(?:Service)?\.get"
    r"|\b(?:port|host|PORT|HOST)\b|\.(?:get|use|route|all|post|put|on)\(\s*[{'\"`][/*\s]|\.route\(\s*\{|\.register\("
    r"|setGlobalPrefix|@(?:Get|Controller)|WebSocketServer|hapi"
)


def read(texts: Mapping[str, str], manifests: Mapping[str, str]) -> Sources:
    """What is in the texts; those that say nothing of variables, servers and routes are not parsed."""
    takers = takers_of(texts)
    modules = [
        read_module(path, Syntax(_language(path), _script(path, text)), takers)
        for path, text in texts.items()
        if _WORTH_A_LOOK.search(text) or "/api/" in path or path.endswith(("route.ts", "route.js"))
    ]
    names = _names(modules)
    reads = [read for module in modules for read in reads_in(module, names)]
    _learn(names, reads)
    return Sources(
        reads=tuple(dict.fromkeys(reads)),
        binds=tuple(bind for module in modules for bind in binds_in(module, names, manifests)),
        routes=tuple(route for module in modules for route in routes_in(module)),
    )


def _names(modules: list[Module]) -> Names:
    """Values that names stand for wherever they are: those on which all modules agree."""
    names = Names(modules={stem_of(module.path): module for module in modules})
    for name, value in shared_values(modules):
        if name not in names.values:
            names.values[name] = value if value.known else None
        elif names.values[name] != value:
            names.values[name] = None
    return names


def _learn(names: Names, reads: list[EnvRead]) -> None:
    """`env.PORT` of a parsed schema is the variable PORT."""
    defaults: dict[str, set[str]] = {}
    for read in reads:
        defaults.setdefault(read.name, set()).update([read.default] if read.default is not None else [])
    for name, found in defaults.items():
        if names.values.get(name) is None:
            names.values[name] = Value(variable=name, literal=next(iter(found)) if len(found) == 1 else None)


def _language(path: str) -> str:
    end = path.rpartition(".")[2]
    if end in ("ts", "mts", "cts", "astro", "svelte", "vue"):
        return "typescript"
    return "tsx" if end == "tsx" else "javascript"


def _script(path: str, text: str) -> str:
    """The scripts of a component file, the rest as blanks, so that every place stays where it is."""
    if not path.endswith((".vue", ".svelte", ".astro")):
        return text
    parts: list[str] = []
    at = 0
    for found in _SCRIPT.finditer(text):
        group = 1 if found[1] is not None else 2
        parts += (_NOT_BLANK.sub(" ", text[at : found.start(group)]), found[group])
        at = found.end(group)
    return "".join((*parts, _NOT_BLANK.sub(" ", text[at:])))

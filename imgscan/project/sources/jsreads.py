"""Reads of the environment in JavaScript and TypeScript: plain, destructured, by schemas (zod, envalid, znv, Joi).

In: a module. Out: `EnvRead`s with their defaults, and whether the program does without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from imgscan.lazyre import lazy_re
from imgscan.project.sources.jsvalues import (
    Module,
    Names,
    arguments_of,
    env_name_of,
    is_environment,
    literal_of,
    property_name,
    value_of,
)
from imgscan.project.sources.records import EnvRead
from imgscan.project.sources.syntax import Syntax, line_of, named, wrapped

if TYPE_CHECKING:
    from tree_sitter import Node

_NAME: Final = lazy_re(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_CAPITALS: Final = lazy_re(r"[A-Z][A-Z0-9_]{0,127}")
_PARSERS: Final = frozenset({"parse", "safeParse", "parseAsync", "validate", "validateSync", "cast", "parseEnv"})
_CLEANERS: Final = frozenset({"cleanEnv", "parseEnv", "envsafe", "createEnv", "makeEnv", "customCleanEnv"})
_GETTERS: Final = lazy_re(
    r"(?:.*\.)?(?:get_?env|env|getEnvVar|requireEnv|mustEnv|optionalEnv|required_?env)", re.IGNORECASE
)
_CONFIG: Final = lazy_re(r".*config(?:service)?\.(?:get|getOrThrow)(?:<.*>)?", re.IGNORECASE)
_GUARDS: Final = lazy_re(r".*(?:assert|invariant|ok|nonNull)", re.IGNORECASE)
_DEFAULT: Final = lazy_re(
    r"\.(?:default|catch|prefault)\(\s*(?:'([^']*)'|\"([^\"]*)\"|`([^`$]*)`|([\d_.]+|true|false))\s*\)"
)
_ANY_DEFAULT: Final = lazy_re(r"\.(?:default|catch|prefault)\(|\bdefault\s*:|\bdevDefault\s*:")
_ENVALID_DEFAULT: Final = lazy_re(r"\bdefault\s*:\s*(?:'([^']*)'|\"([^\"]*)\"|([\d_.]+|true|false))")
_OPTIONAL: Final = lazy_re(r"\.(?:optional|nullish|nullable|allow)\(|\boptional\s*:\s*true|\bo(?:ptional)?\(")
_MOST_CHARS: Final = 2_000
_LEAVES: Final = lazy_re(r"\bthrow\b|process\.exit\(|\.exit\(|\bfail\(|\bpanic\(")


def reads_in(module: Module, names: Names) -> Iterator[EnvRead]:
    """Every read of the environment in a module."""
    guarded = _guarded(module)
    for node in module.syntax.nodes():
        match node.type:
            case "member_expression" | "subscript_expression":
                yield from _plain(module, node, names, guarded)
            case "object_pattern":
                yield from _destructured(module, node, guarded)
            case "call_expression":
                yield from _call(module, node)
            case _:
                pass


def _read(
    module: Module, node: Node, name: str, *, default: str | None = None, required: bool = False, optional: bool = False
) -> Iterator[EnvRead]:
    if _NAME.fullmatch(name):
        yield EnvRead(
            name=name,
            file=module.path,
            line=line_of(node),
            default=default,
            required=required and default is None,
            optional=optional,
        )


def _plain(module: Module, node: Node, names: Names, guarded: frozenset[str]) -> Iterator[EnvRead]:
    name = env_name_of(module, node)
    if name is None:
        return
    outer = wrapped(node)
    # Conversions stand between a read and its fallback: Number(process.env.PORT) || 3000.
    while (
        (call := outer.parent and outer.parent.parent)
        and call.type == "call_expression"
        and len(arguments_of(call)) <= 2
        and module.syntax.of(call.child_by_field_name("function")) in ("Number", "parseInt", "String")
    ):
        outer = wrapped(call)
    parent = outer.parent
    if parent is None or (parent.type == "assignment_expression" and parent.child_by_field_name("left") == outer):
        return
    if parent.type == "unary_expression" and module.syntax.of(parent).startswith("delete"):
        return
    default, handled = None, parent.type in ("ternary_expression", "if_statement", "unary_expression")
    if parent.type == "binary_expression" and parent.child_by_field_name("left") == outer:
        handled = True
        if module.syntax.of(parent.child_by_field_name("operator")) in ("??", "||"):
            default = value_of(module, parent.child_by_field_name("right"), names).literal
    asserted = parent.type == "arguments" and bool(
        parent.parent and _GUARDS.fullmatch(module.syntax.of(parent.parent.child_by_field_name("function"))[:200])
    )
    bound = _bound_name(module.syntax, outer)
    required = asserted or name in guarded or (bound is not None and bound in guarded)
    yield from _read(module, node, name, default=default, required=required, optional=handled and not required)


def _bound_name(syntax: Syntax, node: Node) -> str | None:
    parent = node.parent
    if parent is None or parent.type != "variable_declarator":
        return None
    return syntax.of(parent.child_by_field_name("name")) or None


def _guarded(module: Module) -> frozenset[str]:
    """Names without whose values the program ends: `if (!name) throw …`, `if (name === undefined) process.exit(1)`."""
    found: set[str] = set()
    for node in module.syntax.nodes():
        if node.type != "if_statement":
            continue
        branch = node.child_by_field_name("consequence")
        if branch is None or branch.end_byte - branch.start_byte > _MOST_CHARS:
            continue
        if _LEAVES.search(module.syntax.of(branch)):
            condition = module.syntax.of(node.child_by_field_name("condition"))[:_MOST_CHARS]
            for negated in re.finditer(r"!\s*([\w.$]+)|([\w.$]+)\s*===?\s*(?:undefined|null|'')", condition):
                found.add((negated[1] or negated[2]).rpartition(".")[2])
    return frozenset(found)


def _destructured(module: Module, node: Node, guarded: frozenset[str]) -> Iterator[EnvRead]:
    parent = node.parent
    if parent is None or not is_environment(
        module, parent.child_by_field_name("value") or parent.child_by_field_name("right")
    ):
        return
    syntax = module.syntax
    for child in named(node):
        default = None
        key = child
        match child.type:
            case "object_assignment_pattern":
                key = child.child_by_field_name("left") or child
                default = literal_of(syntax, child.child_by_field_name("right"))
            case "pair_pattern":
                key = child.child_by_field_name("key") or child
                value = child.child_by_field_name("value")
                if value is not None and value.type == "assignment_pattern":
                    default = literal_of(syntax, value.child_by_field_name("right"))
            case "rest_pattern":
                continue
            case _:
                pass
        name = property_name(syntax, key)
        yield from _read(
            module,
            child,
            name,
            default=default,
            required=name in guarded,
            optional=child.type == "object_assignment_pattern",
        )


def _call(module: Module, node: Node) -> Iterator[EnvRead]:
    syntax = module.syntax
    function = node.child_by_field_name("function")
    called = syntax.of(function)[-200:] if function is not None else ""
    arguments = arguments_of(node)
    last = called.rpartition(".")[2]
    if last in _CLEANERS:
        for argument in arguments:
            yield from _schema_of(module, argument)
    elif last in _PARSERS and any(is_environment(module, argument) for argument in arguments):
        schema = function.child_by_field_name("object") if function is not None else None
        yield from _schema_of(module, schema)
    elif last == "object" and called.lower().startswith("joi") and arguments:
        yield from _entries(module, arguments[0])
    elif arguments and (_GETTERS.fullmatch(called) or _CONFIG.fullmatch(called)):
        name = literal_of(syntax, arguments[0]) or ""
        if _CAPITALS.fullmatch(name):
            default = literal_of(syntax, arguments[1]) if len(arguments) > 1 else None
            required = bool(re.search(r"require|must|OrThrow", called))
            yield from _read(module, node, name, default=default, required=required)


def _schema_of(module: Module, node: Node | None) -> Iterator[EnvRead]:
    """The reads of a schema: an object literal, a call that is given one, or a name for either."""
    for _ in range(8):
        if node is None:
            return
        if node.type == "identifier":
            node = module.values.get(module.syntax.of(node))
        elif node.type == "call_expression":
            inner = next((each for each in arguments_of(node) if each.type == "object"), None)
            function = node.child_by_field_name("function")
            node = inner or (function.child_by_field_name("object") if function else None)
        elif node.type == "object":
            yield from _entries(module, node)
            return
        else:
            return


def _entries(module: Module, node: Node) -> Iterator[EnvRead]:
    syntax = module.syntax
    for pair in named(node):
        value = pair.child_by_field_name("value")
        if pair.type != "pair" or value is None:
            continue
        name = property_name(syntax, pair.child_by_field_name("key"))
        if name in ("server", "client", "shared") and value.type == "object":  # createEnv of t3-env
            yield from _entries(module, value)
            continue
        if not _CAPITALS.fullmatch(name):
            continue
        text = syntax.of(value)[:_MOST_CHARS]
        found = _DEFAULT.search(text) or _ENVALID_DEFAULT.search(text)
        default = next((each for each in found.groups() if each is not None), None) if found else None
        has_default = default is not None or bool(_ANY_DEFAULT.search(text))
        optional = has_default or bool(_OPTIONAL.search(text))
        yield from _read(module, pair, name, default=default, required=not optional, optional=optional)

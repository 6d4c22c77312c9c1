"""Expressions of JavaScript and TypeScript -> what is known of their values without running anything. Pure.

In: syntax trees. Out: `Value`s: a literal, the variable of the environment that it is read from, or neither.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.project.sources.syntax import Syntax, named, unwrapped

if TYPE_CHECKING:
    from tree_sitter import Node

_CONVERSIONS: Final = frozenset({"Number", "parseInt", "String", "parseFloat", "BigInt"})
_ENDING: Final = lazy_re(r"\.[cm]?[jt]sx?$")
_DEEPEST: Final = 12
_FIRST_ARGUMENT: Final = lazy_re(r"\b([A-Za-z_$][\w$]*)\(\s*process\.env\s*[,)]")


@frozen
class Value:
    """`literal` is the text of a literal, or of the fallback of a read; `variable` the environment variable read."""

    literal: str | None = None
    variable: str | None = None
    span: tuple[int, int] | None = None

    @property
    def known(self) -> bool:
        """Whether anything is known of it."""
        return self.literal is not None or self.variable is not None


UNKNOWN: Final = Value()


@dataclass(slots=True, kw_only=True)
class Module:
    """A parsed file. `env_names` are its names for the process's environment, `values` the expressions that names and
    properties stand for, None for several; `top` are those declared outside of functions. `imports` are the packages
    that it takes from."""

    path: str
    syntax: Syntax
    env_names: set[str] = field(default_factory=set)
    values: dict[str, Node | None] = field(default_factory=dict)
    imports: set[str] = field(default_factory=set)
    top: set[str] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class Names:
    """What all modules together know: values of names and properties (None: several, or unknown), and the modules by
    their paths without endings."""

    values: dict[str, Value | None] = field(default_factory=dict)
    modules: dict[str, Module] = field(default_factory=dict)


def takers_of(texts: Mapping[str, str]) -> frozenset[str]:
    """The names of functions that are called with `process.env` as their first argument."""
    return frozenset(found[1] for text in texts.values() for found in _FIRST_ARGUMENT.finditer(text))


def read_module(path: str, syntax: Syntax, takers: frozenset[str]) -> Module:
    """The module's names, before anything is asked of it."""
    module = Module(path=path, syntax=syntax)
    for node in syntax.nodes():
        match node.type:
            case "variable_declarator" | "assignment_pattern" | "required_parameter" | "optional_parameter":
                _declare(module, node)
            case "pair":
                key = property_name(syntax, node.child_by_field_name("key"))
                _remember(module, key, node.child_by_field_name("value"))
            case "import_statement":
                _import(module, node)
            case "call_expression" if syntax.of(node.child_by_field_name("function")) == "require":
                module.imports.update(filter(None, (literal_of(syntax, arg) for arg in arguments_of(node)[:1])))
            case "function_declaration" | "arrow_function" | "function_expression":
                _take_environment(module, node, takers)
            case _:
                pass
    return module


def _declare(module: Module, node: Node) -> None:
    syntax = module.syntax
    kind = syntax.of(node.child_by_field_name("type"))
    name_node = next(
        filter(None, (node.child_by_field_name(name) for name in ("name", "pattern", "left"))), None
    ) or node.named_child(0)
    name = syntax.of(name_node)
    value = node.child_by_field_name("value") or node.child_by_field_name("right")
    if "ProcessEnv" in kind or (
        value is not None and syntax.of(unwrapped(value)) in ("process.env", "import.meta.env")
    ):
        if name.isidentifier():
            module.env_names.add(name)
    elif node.type == "variable_declarator" and name_node is not None and name_node.type == "identifier":
        _remember(module, name, value, top=_is_top(node))


def _remember(module: Module, name: str, value: Node | None, *, top: bool = False) -> None:
    """A name of the whole module goes before those of functions, which several may have."""
    if not name or value is None or (name in module.top and not top):
        return
    known = name in module.values and (name in module.top) == top
    module.values[name] = None if known else value
    if top:
        module.top.add(name)


def _is_top(node: Node) -> bool:
    for _ in range(3):
        node = node.parent or node
        if node.type == "program":
            return True
    return False


def _import(module: Module, node: Node) -> None:
    syntax = module.syntax
    source = literal_of(syntax, node.child_by_field_name("source")) or ""
    module.imports.add(source)
    if source in ("process", "node:process") and re.search(r"\{[^}]*\benv\b", syntax.of(node)):
        module.env_names.add("env")


def _take_environment(module: Module, node: Node, takers: frozenset[str]) -> None:
    """A function that is called with the environment knows it by the name of its first parameter."""
    holder = node.parent
    name = module.syntax.of(node.child_by_field_name("name"))
    if not name and holder is not None and holder.type == "variable_declarator":
        name = module.syntax.of(holder.child_by_field_name("name"))
    parameters = named(node.child_by_field_name("parameters"))
    if name in takers and parameters:
        first = module.syntax.of(parameters[0].child_by_field_name("pattern") or parameters[0])
        if first.isidentifier():
            module.env_names.add(first)


def arguments_of(call: Node) -> list[Node]:
    """The arguments of a call."""
    return named(call.child_by_field_name("arguments"))


def literal_of(syntax: Syntax, node: Node | None) -> str | None:
    """The text of a string, a number or a template without expressions."""
    node = unwrapped(node)
    if node is None:
        return None
    if node.type == "number":
        return syntax.of(node).replace("_", "")
    if node.type == "string" or (node.type == "template_string" and not _has_substitution(node)):
        return syntax.of(node)[1:-1]
    if node.type in ("true", "false"):
        return node.type
    return None


def _has_substitution(node: Node) -> bool:
    return any(child.type == "template_substitution" for child in node.named_children)


def property_name(syntax: Syntax, node: Node | None) -> str:
    """The name of a key of an object, or of a destructuring."""
    if node is None:
        return ""
    return syntax.of(node)[1:-1] if node.type == "string" else syntax.of(node)


def env_name_of(module: Module, node: Node | None) -> str | None:
    """The variable that an expression `process.env.X` (by whatever name and form) reads."""
    if node is None or node.type not in ("member_expression", "subscript_expression"):
        return None
    syntax = module.syntax
    if not is_environment(module, node.child_by_field_name("object")):
        return None
    if node.type == "member_expression":
        return syntax.of(node.child_by_field_name("property")) or None
    return literal_of(syntax, node.child_by_field_name("index"))


def is_environment(module: Module, node: Node | None) -> bool:
    """Whether an expression is the environment as a whole."""
    node = unwrapped(node)
    text = module.syntax.of(node) if node is not None and node.end_byte - node.start_byte <= 64 else ""
    return text in ("process.env", "import.meta.env", "globalThis.process.env", "Bun.env") or text in module.env_names


def options_of(syntax: Syntax, node: Node | None) -> dict[str, Node]:
    """The values of an object literal by key, shorthands included."""
    found: dict[str, Node] = {}
    for child in named(node) if node is not None and node.type == "object" else ():
        if child.type == "pair":
            value = child.child_by_field_name("value")
            if value is not None:
                found[property_name(syntax, child.child_by_field_name("key"))] = value
        elif child.type == "shorthand_property_identifier":
            found[syntax.of(child)] = child
    return found


def value_of(module: Module, node: Node | None, names: Names, seen: set[int] | None = None) -> Value:
    """What is known of an expression: literals, reads of the environment with their fallback, names that stand for
    one of these, in this module or (where all agree) in another."""
    node = unwrapped(node)
    seen = set() if seen is None else seen
    if node is None or node.id in seen or len(seen) > _DEEPEST:
        return UNKNOWN
    seen.add(node.id)
    syntax = module.syntax
    literal = literal_of(syntax, node)
    if literal is not None:
        return Value(literal=literal, span=(syntax.character(node.start_byte), syntax.character(node.end_byte)))
    variable = env_name_of(module, node)
    if variable is not None:
        return Value(variable=variable)
    match node.type:
        case "binary_expression" if syntax.of(node.child_by_field_name("operator")) in ("??", "||"):
            left = value_of(module, node.child_by_field_name("left"), names, seen)
            right = value_of(module, node.child_by_field_name("right"), names, seen)
            return _fallback(left, right)
        case "call_expression":
            called = syntax.of(node.child_by_field_name("function"))
            return value_of(module, arguments_of(node)[0], names, seen) if _converts(called, node) else UNKNOWN
        case "unary_expression" if syntax.of(node.child_by_field_name("operator")) == "+":
            return value_of(module, node.child_by_field_name("argument"), names, seen)
        case "identifier" | "shorthand_property_identifier":
            return _looked_up(module, syntax.of(node), names, seen)
        case "member_expression":
            return _looked_up(module, syntax.of(node.child_by_field_name("property")), names, seen)
        case _:
            return UNKNOWN


def _converts(called: str, node: Node) -> bool:
    return called.rpartition(".")[2] in _CONVERSIONS and bool(arguments_of(node))


def _fallback(left: Value, right: Value) -> Value:
    if not left.known:
        return UNKNOWN
    if left.literal is not None:
        return left
    return Value(literal=right.literal, variable=left.variable, span=right.span)


def _looked_up(module: Module, name: str, names: Names, seen: set[int]) -> Value:
    """What a name stands for: in the module itself, in one that it imports, wherever it stands."""
    for near in (module, *_imported(module, names)):
        value = value_of(near, near.values.get(name), names, seen)
        if value.known:
            return value if near is module else Value(literal=value.literal, variable=value.variable)
    return names.values.get(name) or UNKNOWN


def _imported(module: Module, names: Names) -> Iterator[Module]:
    folder = posixpath.dirname(module.path)
    for source in sorted(module.imports):
        if source.startswith("."):
            stem = stem_of(posixpath.normpath(posixpath.join(folder, source)))
            found = names.modules.get(stem) or names.modules.get(f"{stem}/index")
            if found is not None:
                yield found


def stem_of(path: str) -> str:
    """The path of a module as imports may write it: without its ending."""
    return _ENDING.sub("", path)


def shared_values(modules: list[Module]) -> Iterator[tuple[str, Value]]:
    """Names of all modules that stand for something known."""
    nothing = Names()
    for module in modules:
        for name, node in module.values.items():
            value = value_of(module, node, nothing)
            # A place belongs to one file, and another one has no use for it.
            yield name, Value(literal=value.literal, variable=value.variable)

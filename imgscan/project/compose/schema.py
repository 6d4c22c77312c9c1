"""The tree of a compose file against the JSON schema of the compose specification -> problems with positions.

Messages name keys and types, never values: those may be secrets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from imgscan.errors import ImgscanError
from imgscan.project.compose.nodes import ListNode, MapNode, Node, Scalar, plain
from imgscan.project.compose.records import Mark, Problem
from imgscan.rulebook import rules_dir

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

_MOST: Final = 50


@cache
def _validator() -> Any:  # noqa: ANN401 - a class of Rust without a public name
    import jsonschema_rs

    path = rules_dir() / "compose" / "compose-spec.json"
    try:
        return jsonschema_rs.validator_for(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise ImgscanError(f"the schema {path.name} cannot be read: {error}") from error


def check_schema(root: Node, file: str) -> list[Problem]:
    """What the schema forbids in a file, at most 50 things; nothing about values that hang on an unset variable."""
    found: list[Problem] = []
    for error in _validator().iter_errors(plain(root)):
        cause = _most_specific(error)
        path = list(cause.instance_path)
        names = getattr(cause.kind, "unexpected", None)
        for name in names if isinstance(names, list) else [None]:
            node, at = _place(root, path if name is None else [*path, name])
            if isinstance(node, Scalar) and node.unset:
                continue
            where = ".".join(str(part) for part in path) or file
            found.append(Problem(kind="schema", message=f"{where} {_message(cause, name)}", at=at))
        if len(found) >= _MOST:
            break
    return found


def _most_specific(error: ValidationError) -> ValidationError:
    """The innermost error of alternatives, as compose tells it."""
    causes = [_most_specific(cause) for branch in getattr(error.kind, "context", ()) for cause in branch]
    return max(causes, key=_depth, default=error)


def _depth(error: ValidationError) -> int:
    return len(list(error.instance_path)) + (type(error.kind).__name__ == "AdditionalProperties")


def _message(error: ValidationError, name: str | None) -> str:
    kind = error.kind
    if name is not None:
        return f"additional properties '{name}' not allowed"
    match kind.name:
        case "type":
            types = [getattr(kind, "types", None) or ()][0]
            return f"must be a {_either(sorted('mapping' if one == 'object' else str(one) for one in types))}"
        case "enum":
            options = getattr(kind, "options", ())
            return f"must be one of {', '.join(repr(one) for one in options)}" if options else "is none of the values"
        case "required":
            return f"missing property '{getattr(kind, 'property', '')}'"
        case "minimum" | "maximum":
            word = "greater" if kind.name == "minimum" else "less"
            return f"must be {word} than or equal to {getattr(kind, 'limit', '')}"
        case "uniqueItems":
            return "items must be unique"
        case other:
            return f"does not match the specification ({other})"


def _either(words: Sequence[str]) -> str:
    return " or ".join(part for part in (", ".join(words[:-1]), words[-1]) if part) if words else "value"


def _place(root: Node, path: Sequence[str | int]) -> tuple[Node, Mark]:
    """The node that a path leads to, and the mark of its key; those of the last one there is."""
    node, at = root, root.at
    for part in path:
        found = next(_step(node, part), None)
        if found is None:
            break
        node, at = found
    return node, at


def _step(node: Node, part: str | int) -> Iterator[tuple[Node, Mark]]:
    if isinstance(node, MapNode):
        entry = node.entries.get(str(part))
        if entry is not None:
            yield entry.node, entry.at
    elif isinstance(node, ListNode) and isinstance(part, int) and part < len(node.items):
        yield node.items[part], node.items[part].at

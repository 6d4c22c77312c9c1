"""Scalars of a service that are not what they have to be: booleans, numbers, durations, commands. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from imgscan.project.compose.nodes import Node, Scalar, child, walk
from imgscan.project.compose.records import Problem
from imgscan.project.compose.values import boolean, duration, number, shell_words

_BOOLEANS: Final = (
    ("init",),
    ("privileged",),
    ("read_only",),
    ("stdin_open",),
    ("tty",),
    ("oom_kill_disable",),
    ("healthcheck", "disable"),
)
_NUMBERS: Final = (
    ("scale",),
    ("deploy", "replicas"),
    ("healthcheck", "retries"),
    ("oom_score_adj",),
    ("pids_limit",),
    ("cpu_shares",),
)
_DURATIONS: Final = (
    ("healthcheck", "interval"),
    ("healthcheck", "timeout"),
    ("healthcheck", "start_period"),
    ("healthcheck", "start_interval"),
    ("stop_grace_period",),
)
_COMMANDS: Final = (("command",), ("entrypoint",))


def _is_command(node: Scalar) -> bool:
    return shell_words(node.value) is not None


def _is_duration(node: Scalar) -> bool:
    return duration(node.value) is not None


_CHECKS: Final[tuple[tuple[tuple[tuple[str, ...], ...], Callable[[Scalar], bool], str], ...]] = (
    (_BOOLEANS, lambda node: boolean(node) is not None, "invalid boolean"),
    (_NUMBERS, lambda node: number(node) is not None, "invalid number"),
    (_DURATIONS, _is_duration, "invalid duration"),
    (_COMMANDS, _is_command, "invalid command line string"),
)


def check_values(name: str, node: Node) -> Iterator[Problem]:
    """What compose refuses in a service although the schema allows it; nothing that hangs on an unset variable."""
    for paths, is_right, message in _CHECKS:
        for path in paths:
            found = child(node, *path)
            if isinstance(found, Scalar) and found.kind == "str" and not found.unset and not is_right(found):
                where = ".".join(("services", name, *path))
                yield Problem(kind="schema", message=f"{where}: {message}", at=found.at)
    for found in walk(node):
        if found.kind == "time":
            # go-yaml makes a point in time of it, which the schema of newer releases has no place for.
            message = f"services.{name}: a date that is not quoted"
            yield Problem(kind="schema", message=message, at=found.at)

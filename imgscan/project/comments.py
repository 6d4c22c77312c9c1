"""The comments that accept findings in what stands around the image: compose files and other YAML, shell scripts,
Makefiles, crontabs, files of variables, ignore files. In: the set-up and its Dockerfiles. Out: `Ignores`.

Each format's own parser says what is a comment: one inside of a string, a block of text or a heredoc is none.
"""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from imgscan.errors import InputError
from imgscan.ignores import Comment, Ignores, is_for_secrets, is_meant, join, mentions, not_sought, read_ignores
from imgscan.lazyre import lazy_re

if TYPE_CHECKING:
    from tree_sitter import Node as ShellNode

    from imgscan.dockerfile.tree import Dockerfile
    from imgscan.project.compose.nodes import Node
    from imgscan.project.setup import Setup

_MOST_EVENTS: Final = 200_000
_DEEPEST: Final = 100
_YAML: Final = (".yml", ".yaml")
_MOST_TOLD: Final = 100
_BLANK: Final = " \t\ufeff"
_SIGN: Final = lazy_re(r"(?<![^ \t\ufeff])#")
_PARTS: Final = frozenset({"command", "command_name", "word", "string", "concatenation", "redirected_statement"})
"""What a command is made of in the grammar of shells: a word at its end leads to the whole of it."""


def project_ignores(setup: Setup, dockerfiles: Iterable[Dockerfile], ignore_files: Iterable[str] = ()) -> Ignores:
    """The ignores of a project's files, each read once: of the Dockerfiles that are looked at and others that compose
    builds, `ignore_files` (paths in the tree), compose and CI files, scripts and files of variables."""
    from imgscan.dockerfile.comments import dockerfile_ignores

    opened = {dockerfile.file: dockerfile for dockerfile in dockerfiles}
    parts = [dockerfile_ignores(dockerfile) for dockerfile in opened.values()]
    for path, text in setup.dockerfiles.items():
        if path not in opened and (parsed := _parsed(text, path)) is not None:
            parts.append(not_sought(dockerfile_ignores(parsed)))
    for path, read in _readers(setup, ignore_files).items():
        found = setup.tree.text(path)
        if found is not None and mentions(found):
            parts.append(read(path, found))
    return join(parts, next(iter(opened)) if len(opened) == 1 else None)


def _parsed(text: str, path: str) -> Dockerfile | None:
    from imgscan.dockerfile.parse import parse

    try:
        return parse(text, path)
    except InputError:
        return None


def _readers(setup: Setup, ignore_files: Iterable[str]) -> dict[str, Callable[[str, str], Ignores]]:
    from imgscan.project.shell.records import ShellKind

    found: dict[str, Callable[[str, str], Ignores]] = dict.fromkeys(ignore_files, ignore_file_ignores)
    found |= dict.fromkeys((path for project in setup.composes for path in project.files), yaml_ignores)
    for shell in setup.shells:
        if shell.kind is ShellKind.SCRIPT:
            found[shell.file] = shell_ignores
        elif shell.kind is ShellKind.MAKE:
            found[shell.file] = makefile_ignores
        elif shell.kind is ShellKind.CRON:
            found[shell.file] = crontab_ignores
        elif posixpath.splitext(shell.file)[1] in _YAML:
            found[shell.file] = yaml_ignores
    found |= dict.fromkeys((env.path for env in setup.envs), env_ignores)
    return found


def yaml_ignores(file: str, text: str) -> Ignores:
    """Those of a YAML file. One that has a line to itself is about the whole entry, or the item, below it."""
    from imgscan.project.compose.yamltree import read_yaml

    scalars, end = _scalars(text)
    starts = _line_starts(text)
    comments = [found for found in _yaml_comments(text, scalars, starts) if starts[found.line - 1] < end]
    spans = [
        (bisect_right(starts, at.start), bisect_right(starts, max(at.end - 1, at.start)))
        for at in _marks(read_yaml(text, file).roots)
    ]
    return read_ignores(file, text, comments, spans)


def _scalars(text: str) -> tuple[list[tuple[int, int]], int]:
    """First and last offset of every scalar, in order, and where the file stops to be YAML: its end."""
    import yaml

    ahead = int(text.startswith("\ufeff"))
    found: list[tuple[int, int]] = []
    depth = 0
    try:
        # As in `yamltree`: bytes that are not UTF-8 come as surrogates, which the parser cannot take.
        for number, event in enumerate(yaml.parse(re.sub("[\ud800-\udfff]", "\ufffd", text), Loader=yaml.CSafeLoader)):
            if isinstance(event, yaml.ScalarEvent) and event.start_mark is not None and event.end_mark is not None:
                found.append((event.start_mark.index + ahead, event.end_mark.index + ahead))
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if number > _MOST_EVENTS or depth > _DEEPEST:
                return found, found[-1][1] if found else 0
    except yaml.YAMLError:
        return found, found[-1][1] if found else 0
    return found, len(text) + 1


def _yaml_comments(text: str, scalars: list[tuple[int, int]], starts: list[int]) -> Iterator[Comment]:
    begins = [start for start, _ in scalars]
    for number, line in enumerate(text.split("\n"), start=1):
        for sign in _SIGN.finditer(line) if mentions(line) else ():
            at = starts[number - 1] + sign.start()
            around = bisect_right(begins, at) - 1
            start, end = scalars[around] if around >= 0 else (0, 0)
            # Behind the sign that a block of text begins with (`|`, `>-`) on its line there may be a comment.
            block = text[start : start + 1] in ("|", ">") and at < end
            if block and starts[number - 1] <= start:
                last = bisect_right(starts, max(len(text[:end].rstrip()) - 1, start))
                yield Comment(text=line[sign.end() :], line=number, first=number, last=last)
                break
            if at >= end:
                own = not line[: sign.start()].strip(_BLANK)
                yield Comment(text=line[sign.end() :], line=number, first=None if own else number)
                break


def _marks(roots: Iterable[Node]) -> Iterator[Any]:
    """The places of all entries and items, each once."""
    from imgscan.project.compose.nodes import ListNode, MapNode

    waiting: list[Node] = list(roots)
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, MapNode):
            for entry in node.entries.values():
                yield entry.at
                waiting.append(entry.node)
        elif isinstance(node, ListNode):
            for item in node.items:
                yield item.at
                waiting.append(item)


def shell_ignores(file: str, text: str) -> Ignores:
    """Those of a shell script. One behind a command is about the command, one above it, too, with all that is in it."""
    from imgscan.project.shell.syntax import parse_shell

    plain = text.replace("\r\n", "\n")
    syntax = parse_shell(plain)
    if syntax is None:
        return Ignores()
    comments: list[Comment] = []
    spans: list[tuple[int, int]] = []
    lines = [line.encode("utf-8", "surrogateescape") for line in plain.split("\n")]
    waiting: list[ShellNode] = list(syntax.root.children)
    while waiting:
        node = waiting.pop()
        first, last = node.start_point[0] + 1, node.end_point[0] + 1
        if node.type == "comment":
            words = syntax.source(node)
            if is_meant(words[1:]):
                comments.append(_shell_comment(syntax.root, node, words[1:], lines[first - 1]))
            continue
        if node.is_named:
            spans.append((first, last))
        waiting += node.children
    return read_ignores(file, plain, sorted(comments, key=lambda found: found.line), spans)


def _shell_comment(root: ShellNode, node: ShellNode, words: str, text: bytes) -> Comment:
    line = node.start_point[0] + 1
    before = text[: node.start_point[1]]
    if not before.strip():
        return Comment(text=words, line=line)
    # The command that ends there may have begun lines before.
    column = len(before.rstrip())
    command = root.descendant_for_point_range((line - 1, max(column - 1, 0)), (line - 1, max(column - 1, 0)))
    while command is not None and command.parent is not None and command.parent.type in _PARTS:
        command = command.parent
    first = command.start_point[0] + 1 if command is not None and command.end_point[0] + 1 == line else line
    return Comment(text=words, line=line, first=first, last=line)


def env_ignores(file: str, text: str) -> Ignores:
    """Those of a file of variables, each with a line to itself: what follows a value on its line is a part of it for
    `docker run --env-file`."""
    from imgscan.project.compose.dotenv import read_dotenv

    parsed = read_dotenv(text, file)
    spans = [(entry.line, entry.line + entry.raw.count("\n")) for entry in parsed.entries]
    inside = {line for first, last in spans for line in range(first + 1, last + 1)}
    end = parsed.fault[0] if parsed.fault else None
    return _line_ignores(file, text, spans, inside, end=end, blank=" \t")


def makefile_ignores(file: str, text: str) -> Ignores:
    """Those of a Makefile, each with a line to itself, also in a recipe. One above a rule is about its recipe, too."""
    lines = text.replace("\r\n", "\n").split("\n")
    spans: list[tuple[int, int]] = []
    inside: set[int] = set()
    at, rule = 0, 0
    while at < len(lines):
        first, line = at + 1, lines[at]
        while lines[at].endswith("\\") and at + 1 < len(lines):
            at += 1
            inside.add(at + 1)
        at += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        spans.append((first, at))
        if not line.startswith("\t"):
            rule = first
        elif rule:
            spans.append((rule, at))
    return _line_ignores(file, text, spans, inside, end=None, blank=" \t")


def crontab_ignores(file: str, text: str) -> Ignores:
    """Those of a crontab, each with a line to itself: cron has no other comments."""
    spans = [(number, number) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    return _line_ignores(file, text, spans, frozenset(), end=None, blank=" \t")


def ignore_file_ignores(file: str, text: str) -> Ignores:
    """Those of a `.dockerignore`, where only a line that begins with # is a comment."""
    lines = text.split("\n")
    spans = [(number, number) for number, line in enumerate(lines, start=1) if line.strip() and line[0] != "#"]
    return _line_ignores(file, text, spans, frozenset(), end=None, blank="")


def _line_ignores(
    file: str, text: str, spans: list[tuple[int, int]], inside: Collection[int], *, end: int | None, blank: str
) -> Ignores:
    """The comments of a format in which they have lines to themselves, those on the other lines told."""
    comments: list[Comment] = []
    behind: list[str] = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if not mentions(line) or number in inside or (end is not None and number >= end):
            continue
        before, sign, words = line.strip(blank).partition("#")
        if sign and not before:
            comments.append(Comment(text=words, line=number))
        elif sign and is_meant(words) and not is_for_secrets(words) and len(behind) < _MOST_TOLD:
            behind.append(
                f"{file}:{number}: a comment that accepts findings has a line to itself in this file; this one does "
                "not count, it belongs on the line above"
            )
    return join((read_ignores(file, text, comments, spans), Ignores(faults=tuple(behind))))


def _line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\n", text))]

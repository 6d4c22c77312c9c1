"""One shell text -> `ShellText`. In: where it stands, its text, the scripts that it may source. Nothing is run."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from imgscan.frozen import frozen
from imgscan.project.shell.asking import Asking
from imgscan.project.shell.calls import CallWalk
from imgscan.project.shell.options import shebang_options
from imgscan.project.shell.records import Call, ShellKind, ShellText, Word
from imgscan.project.shell.scope import Constants
from imgscan.project.shell.syntax import parse_shell

_PASSED_ON: Final = frozenset({'"$@"', "$@", '"${@}"', '"$*"', "$*"})
_DEEPEST: Final = 4


@frozen
class Snippet:
    """A shell text before it is parsed. `line` is that of its first line, `options` are those that whoever runs it
    sets."""

    file: str
    name: str
    kind: ShellKind
    line: int
    text: str
    shebang: str | None = None
    executable: bool = False
    options: frozenset[str] = frozenset()
    guarded: bool = False


@dataclass(slots=True)
class Library:
    """What sourcing a script brings: constants, options, functions."""

    path: str
    constants: Constants
    options: set[str]
    asking: Asking
    forwards: dict[str, tuple[Word, ...]]


Sourced = Callable[[str, str, int], "Library | None"]
"""From the sourcing script's path, the shape of the word after `.`, and how deep: the library."""


@dataclass(slots=True)
class _Walked:
    text: ShellText
    library: Library


@dataclass(slots=True)
class SourcingWalk(CallWalk):
    """A walk that follows `. lib.sh`."""

    file: str = ""
    sourced: Sourced | None = None
    depth: int = 0
    sources: list[str] = field(default_factory=list)
    forwards: dict[str, tuple[Word, ...]] = field(default_factory=dict)

    def after_call(self, call: Call) -> None:
        """Take over what a sourced script sets."""
        names = [word.text for word in call.words[:1]]
        if names not in (["."], ["source"]) or len(call.words) < 2 or self.sourced is None or self.depth >= _DEEPEST:
            return
        library = self.sourced(self.file, call.words[1].shape, self.depth + 1)
        if library is None:
            return
        self.sources.append(library.path)
        for name, values in library.constants.known.items():
            self.constants.known.setdefault(name, values)
        self.options |= library.options
        self.asking.functions |= library.asking.functions
        self.asking.ending |= library.asking.ending
        self.forwards.update(library.forwards)


def read_text(snippet: Snippet, sourced: Sourced | None = None) -> ShellText:
    """The text, parsed. One that cannot be parsed within bounds is `broken` and has no calls."""
    return walk_text(snippet, sourced).text


def walk_text(snippet: Snippet, sourced: Sourced | None = None, depth: int = 0) -> _Walked:
    """The text, and what it brings to those that source it."""
    options = set(snippet.options | shebang_options(snippet.shebang))
    plain = unread_text(snippet)
    syntax = parse_shell(snippet.text)
    constants, asking = Constants(), Asking()
    if syntax is None:
        return _Walked(plain, Library(snippet.file, constants, options, asking, {}))
    walk = SourcingWalk(
        syntax=syntax,
        first_line=snippet.line,
        constants=constants,
        asking=asking,
        options=options,
        file=snippet.file,
        sourced=sourced,
        depth=depth,
    )
    walk.run()
    forwards = walk.forwards | _forwards(walk.calls, walk)
    calls = tuple(replace(call, guarded=call.guarded or snippet.guarded) for call in walk.calls)
    text = replace(
        plain,
        calls=tuple(sorted(calls, key=lambda call: (call.start, call.end))),
        options=frozenset(walk.options),
        reads=tuple(walk.constants.reads),
        broken=walk.broken or syntax.root.has_error,
        forwards=forwards,
        sources=tuple(walk.sources),
    )
    return _Walked(text, Library(snippet.file, walk.constants, walk.options, walk.asking, dict(forwards)))


def unread_text(snippet: Snippet) -> ShellText:
    """A text of which no call is known."""
    return ShellText(
        file=snippet.file,
        name=snippet.name,
        kind=snippet.kind,
        line=snippet.line,
        text=snippet.text,
        calls=(),
        options=snippet.options | shebang_options(snippet.shebang),
        reads=(),
        shebang=snippet.shebang,
        executable=snippet.executable,
        broken=True,
    )


def _forwards(calls: list[Call], walk: CallWalk) -> dict[str, tuple[Word, ...]]:
    """Functions that hand all their arguments to one command: their only one, or to the same engine in each branch."""
    found: dict[str, tuple[Word, ...]] = {}
    for name in {name for name, _ in walk.bodies}:
        inside = [call for call in calls if call.function == name]
        given = [call for call in inside if call.words and call.piped == 1 and _passes_on(call)]
        if not given or any(_names_arguments(call) for call in inside if call not in given):
            continue
        first = tuple(given[0].words[:-1])
        if len(inside) == 1 or (first and all(_is_compose(call) for call in given)):
            found[name] = first
    return found


def _passes_on(call: Call) -> bool:
    """Whether a call ends with all arguments and has none of them before."""
    raws = [word.raw for word in call.words]
    return raws[-1] in _PASSED_ON and not _PASSED_ON.intersection(raws[:-1])


def _names_arguments(call: Call) -> bool:
    return any(re.search(r"\$[@*1]|\$\{[@*1]", word.raw) for word in call.words)


def _is_compose(call: Call) -> bool:
    texts = [word.text for word in call.words[:-1]]
    return "docker-compose" in texts or ("docker" in texts and "compose" in texts) or "podman-compose" in texts

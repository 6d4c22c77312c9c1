"""Every shell text of the project, found and parsed. In: the tree and its compose projects. Out: `ShellText`s.

Scripts by name or shebang, package scripts, make recipes, CI jobs, code in the README and below docs/, crontabs,
commands of compose services. Bounded in number and size; nothing is run. Scripts of examples and tests are left out.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.project.compose.records import ComposeProject
from imgscan.project.shell.documents import ci_snippets, compose_snippets, is_ci_file, package_snippets
from imgscan.project.shell.fences import markdown_snippets
from imgscan.project.shell.glob import tail
from imgscan.project.shell.makefile import makefile_snippets
from imgscan.project.shell.records import ShellKind, ShellText
from imgscan.project.shell.syntax import MAX_TEXT
from imgscan.project.shell.text import Library, Snippet, unread_text, walk_text
from imgscan.project.tree import ProjectTree, is_aside

MOST_TEXTS: Final = 2_000
_MOST_CHARS: Final = 6 << 20
_MOST_CALLS: Final = 10_000
_SHEBANG: Final = lazy_re(r"^#!\s*(\S*/)?(?:env\s+(?:-S\s*)?)?(?P<shell>(?:ba|da|a|z|k)?sh)(?=\s|$)(?P<rest>[^\n]*)")
_EXTENSIONS: Final = (".sh", ".bash")
_MAKEFILES: Final = frozenset({"Makefile", "makefile", "GNUmakefile"})
_SMALL: Final = 64 << 10
_CRON: Final = lazy_re(r"^\s*(?:@\w+|(?:[\d*/,A-Za-z-]+\s+){5})(?:(?:root|postgres|www-data)\s+)?(?P<command>\S.*)$")


def read_shells(tree: ProjectTree, composes: tuple[ComposeProject, ...] = ()) -> tuple[ShellText, ...]:
    """The texts, scripts first. What is beyond the bounds comes as a text without calls that is `broken`."""
    reader = _Reader(tree=tree)
    for snippet in reader.snippets(composes):
        reader.add(snippet)
        if len(reader.texts) >= MOST_TEXTS:
            break
    return tuple(reader.texts)


@dataclass(slots=True)
class _Reader:
    tree: ProjectTree
    texts: list[ShellText] = field(default_factory=list)
    libraries: dict[str, Library | None] = field(default_factory=dict)
    chars: int = 0
    calls: int = 0

    def snippets(self, composes: tuple[ComposeProject, ...]) -> Iterator[Snippet]:
        """Everything there is, not yet parsed."""
        folders = tuple(project.directory for project in composes)
        own = [path for path in self.tree.files if not is_aside(path, folders) or _is_manual(path)]
        for path in own:
            script = self.script(path)
            if script is not None:
                yield script
        for path in own:
            name = posixpath.basename(path)
            text = self.tree.text(path) if _is_document(path, name) else None
            if text is None:
                continue
            if name == "package.json":
                yield from package_snippets(path, text)
            elif name in _MAKEFILES or name.endswith(".mk"):
                yield from makefile_snippets(path, text)
            elif is_ci_file(path):
                yield from ci_snippets(path, text)
            elif "cron" in name.lower():
                yield from _cron(path, text)
            else:
                yield from markdown_snippets(path, text)
        for compose in composes:
            yield from compose_snippets(compose)

    def script(self, path: str) -> Snippet | None:
        """A file that is a shell script by its name or its first line."""
        name = posixpath.basename(path)
        named = name.endswith(_EXTENSIONS)
        status = self.tree.files[path]
        if not named and ("." in name.strip(".") or not (status.executable or status.size_bytes <= _SMALL)):
            return None
        text = self.tree.text(path)
        found = _SHEBANG.match(text) if text else None
        if text is None or (found is None and (not named or text.startswith("#!"))):
            return None
        shebang = text.split("\n", 1)[0][:200].rstrip("\r") if found else None
        return Snippet(
            file=path,
            name=path,
            kind=ShellKind.SCRIPT,
            line=1,
            text=text.replace("\r\n", "\n") if "\r" in text else text,
            shebang=shebang,
            executable=status.executable,
        )

    def add(self, snippet: Snippet) -> None:
        """Parse a snippet, unless there were too many before it."""
        self.chars += len(snippet.text)
        if self.chars > _MOST_CHARS or self.calls > _MOST_CALLS or len(snippet.text) > MAX_TEXT:
            self.texts.append(replace(unread_text(snippet), text=""))
            return
        self.texts.append(walk_text(snippet, self.sourced).text)
        self.calls += len(self.texts[-1].calls)

    def sourced(self, script: str, shape: str, depth: int) -> Library | None:
        """The script that `. …/lib.sh` reads: beside the one that does, or where the known end of the path points."""
        for path in source_candidates(script, shape):
            if path in self.tree.files:
                return self._library(path, depth)
        return None

    def _library(self, path: str, depth: int) -> Library | None:
        if path not in self.libraries:
            self.libraries[path] = None  # one that sources itself gets nothing of it
            text = self.tree.text(path)
            if text is not None and len(text) <= MAX_TEXT:
                snippet = Snippet(file=path, name=path, kind=ShellKind.SCRIPT, line=1, text=text.replace("\r\n", "\n"))
                self.libraries[path] = walk_text(snippet, self.sourced, depth).library
        return self.libraries[path]


def source_candidates(script: str, shape: str) -> tuple[str, ...]:
    """Paths in the tree that a word of which the end is known may name, the likeliest first."""
    known = tail(shape).lstrip("/") if tail(shape) != shape else shape
    if not known or known.startswith("/") or "\x00" in known:
        return ()
    folder = posixpath.dirname(script)
    places = (posixpath.join(folder, known), known, posixpath.join(posixpath.dirname(folder), known))
    normal = (posixpath.normpath(place) for place in places)
    return tuple(dict.fromkeys(path for path in normal if not path.startswith("..")))


def _is_document(path: str, name: str) -> bool:
    if name in _MAKEFILES or name == "package.json" or name.endswith(".mk") or is_ci_file(path):
        return True
    if name.lower().endswith((".md", ".markdown")):
        return True
    return "cron" in name.lower() and "." not in name.strip(".")


def _is_manual(path: str) -> bool:
    """Whether a text tells people how the project is run: documentation of its own, though not its set-up."""
    folder, _, name = path.partition("/")
    return folder.lower() in ("doc", "docs", "documentation") and name.lower().endswith((".md", ".markdown"))


def _cron(path: str, text: str) -> Iterator[Snippet]:
    for number, line in enumerate(text.split("\n")[:2_000], start=1):
        found = _CRON.match(line.rstrip("\r")) if not line.lstrip().startswith("#") else None
        if found is not None:
            # cron ends a command at a percent sign that has no backslash before it (crontab(5)).
            command = found["command"].replace("\\%", "%")
            yield Snippet(file=path, name=path, kind=ShellKind.CRON, line=number, text=command)

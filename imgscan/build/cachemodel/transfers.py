"""COPY and ADD taken apart: their words with variables replaced, the files they select, and where those land.

Dest and sources as `dispatchCopy` of moby/buildkit frontend/dockerfile/dockerfile2llb/convert_copy.go reads them.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace

from imgscan.build.cachemodel.contents import Content, Tree, folders_above, make_content
from imgscan.build.cachemodel.filesystems import FileSystem, Placed
from imgscan.build.cachemodel.records import Ref
from imgscan.build.cachemodel.settings import Settings, Surroundings, absolute
from imgscan.detect.stages.contextindex import clean_source, is_pattern
from imgscan.detect.stages.walk import is_archive, is_remote
from imgscan.dockerfile.lexer import Lexer, LexError
from imgscan.dockerfile.parse import Command, Heredoc
from imgscan.dockerfile.syntax import parse_heredoc_word
from imgscan.frozen import frozen
from imgscan.model import EntryKind

_ROOT_OWNERS = frozenset({"0", "0:0", ""})


@frozen
class Copy:
    """A COPY or ADD. `dest` is absolute and ends with a slash where the instruction says that it is a folder; `remotes`
    are URLs; `documents` are heredocs, names and contents; `flags` have their variables replaced. `vague`: its sources,
    `anywhere`: its destination hangs on what nobody knows of the base image."""

    keyword: str
    sources: tuple[str, ...]
    remotes: tuple[str, ...]
    documents: tuple[tuple[str, str], ...]
    dest: str
    flags: Mapping[str, str]
    excludes: tuple[str, ...]
    vague: bool = False
    anywhere: bool = False

    @property
    def parents(self) -> bool:
        """Whether the folders above the sources are made, too."""
        return self.flags.get("parents", "false") != "false"

    @property
    def link(self) -> bool:
        """Whether the copy does not depend on what is below it, if the builder can do that."""
        return self.flags.get("link", "false") != "false"

    @property
    def into(self) -> bool:
        """Whether the destination surely is a folder."""
        return self.dest.endswith("/") or len(self.sources) + len(self.remotes) + len(self.documents) > 1


def read_copy(command: Command, settings: Settings, around: Surroundings) -> Copy:
    """A COPY or ADD with the variables of its place."""
    words = [around.expand(word, settings) for word in command.words]
    dest = words[-1] if words else "."
    absolute_dest = absolute(dest, settings.cwd)
    if (dest in (".", "") or dest.endswith("/")) and absolute_dest != "/":
        absolute_dest += "/"
    sources = [
        word
        for raw, word in zip(command.words[:-1], words[:-1], strict=True)
        if not (command.heredocs and _opens_heredoc(raw))
    ]
    flags = {name: "true" if value is None else around.expand(value, settings) for name, value in command.flags}
    remotes = [word for word in sources if command.keyword == "ADD" and is_remote(word)]
    return Copy(
        keyword=command.keyword,
        sources=tuple(word for word in sources if word not in remotes),
        remotes=tuple(remotes),
        documents=tuple((doc.name, expand_document(doc, settings, around)) for doc in command.heredocs),
        dest=absolute_dest,
        flags=flags,
        excludes=tuple(around.expand(value, settings) for name, value in command.flags if name == "exclude" and value),
        vague=any(around.is_open(word, settings) for word in command.words[:-1]),
        anywhere=(settings.adrift and not dest.startswith("/"))
        or any(around.is_open(word, settings) for word in command.words[-1:]),
    )


def _opens_heredoc(word: str) -> bool:
    try:
        return parse_heredoc_word(word) is not None
    except LexError:
        return False


def expand_document(document: Heredoc, settings: Settings, around: Surroundings) -> str:
    """What a heredoc of COPY holds: variables replaced unless its name is quoted, quotes and escapes left alone."""
    if not document.expand:
        return document.content
    try:
        return Lexer(
            document.content, settings.scope.variables, escape=around.escape, keep_quotes=True, keep_escapes=True
        ).expand()
    except LexError:
        return document.content


def take(copy: Copy, origin: Tree | FileSystem) -> list[tuple[str, tuple[Content, ...]]]:
    """What each source selects; a source that is not there selects one content that is nothing."""
    if copy.vague:
        everything = tuple(replace(content, vague=True) for content in origin.select(""))
        return [(clean_source(source), everything) for source in copy.sources]
    found: list[tuple[str, tuple[Content, ...]]] = []
    for source in copy.sources:
        pattern = source.split("/./", 1)[-1] if copy.parents else source
        path = source.replace("/./", "/") if copy.parents else pattern
        taken = origin.select(path, copy.excludes, deep=copy.parents)
        found.append((clean_source(source), taken or (make_content(clean_source(source), {}, names="missing"),)))
    return found


def in_key_order(taken: Sequence[tuple[str, tuple[Content, ...]]]) -> tuple[Content, ...]:
    """The contents as they go into a key: by path, and none that lies inside another one (`dedupeSelectors` of
    solver/llbsolver/ops/file.go)."""
    plain = {source for source, _ in taken if not is_pattern(source)}
    ordered: list[Content] = []
    seen: set[str] = set()
    for source, contents in sorted(taken, key=lambda pair: pair[0]):
        if source in seen or (source in plain and any(above in plain for above in folders_above(source))):
            continue
        seen.add(source)
        ordered += contents
    return tuple(ordered)


def place(copy: Copy, taken: Sequence[tuple[str, tuple[Content, ...]]], below: FileSystem, ref: Ref) -> FileSystem:
    """The stage's files after the copy."""
    dest = copy.dest.strip("/")
    if copy.vague or copy.anywhere:
        return FileSystem(below=below, ref=ref, hides="" if copy.anywhere else dest)
    contents = [content for _, found in taken for content in found]
    archive = copy.keyword == "ADD" and any(is_archive(content.prefix) for content in contents)
    landed = [_landing(copy, content, dest, below) for content in contents]
    if archive or copy.remotes or copy.documents or copy.parents or any(c.hidden for c in contents) or None in landed:
        return FileSystem(below=below, ref=ref, hides=dest)
    mode = copy.flags.get("chmod")
    return FileSystem(
        below=below,
        ref=ref,
        placed=tuple(
            Placed(
                dest=where,
                content=content,
                mode=read_mode(mode),
                owner=owner_of(copy),
                made=copy.dest.endswith("/") and where == dest,
            )
            for content, where in zip(contents, landed, strict=True)
            if where is not None
        ),
    )


def owner_of(copy: Copy) -> str:
    """The value of --chown, root as nothing."""
    owner = copy.flags.get("chown", "")
    return "" if owner in _ROOT_OWNERS else owner


def read_mode(mode: str | None) -> int | None:
    """An octal --chmod; None for none, and for a symbolic one."""
    try:
        return int(mode, 8) if mode else None
    except ValueError:
        return None


def _landing(copy: Copy, content: Content, dest: str, below: FileSystem) -> str | None:
    """Where the selected path lands; None where nobody can know whether `dest` is a folder."""
    entry = content.entry("")
    if entry is None or entry.kind is EntryKind.DIRECTORY:
        return dest
    name = posixpath.basename(content.prefix)
    inside = f"{dest}/{name}".lstrip("/")
    if copy.into or not dest:
        return inside
    folder = below.is_folder(dest)
    if folder is None:
        # A folder of the base image of the very name of a file is as good as excluded.
        base = posixpath.basename(dest)
        return dest if base == name or "." in base.lstrip(".") else None
    return inside if folder else dest


def renamed(content: Content, names: str) -> Content:
    """The content with other words of its path counting."""
    return replace(content, names=names)

"""One pass over the instructions of each stage: what COPY, ADD and bind mounts bring where, what every RUN sees. Pure.

As BuildKit does it: ARG and ENV are handed down to the stages built FROM one, a directory's contents land in the
destination, a file lands in it where the destination is a folder.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from imgscan.detect.stages.contextindex import ContextIndex, Match, SourceMatcher, clean_source, is_pattern
from imgscan.detect.stages.records import UNKNOWN_WORKDIR, RunStep, StageView, Transfer
from imgscan.dockerfile.ignore import IgnoreRules, is_ignored, parse_ignore
from imgscan.dockerfile.parse import base_image, expand, find_stage, mount_options
from imgscan.dockerfile.stages import global_scope, parent_stages
from imgscan.errors import InputError
from imgscan.lazyre import lazy_re

if TYPE_CHECKING:
    from imgscan.dockerfile.parse import Command, Dockerfile, Stage

MAX_COMMANDS: Final = 2_000
MAX_TRANSFERS: Final = 20_000
_ARCHIVE: Final = lazy_re(r"\.(?:tar|tar\.gz|tgz|tar\.bz2|tbz2?|tar\.xz|txz|tar\.zst)$", re.IGNORECASE)
_REMOTE: Final = lazy_re(r"(?:https?|ftp|ssh|git)://|git@|github\.com/", re.IGNORECASE)
_VARIABLE: Final = lazy_re(r"(?<!\\)\$(?:(\w+)|\{(\w+)([^}]*)\})")
_LONG_NAMES: Final = {"src": "source", "dst": "target", "destination": "target"}


def walk_stages(dockerfile: Dockerfile, index: ContextIndex, build_args: Mapping[str, str]) -> tuple[StageView, ...]:
    """Every stage of the Dockerfile after its last instruction."""
    parents = parent_stages(dockerfile, build_args)
    matcher = SourceMatcher(index)
    views: list[StageView] = []
    for stage, parent in zip(dockerfile.stages, parents, strict=True):
        above = views[parent.index] if parent else None
        views.append(_StageWalk(dockerfile, matcher, stage, build_args, above).view())
    return tuple(views)


def relative(path: str, folder: str) -> str | None:
    """`path` relative to `folder`, "" if they are the same, None if it is not inside."""
    if path == folder:
        return ""
    prefix = folder if folder.endswith("/") else folder + "/"
    return path[len(prefix) :] if path.startswith(prefix) else None


def is_remote(word: str) -> bool:
    """Whether ADD fetches a source of that spelling."""
    return _REMOTE.match(word) is not None


def is_archive(path: str) -> bool:
    """Whether ADD surely unpacks a file of that name, if it is what its name says."""
    return _ARCHIVE.search(path) is not None


@lru_cache(maxsize=256)
def _exclusions(patterns: tuple[str, ...]) -> IgnoreRules | None:
    try:
        return parse_ignore("\n".join(patterns))
    except InputError:
        return None


def is_excluded(patterns: tuple[str, ...], path: str) -> bool:
    """Whether `COPY --exclude` keeps a path, relative to the copied folder, out."""
    rules = _exclusions(patterns) if patterns else None
    return rules is not None and is_ignored(rules, path)


def hangs_on_unset(word: str, scope: Mapping[str, str]) -> bool:
    """Whether a word has a variable that is not set here, and no default for it: the base image may set it."""
    return any((match[1] or match[2]) not in scope and not match[3] for match in _VARIABLE.finditer(word))


class _StageWalk:
    """Goes through one stage's instructions; `view` is what comes out."""

    def __init__(
        self,
        dockerfile: Dockerfile,
        matcher: SourceMatcher,
        stage: Stage,
        build_args: Mapping[str, str],
        parent: StageView | None,
    ) -> None:
        self.dockerfile, self.matcher, self.stage, self.build_args = dockerfile, matcher, stage, build_args
        self.parent = parent
        self.vague = False
        try:
            self.base = base_image(dockerfile, stage, build_args)
        except InputError:
            self.base, self.vague = "", True
        self.scope: dict[str, str] = dict(parent.scope) if parent else {}
        self.cwd = parent.cwd if parent else "/" if self.base == "scratch" else UNKNOWN_WORKDIR
        self.globals = global_scope(dockerfile, build_args)
        self.transfers: list[Transfer] = []
        self.runs: list[RunStep] = []
        self.missing: list[tuple[Command, str]] = []

    def view(self) -> StageView:
        """The stage after its last instruction."""
        for command in self.stage.commands[1 : MAX_COMMANDS + 1]:
            match command.keyword:
                case "ARG":
                    self._declare(command)
                case "ENV":
                    self._set(command)
                case "WORKDIR":
                    word = self._expand(command.value)
                    self.cwd = self._absolute(word) if word is not None else UNKNOWN_WORKDIR
                case "COPY" | "ADD":
                    self._copy(command)
                case "RUN":
                    self._run(command)
                case _:
                    pass
        self.vague = self.vague or len(self.stage.commands) > MAX_COMMANDS
        return StageView(
            stage=self.stage,
            parent=self.parent.stage.index if self.parent else None,
            base=self.base,
            transfers=tuple(self.transfers),
            runs=tuple(self.runs),
            vague=self.vague,
            cwd=self.cwd,
            scope=dict(self.scope),
            missing=tuple(self.missing),
        )

    def _expand(self, word: str) -> str | None:
        """The word with variables replaced; None if one of them is not known here (the base image may set it)."""
        if hangs_on_unset(word, self.scope):
            return None
        try:
            return expand(word, self.scope, escape=self.dockerfile.escape)
        except InputError:
            return None

    def _absolute(self, word: str) -> str:
        return posixpath.normpath(posixpath.join(self.cwd, word))

    def _declare(self, command: Command) -> None:
        for word in command.raw_words:
            name, given, default = word.partition("=")
            value = self.build_args.get(name)
            if value is None:
                value = self._expand(default) if given else self.globals.get(name)
            if value is not None:
                self.scope[name] = value

    def _set(self, command: Command) -> None:
        values = [(name, self._expand(value)) for name, _, value in (word.partition("=") for word in command.raw_words)]
        for name, value in values:
            if value is None:
                self.scope.pop(name, None)
            else:
                self.scope[name] = value

    def _copy(self, command: Command) -> None:
        flags = dict(command.flags)
        words = [self._expand(word) for word in command.words]
        if len(words) < 2 and not command.heredocs:
            return
        dest = words[-1] if words else None
        if dest is None or any(word is None for word in words):
            self.vague = True
            return
        excludes = tuple(value for name, value in command.flags if name == "exclude" and value)
        sources = [word for word in words[:-1] if word is not None]
        into = (
            len(sources) + len(command.heredocs) > 1
            or dest.endswith("/")
            or posixpath.basename(dest) in (".", "..", "")
        )
        names = {heredoc.name for heredoc in command.heredocs}
        for source in sources:
            if source.lstrip("<-").strip("\"'") in names and source.startswith("<<"):
                continue
            self._copy_one(command, source, self._absolute(dest), into, excludes, flags)

    def _copy_one(
        self,
        command: Command,
        source: str,
        dest: str,
        into: bool,
        excludes: tuple[str, ...],
        flags: Mapping[str, str | None],
    ) -> None:
        origin = flags.get("from")
        if origin:
            self._copy_from(command, origin, source, dest, into, excludes)
            return
        if command.keyword == "ADD" and (is_remote(source) or is_archive(source)):
            self._bring_opaque(command, dest)
            return
        matches = self.matcher.match(source, deep="parents" in flags)
        if matches is None or len(self.transfers) + len(matches) > MAX_TRANSFERS:
            self.vague = True
            return
        if not matches:
            self._miss(command, source)
        parents = "parents" in flags
        for match in matches:
            self.transfers.append(
                Transfer(
                    command=command,
                    source=match.path,
                    dest=_landing(match, source, dest, into, parents, self._is_folder(dest)),
                    is_directory=match.is_directory,
                    excludes=excludes,
                )
            )

    def _copy_from(
        self, command: Command, origin: str, source: str, dest: str, into: bool, excludes: tuple[str, ...]
    ) -> None:
        stage = find_stage(self.dockerfile, origin, before=self.stage.index)
        if stage is None or re.search(r"[*?\[]", source):
            self._bring_opaque(command, dest)
            return
        # Whether a path of another stage is a file or a folder is often unknown: a folder's contents land in `dest`, a
        # file at `dest` or in it. The name decides, as people write them.
        path = posixpath.normpath(posixpath.join("/", source))
        is_file = into and "." in posixpath.basename(path).lstrip(".") and not source.endswith("/")
        landed = posixpath.join(dest, posixpath.basename(path)) if is_file else dest
        self.transfers.append(
            Transfer(
                command=command,
                source=path,
                dest=landed,
                is_directory=not is_file,
                from_stage=stage.index,
                excludes=excludes,
            )
        )

    def _miss(self, command: Command, source: str) -> None:
        """Take note of a path that the context does not have. A pattern may match nothing; what lies behind a link
        cannot be known."""
        path, index = clean_source(source), self.matcher.index
        above = path.split("/")[:-1]
        behind_link = any("/".join(above[: at + 1]) in index.known for at in range(len(above)))
        if path and not is_pattern(path) and "\\" not in path and not behind_link and not index.has(path):
            self.missing.append((command, path))

    def _bring_opaque(self, command: Command, dest: str) -> None:
        self.transfers.append(Transfer(command=command, source="", dest=dest, is_directory=True, opaque=True))

    def _is_folder(self, dest: str) -> bool:
        """Whether an earlier instruction of this stage (or its parent) made the destination a folder."""
        earlier = (*self.transfers[-200:], *(self.parent.transfers[-200:] if self.parent else ()))
        return dest == self.cwd or any((t.is_directory and t.dest == dest) or relative(t.dest, dest) for t in earlier)

    def _run(self, command: Command) -> None:
        mounted: list[Transfer] = []
        unknown = False
        for name, value in command.flags:
            if name == "mount" and value:
                transfer, opaque = self._bind(command, value)
                unknown = unknown or opaque
                if transfer:
                    mounted.append(transfer)
        self.runs.append(
            RunStep(
                command=command,
                cwd=self.cwd,
                scope=dict(self.scope),
                mounted=tuple(mounted),
                mounts_unknown=unknown,
            )
        )

    def _bind(self, command: Command, value: str) -> tuple[Transfer | None, bool]:
        """A bind mount as a transfer, and whether it brings something that cannot be known."""
        options = bind_options(value)
        if options is None:
            return None, True
        if options.get("type", "bind") != "bind":
            return None, False
        word = self._expand(options.get("target", "."))
        source = self._expand(options.get("source", ""))
        if word is None or source is None:
            return None, True
        target = self._absolute(word)
        origin = options.get("from")
        if origin:
            stage = find_stage(self.dockerfile, origin, before=self.stage.index)
            if stage is None:
                return None, True
            path = posixpath.normpath(posixpath.join("/", source))
            return Transfer(command=command, source=path, dest=target, is_directory=True, from_stage=stage.index), False
        self._miss(command, source)
        path = clean_source(source)
        is_directory = path in self.matcher.index.folders
        return Transfer(command=command, source=path, dest=target, is_directory=is_directory), False


def bind_options(value: str) -> dict[str, str] | None:
    """The options of `--mount=…` by their long names; None where they make no sense."""
    try:
        options = mount_options(value)
    except ValueError:
        return None
    return {_LONG_NAMES.get(name, name): option or "" for name, option in options}


def _landing(match: Match, source: str, dest: str, into: bool, parents: bool, dest_is_folder: bool) -> str:
    if parents:
        pivot = source.split("/./", 1)[0] if "/./" in source else ""
        inside = match.path.removeprefix(clean_source(pivot)).lstrip("/") if pivot else match.path
        return posixpath.join(dest, inside) if inside else dest
    if match.is_directory or not (into or dest_is_folder):
        return dest
    return posixpath.join(dest, posixpath.basename(match.path))

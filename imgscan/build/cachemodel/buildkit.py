"""The cache keys of BuildKit's steps.

RUN: `CacheMap` of moby/buildkit solver/llbsolver/ops/exec.go. COPY, ADD, WORKDIR: ops/file.go. Which files a key looks
at, and what counts of them: cache/contenthash/checksum.go (mode, size, type, link, owner, bytes; no times). Metadata
instructions have no key of their own: what they change shows in the keys of later RUNs, or nowhere. Images: `CacheKey`
of source/containerimage/pull.go (manifest, then layers), where a graph driver keeps them that of moby's
builder/builder-next/adapters/containerimage/pull.go (layers).
"""

from __future__ import annotations

import posixpath
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from imgscan.build.cachemodel.contents import FOLDER, Content, ContextTree, context_tree, is_pattern, make_content
from imgscan.build.cachemodel.filesystems import SCRATCH, Budget, FileSystem, Placed, empty, image_files
from imgscan.build.cachemodel.mounts import read_mounts, take_mounts
from imgscan.build.cachemodel.records import BaseImage, CacheBuilder, Inputs, Node, Ref
from imgscan.build.cachemodel.settings import (
    DEFAULT_SHELL,
    Settings,
    Surroundings,
    begin_settings,
    find_base,
    find_parents,
    is_known,
    set_anew,
    stage_commands,
)
from imgscan.build.cachemodel.transfers import Copy, in_key_order, owner_of, place, read_copy, read_mode, renamed, take
from imgscan.detect.stages.contextindex import clean_source
from imgscan.dockerfile.lexer import LexError
from imgscan.dockerfile.parse import Command, Stage, find_stage, needed_stages
from imgscan.dockerfile.syntax import parse_heredoc_word

_EPOCH: Final = "SOURCE_DATE_EPOCH"
_EPOCH_SINCE: Final = (23, 0)

Facets = list[tuple[str, Hashable]]


@dataclass(slots=True, kw_only=True)
class _State:
    """Where a stage (its index) is: its settings, the last result, its files, the last number given."""

    stage: int
    settings: Settings
    ref: Ref
    files: FileSystem
    number: int


class BuildkitGraph:
    """The nodes of a build, in the order of the Dockerfile."""

    def __init__(self, inputs: Inputs, builder: CacheBuilder, like: ContextTree | None = None) -> None:
        self.inputs, self.builder = inputs, builder
        self.around = Surroundings(inputs)
        self.context = context_tree(inputs.files, folder_modes=not builder.synced, like=like)
        self.nodes: list[Node] = []
        self._ends: dict[int, _State] = {}
        self._budget = Budget()

    def build(self) -> tuple[Node, ...]:
        """Every node of the stages that the target needs."""
        needed = needed_stages(self.inputs.dockerfile, self.inputs.target, self.inputs.build_args)
        parents = find_parents(self.inputs)
        for stage in self.inputs.dockerfile.stages:
            if stage.index in needed:
                self._walk(stage, parents[stage.index])
        return tuple(self.nodes)

    def _walk(self, stage: Stage, parent: Stage | None) -> None:
        if parent is not None:
            above = self._ends[parent.index]
            base = BaseImage(layers="")
            settings = above.settings.copy(keep_args=True)
            state = _State(stage=stage.index, settings=settings, ref=above.ref, files=above.files, number=0)
        else:
            name, base = find_base(self.inputs, stage)
            ref: Ref = SCRATCH if name == "scratch" else ("image", base.layers)
            files = empty(ref)
            if self.builder.merges and base.config and ref != SCRATCH:
                ref = ("image", base.layers, base.config)
            state = _State(
                stage=stage.index,
                settings=begin_settings(base, known=is_known(self.inputs, name)),
                ref=ref,
                files=files,
                number=int(ref != SCRATCH),
            )
        set_anew(state.settings)
        for command in stage_commands(self.inputs, stage, parent, base):
            match command.keyword:
                case "RUN":
                    self._run(command, state, stage)
                case "COPY" | "ADD":
                    self._copy(command, state, stage)
                case "WORKDIR":
                    self.around.apply(command, state.settings)
                    self._workdir(command, state)
                case _:
                    self.around.apply(command, state.settings)
        self._ends[stage.index] = state

    def _add(
        self, command: Command, state: _State, facets: Facets, contents: tuple[Content, ...], parents: tuple[Ref, ...]
    ) -> Node:
        state.number += 1
        node = Node(
            index=len(self.nodes),
            stage=state.stage,
            instruction=command.instruction,
            ordinal=state.number,
            shown=True,
            facets=tuple(facets),
            parents=parents,
            contents=contents,
        )
        self.nodes.append(node)
        return node

    def _run(self, command: Command, state: _State, stage: Stage) -> None:
        settings = state.settings
        mounts = read_mounts(command, settings, self.around, self.builder)
        flags = tuple(sorted((n, v or "true") for n, v in command.flags if n not in ("mount", "network")))
        facets: Facets = [
            ("the command", run_arguments(command, settings.shell)),
            ("variables", tuple(settings.scope.variables.items())),
            ("the working directory", settings.cwd),
            ("the user", settings.user),
            ("the network", command.flag("network") or "default"),
            ("the flags", flags),
            ("the mounts", tuple(sorted(mount.facet for mount in mounts))),
        ]
        contents = take_mounts(mounts, lambda name: self._origin(name, stage) or self.context.tree)
        node = self._add(command, state, facets, contents, (state.ref,))
        state.ref = node.index
        state.files = FileSystem(below=state.files, ref=node.index, hides="")

    def _origin(self, name: str | None, stage: Stage) -> FileSystem | None:
        """The files of a stage or an image; None for the context."""
        if not name:
            return None
        found = find_stage(self.inputs.dockerfile, name, stage.index)
        if found is None or found.index not in self._ends:
            return image_files(self.inputs, name)
        return self._budget.look(self._ends[found.index].files)

    def _copy(self, command: Command, state: _State, stage: Stage) -> None:
        copy = read_copy(command, state.settings, self.around)
        taken = take(copy, self._origin(command.flag("from"), stage) or self.context.tree)
        keyed = [
            (source, tuple(renamed(content, _name_in_key(copy, source, content)) for content in contents))
            for source, contents in taken
        ]
        contents = in_key_order(keyed) + tuple(_remote(url, copy) for url in copy.remotes)
        linked = copy.link and self.builder.merges and not copy.flags.get("chmod")
        facets = [*copy_facets(copy), *self._epoch()]
        node = self._add(command, state, facets, contents, (SCRATCH,) if linked else (state.ref,))
        ref: Ref = node.index
        if linked:
            merge = Node(
                index=len(self.nodes),
                stage=state.stage,
                instruction=command.instruction,
                ordinal=state.number,
                shown=False,
                facets=(("the layers", "merged"),),
                parents=(state.ref, node.index),
            )
            self.nodes.append(merge)
            ref = merge.index
        state.files = place(copy, taken, state.files, ref)
        state.ref = ref

    def _workdir(self, command: Command, state: _State) -> None:
        settings = state.settings
        if settings.cwd == "/":
            return
        facets: Facets = [("the folder", settings.cwd), ("the user", settings.user), *self._epoch()]
        node = self._add(command, state, facets, (), (state.ref,))
        made = Placed(dest=settings.cwd.strip("/"), content=make_content("", {"": FOLDER}), owner=settings.user)
        state.files = FileSystem(below=state.files, ref=node.index, placed=(made,))
        state.ref = node.index

    def _epoch(self) -> Facets:
        if self.builder.version < _EPOCH_SINCE or _EPOCH not in self.inputs.build_args:
            return []
        return [(f"ARG {_EPOCH}", self.inputs.build_args[_EPOCH])]


def copy_facets(copy: Copy) -> Facets:
    """What of a COPY or ADD counts besides the files."""
    names = tuple(posixpath.basename(clean_source(source)) or "/" for source in copy.sources)
    mode = copy.flags.get("chmod", "")
    octal = read_mode(mode)
    facets: Facets = [
        ("the kind of copy", copy.keyword),
        ("the names of the sources", names if not copy.parents else copy.sources),
        ("the addresses", copy.remotes),
        ("the heredoc", copy.documents),
        ("the destination", copy.dest),
        ("--chown", owner_of(copy) or copy.flags.get("chown", "")),
        ("--chmod", mode if octal is None else octal),
        ("--exclude", copy.excludes),
        ("--parents", copy.parents),
    ]
    other = {name: value for name, value in copy.flags.items() if name in ("checksum", "keep-git-dir", "unpack")}
    return [*facets, ("the flags", tuple(sorted(other.items())))]


def run_arguments(command: Command, shell: tuple[str, ...]) -> tuple[str, ...]:
    """What is executed: shell and text, or the words of a JSON form; heredoc bodies as `dispatchRun` joins them."""
    if command.is_json:
        return command.words
    text = command.value
    try:
        alone = command.heredocs and parse_heredoc_word(text) is not None
    except LexError:
        alone = False
    if alone:
        document = command.heredocs[0]
        if document.content.startswith("#!"):
            return ("/dev/pipes", document.name, document.content)
        text = document.content
    else:
        text += "".join(f"\n{document.body}{document.name}" for document in command.heredocs)
    return (*(shell or DEFAULT_SHELL), text)


def _name_in_key(copy: Copy, source: str, content: Content) -> str:
    """What of a path counts besides the entries: nothing of a plain one, the last name of a match of a pattern."""
    if content.names == "missing":
        return content.names
    if copy.parents:
        return content.prefix
    return posixpath.basename(content.prefix) if is_pattern(source) else ""


def _remote(url: str, copy: Copy) -> Content:
    pinned = copy.flags.get("checksum", "")
    return make_content(url, {}, ((("pinned", pinned) if pinned else ("remote", url), ""),))

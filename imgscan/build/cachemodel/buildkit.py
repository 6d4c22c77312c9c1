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
from typing import Final

from imgscan.build.cachemodel.contents import FOLDER, Content, ContextTree, make_content
from imgscan.build.cachemodel.filesystems import SCRATCH, FileSystem, Placed
from imgscan.build.cachemodel.graph import Graph, StageState
from imgscan.build.cachemodel.mounts import read_mounts, take_mounts
from imgscan.build.cachemodel.records import BaseImage, CacheBuilder, Inputs, Node, Ref
from imgscan.build.cachemodel.settings import (
    DEFAULT_SHELL,
    find_parents,
    set_anew,
    stage_commands,
)
from imgscan.build.cachemodel.transfers import Copy, in_key_order, owner_of, place, read_copy, read_mode, renamed, take
from imgscan.detect.stages.contextindex import clean_source, is_pattern
from imgscan.dockerfile.lexer import LexError
from imgscan.dockerfile.parse import Command, Stage, needed_stages
from imgscan.dockerfile.syntax import parse_heredoc_word

_EPOCH: Final = "SOURCE_DATE_EPOCH"
_EPOCH_SINCE: Final = (23, 0)

Facets = list[tuple[str, Hashable]]


class BuildkitGraph(Graph):
    """The nodes of a build by BuildKit."""

    keeps_args = True

    def __init__(self, inputs: Inputs, builder: CacheBuilder, like: ContextTree | None = None) -> None:
        super().__init__(inputs, builder, like, folder_modes=not builder.synced)

    def image_ref(self, base: BaseImage) -> Ref:
        """Its layers; where images are kept as they were pulled, the manifest before them."""
        if self.builder.merges and base.config:
            return ("image", base.layers, base.config)
        return ("image", base.layers)

    def build(self) -> tuple[Node, ...]:
        """Every node of the stages that the target needs."""
        needed = needed_stages(self.inputs.dockerfile, self.inputs.target, self.inputs.build_args)
        parents = find_parents(self.inputs)
        for stage in self.inputs.dockerfile.stages:
            if stage.index in needed:
                self._walk(stage, parents[stage.index])
        return tuple(self.nodes)

    def _walk(self, stage: Stage, parent: Stage | None) -> None:
        state, base = self.begin(stage, parent)
        state.number = int(parent is None and state.ref != SCRATCH)
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
        self.ends[stage.index] = state

    def _add(
        self,
        command: Command,
        state: StageState,
        facets: Facets,
        contents: tuple[Content, ...],
        parents: tuple[Ref, ...],
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
        self.add(node)
        return node

    def _run(self, command: Command, state: StageState, stage: Stage) -> None:
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
        others = [mount for mount in mounts if not self.is_own(mount.origin, state, stage)]
        contents = take_mounts(others, lambda name: self.files_of(name, stage))
        node = self._add(command, state, facets, contents, (state.ref,))
        state.ref = node.index
        state.files = FileSystem(below=state.files, ref=node.index, hides="")

    def _copy(self, command: Command, state: StageState, stage: Stage) -> None:
        copy = read_copy(command, state.settings, self.around)
        taken = take(copy, self.origin(command, stage))
        keyed = [
            (source, tuple(renamed(content, _name_in_key(copy, source, content)) for content in contents))
            for source, contents in taken
        ]
        contents = in_key_order(keyed) + tuple(_remote(url, copy) for url in copy.remotes)
        linked = copy.link and self.builder.merges and not copy.flags.get("chmod")
        facets = [*copy_facets(copy), *self._epoch()]
        if not linked and self.is_own(command.flag("from"), state, stage):
            # One input instead of two, which counts by its key and not by its files (`markInvalid` of ops/file.go).
            contents = ()
            facets.append(("that it copies from what it is made on", copy.sources))
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
            self.add(merge)
            ref = merge.index
        state.files = place(copy, taken, state.files, ref)
        state.ref = ref

    def _workdir(self, command: Command, state: StageState) -> None:
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

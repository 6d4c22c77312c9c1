"""The cache keys of builders that keep an image for every instruction: Docker's classic builder, and buildah.

Classic: `builder/dockerfile` of moby/moby (dispatchers.go, internals.go, copy.go): the key of a step is the image above
it and the instruction with its values; RUN has the ARGs in front, COPY the sum of what it copies. Names and modes of
all files and folders count, times do not. All stages up to the target are built.
buildah 1.28 differs as measured: stages that nothing needs are left out, names of sources do not count, and what a bind
mount brings does not either, so such a RUN is stale.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from imgscan.build.cachemodel.buildkit import run_arguments
from imgscan.build.cachemodel.contents import FOLDER, Content, ContextTree, make_content
from imgscan.build.cachemodel.filesystems import FileSystem, Placed
from imgscan.build.cachemodel.graph import Graph, StageState
from imgscan.build.cachemodel.mounts import read_mounts
from imgscan.build.cachemodel.records import BaseImage, CacheBuilder, Inputs, Node, Ref
from imgscan.build.cachemodel.settings import (
    Settings,
    absolute,
    find_parents,
    stage_commands,
)
from imgscan.build.cachemodel.transfers import Copy, place, read_copy, renamed, take
from imgscan.build.request import Builder
from imgscan.dockerfile.parse import Command, Stage, needed_stages, target_stage
from imgscan.dockerfile.stages import expand_or_none

_PREDEFINED: Final = frozenset(
    name
    for word in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (word, word.lower())
)
_EXPANDED: Final = frozenset({"ENV", "LABEL", "EXPOSE", "VOLUME", "USER", "STOPSIGNAL"})


class LayeredGraph(Graph):
    """The nodes of a build: one for every instruction but FROM."""

    keeps_args = False

    def __init__(self, inputs: Inputs, builder: CacheBuilder, like: ContextTree | None = None) -> None:
        super().__init__(inputs, builder, like, folder_modes=True)
        self.classic = builder.kind is Builder.CLASSIC

    def image_ref(self, base: BaseImage) -> Ref:
        """The image as a whole."""
        return ("image", base.config or base.layers)

    def build(self) -> tuple[Node, ...]:
        """Every node of the stages that are built."""
        dockerfile = self.inputs.dockerfile
        if self.classic:
            built = frozenset(range(target_stage(dockerfile, self.inputs.target).index + 1))
        else:
            built = needed_stages(dockerfile, self.inputs.target, self.inputs.build_args)
        parents = find_parents(self.inputs)
        number = len(dockerfile.global_args) if self.classic else 0
        for stage in dockerfile.stages:
            if stage.index in built:
                self._walk(stage, parents[stage.index], number if self.classic else 0)
            number += len(stage.commands)
        return tuple(self.nodes)

    def _walk(self, stage: Stage, parent: Stage | None, number: int) -> None:
        state, base = self.begin(stage, parent)
        own = frozenset(map(id, stage.commands))
        for command in stage_commands(self.inputs, stage, parent, base):
            shown = id(command) in own
            self._step(command, state, stage, number + command.instruction.ordinal, shown=shown)
        self.ends[stage.index] = state

    def _step(self, command: Command, state: StageState, stage: Stage, number: int, *, shown: bool) -> None:
        copy = read_copy(command, state.settings, self.around) if command.keyword in ("COPY", "ADD") else None
        taken = take(copy, self.origin(command, stage)) if copy else []
        contents = [content for _, found in taken for content in found]
        if self.classic:
            contents = [renamed(c, c.prefix if c.names != "missing" else c.names) for c in contents]
        else:
            contents = [renamed(c, "" if c.names != "missing" else c.names) for c in contents]
        if copy:
            contents += [make_content(url, {}, ((("remote", url), ""),)) for url in copy.remotes]
        node = Node(
            index=len(self.nodes),
            stage=stage.index,
            instruction=command.instruction,
            ordinal=number,
            shown=shown,
            facets=self._facets(command, copy, state.settings),
            parents=(state.ref,),
            contents=tuple(contents),
        )
        self.add(node)
        self.around.apply(command, state.settings)
        state.ref = node.index
        state.files = self._files(command, copy, taken, state)

    def _files(
        self, command: Command, copy: Copy | None, taken: list[tuple[str, tuple[Content, ...]]], state: StageState
    ) -> FileSystem:
        ref = state.ref
        if copy:
            return place(copy, taken, state.files, ref)
        if command.keyword == "RUN":
            return FileSystem(below=state.files, ref=ref, hides="")
        if command.keyword == "WORKDIR" and state.settings.cwd != "/":
            made = Placed(dest=state.settings.cwd.strip("/"), content=make_content("", {"": FOLDER}))
            return FileSystem(below=state.files, ref=ref, placed=(made,))
        return state.files

    def _facets(self, command: Command, copy: Copy | None, settings: Settings) -> tuple[tuple[str, Hashable], ...]:
        if copy is not None:
            dest = self.around.expand(command.words[-1], settings) if command.words else ""
            return (
                ("the kind of copy", copy.keyword),
                ("the destination", dest if self.classic else copy.dest),
                ("--chown", copy.flags.get("chown", "")),
                ("--chmod", copy.flags.get("chmod", "")),
            )
        if command.keyword == "RUN":
            env = settings.env.variables
            given = tuple(sorted((name, value) for name, value in settings.args.items() if name not in env))
            # An argument that needs no ARG is not in the key, but it does mark it as that of a RUN with arguments.
            marked = bool(given) or any(name in self.around.build_args and name not in env for name in _PREDEFINED)
            mounts = read_mounts(command, settings, self.around, self.builder)
            return (
                ("the command", run_arguments(command, settings.shell)),
                ("variables", given),
                ("that there are build arguments", self.classic and marked),
                ("the mounts", tuple((mount.facet, mount.source) for mount in mounts)),
            )
        return (("the instruction", (command.keyword, *self._said(command, settings))),)

    def _said(self, command: Command, settings: Settings) -> tuple[str, ...]:
        """The text of a metadata instruction with its values."""
        if command.keyword == "WORKDIR":
            return (absolute(self.around.expand(command.value, settings), settings.cwd),)
        if command.keyword == "ARG":
            return tuple(self._expanded_pair(word, settings) for word in command.raw_words)
        if command.keyword in ("ENV", "LABEL"):
            return tuple(self._expanded_pair(word, settings) for word in command.raw_words)
        if command.keyword in _EXPANDED:
            return tuple(self.around.expand(word, settings) for word in command.words)
        flags = tuple(f"--{name}={value}" for name, value in command.flags)
        return (*flags, *(command.words or (command.value,)))

    def _expanded_pair(self, word: str, settings: Settings) -> str:
        name, equals, value = word.partition("=")
        scope = settings.scope.variables
        parts = (expand_or_none(part, scope, self.around.escape) or "" for part in (name, value))
        return equals.join(parts)

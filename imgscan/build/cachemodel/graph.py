"""What the cache keys of every builder are worked out with: the files and settings each stage begins with, where the
files of a COPY come from, the nodes so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass

from imgscan.build.cachemodel.contents import ContextTree, Tree, context_tree
from imgscan.build.cachemodel.filesystems import SCRATCH, Budget, FileSystem, image_files
from imgscan.build.cachemodel.records import BaseImage, CacheBuilder, Inputs, Node, Ref
from imgscan.build.cachemodel.settings import Settings, Surroundings, begin_settings, find_base, is_known
from imgscan.dockerfile.parse import Command, Stage, find_stage


@dataclass(slots=True, kw_only=True)
class StageState:
    """Where a stage (its index) is: its settings, the last result, its files, the last number given."""

    stage: int
    settings: Settings
    ref: Ref
    files: FileSystem
    number: int = 0


class Graph(ABC):
    """The nodes of a build, in the order of the Dockerfile, and for each the earlier one that is the very same, else
    itself (`originals`); `like` is the context of a build that most likely differs in a few files only. A builder's own
    rules are in its subclass."""

    keeps_args: bool
    """Whether a stage FROM another one has that one's ARGs."""

    def __init__(self, inputs: Inputs, builder: CacheBuilder, like: ContextTree | None, *, folder_modes: bool) -> None:
        self.inputs, self.builder = inputs, builder
        self.around = Surroundings(inputs)
        self.context = context_tree(inputs.files, folder_modes=folder_modes, like=like)
        self.nodes: list[Node] = []
        self.ends: dict[int, StageState] = {}
        self.originals: list[int] = []
        self._names: dict[int, str] = {}
        self._identities: dict[Hashable, int] = {}
        self._budget = Budget()

    @abstractmethod
    def image_ref(self, base: BaseImage) -> Ref:
        """What of an external image counts in the keys of what is built on it."""

    def begin(self, stage: Stage, parent: Stage | None) -> tuple[StageState, BaseImage]:
        """A stage before its first instruction, and what is known of its image; nothing of that if it is FROM another
        stage."""
        if parent is not None:
            above = self.ends[parent.index]
            self._names[stage.index] = self._names[parent.index]
            settings = above.settings.copy(keep_args=self.keeps_args)
            state = StageState(stage=stage.index, settings=settings, ref=above.ref, files=above.files)
            return state, BaseImage(layers="")
        name, base = find_base(self.inputs, stage)
        self._names[stage.index] = name
        settings = begin_settings(base, known=is_known(self.inputs, name))
        ref = SCRATCH if name == "scratch" else self.image_ref(base)
        return StageState(stage=stage.index, settings=settings, ref=ref, files=image_files(self.inputs, name)), base

    def add(self, node: Node) -> None:
        """Take a node in."""
        self.nodes.append(node)
        self.originals.append(self._identities.setdefault(self._identity(node), node.index))

    def _identity(self, node: Node) -> Hashable:
        """What two nodes of one build have in common if they are the same step: BuildKit finds them by their
        definition, in which an image is the one of that name."""
        contents = tuple(
            (
                content.fingerprint,
                content.names,
                content.prefix,
                tuple((self._original(ref, node.stage), path) for ref, path in content.hidden),
            )
            for content in node.contents
        )
        return node.facets, tuple(self._original(ref, node.stage) for ref in node.parents), contents

    def _original(self, ref: Ref, stage: int) -> Hashable:
        return self.originals[ref] if isinstance(ref, int) else (ref, self._names[stage])

    def is_own(self, name: str | None, state: StageState, stage: Stage) -> bool:
        """Whether the stage of that name ended with the very result that the state is at."""
        found = find_stage(self.inputs.dockerfile, name, stage.index) if name else None
        if found is None or found.index not in self.ends:
            return False
        end = self.ends[found.index]
        return self._original(end.ref, end.stage) == self._original(state.ref, state.stage)

    def origin(self, command: Command, stage: Stage) -> Tree | FileSystem:
        """What a COPY or ADD takes its files from."""
        return self.files_of(command.flag("from"), stage)

    def files_of(self, name: str | None, stage: Stage) -> Tree | FileSystem:
        """The files of a stage or of an image; without a name those of the context."""
        if not name:
            return self.context.tree
        found = find_stage(self.inputs.dockerfile, name, stage.index)
        if found is None or found.index not in self.ends:
            return image_files(self.inputs, name)
        return self._budget.look(self.ends[found.index].files)

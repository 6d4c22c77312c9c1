"""Two builds -> for every step of the second one whether it is taken from the cache of the first, and why not. Pure.

A step is a hit if the first build has a step with the same key: the same operation on the same results with the same
files from elsewhere. What a RUN that has to be carried out again leaves behind nobody knows, so a COPY of it may still
be a hit; that is `unknown`, with the RUN it depends on.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from imgscan.build.cachemodel.buildkit import BuildkitGraph
from imgscan.build.cachemodel.contents import Content, ContextTree, Verdict, compare_contents
from imgscan.build.cachemodel.layered import LayeredGraph
from imgscan.build.cachemodel.reasons import Explainer
from imgscan.build.cachemodel.records import CacheBuilder, Inputs, Node, Outcome, Ref, StepPrediction
from imgscan.build.request import Builder

_KIND_AND_LAYERS: Final = 2


@dataclass(slots=True, kw_only=True)
class Matches:
    """Which nodes of the first build each node of the second is (`same`) or may be (`maybe`) the same as, and which is
    the same as an earlier one (`originals`, else its own index); `repeats` says that such a step is a hit; `begins` are
    the images that stages of the first build begin with, by their layers."""

    begins: Mapping[tuple[str, ...], Sequence[Ref]] = field(default_factory=dict)
    same: list[frozenset[int]] = field(default_factory=list)
    maybe: list[frozenset[int]] = field(default_factory=list)
    originals: Sequence[int] = ()
    repeats: bool = False

    def compare(self, after: Ref, before: Ref) -> Verdict:
        """Whether a result of the second build is that of the first."""
        if isinstance(after, tuple) or isinstance(before, tuple):
            return _compare_begins(after, before)
        if before in self.same[after]:
            return Verdict.SAME
        return Verdict.UNKNOWN if before in self.maybe[after] else Verdict.OTHER

    def like(self, ref: Ref) -> Iterable[Ref]:
        """The results of the first build that one of the second is or may be."""
        if isinstance(ref, tuple):
            alike = self.begins.get(ref[:_KIND_AND_LAYERS], ())
            return [begin for begin in alike if _compare_begins(ref, begin) is not Verdict.OTHER]
        return self.same[ref] | self.maybe[ref]

    def outcome(self, index: int) -> Outcome:
        """What becomes of a node."""
        if self.same[index] or (self.repeats and self.originals[index] != index):
            return Outcome.HIT
        return Outcome.UNKNOWN if self.maybe[index] else Outcome.MISS


def _compare_begins(after: Ref, before: Ref) -> Verdict:
    """Whether two stages begin with the same files. An image of the same layers but of another manifest: an engine that
    has once used each as the first of its layers finds the steps of neither under the other, and any other engine does
    (`loadCache` of solver/edge.go stops at the first key of an image that has a result)."""
    if isinstance(after, int) or isinstance(before, int):
        return Verdict.OTHER
    if after == before:
        return Verdict.UNKNOWN if after[0] == "remote" else Verdict.SAME
    return (
        Verdict.UNKNOWN if len(after) == len(before) > _KIND_AND_LAYERS and after[:-1] == before[:-1] else Verdict.OTHER
    )


class Predictor:
    """Answers for one build whatever is asked of it: what is known of `before` is worked out once."""

    def __init__(self, before: Inputs, builder: CacheBuilder) -> None:
        self.builder = builder
        graph = _graph(before, builder, None)
        self._first = graph.build()
        self._context = graph.context

    def contents(self) -> Iterator[Content]:
        """Every selection of files that some step takes."""
        for node in self._first:
            yield from node.contents

    def of_context(self, content: Content) -> bool:
        """Whether a selection is a path of the context with all that is below it."""
        return content.tree is self._context.tree

    def names(self, folder: str) -> tuple[str, ...]:
        """What lies directly in a folder of the context."""
        return self._context.tree.names(folder)

    def is_folder(self, path: str) -> bool:
        """Whether the context has a folder of that path."""
        return self._context.tree.is_folder(path)

    def predict(self, after: Inputs) -> tuple[StepPrediction, ...]:
        """See the function `predict`."""
        graph = _graph(after, self.builder, self._context)
        second = graph.build()
        repeats = self.builder.kind is not Builder.BUILDKIT
        matches = match_graphs(self._first, second, graph.originals, repeats=repeats)
        explainer = Explainer(self._first, second, matches, after.dockerfile)
        predictions = [explainer.explain(node) for node in second]
        for node, original in zip(second, matches.originals, strict=True):
            if original != node.index:
                first_one = predictions[original]
                same_as = (first_one.stage, first_one.ordinal)
                predictions[node.index] = replace(predictions[node.index], same_as=same_as)
        return tuple(prediction for node, prediction in zip(second, predictions, strict=True) if node.shown)


def predict(before: Inputs, after: Inputs, builder: CacheBuilder) -> tuple[StepPrediction, ...]:
    """The steps of a build of `after` by a builder that has just built `before`, as the builder numbers them.

    Raises InputError where a Dockerfile makes no sense (an unknown target).
    """
    return Predictor(before, builder).predict(after)


def _graph(inputs: Inputs, builder: CacheBuilder, like: ContextTree | None) -> BuildkitGraph | LayeredGraph:
    if builder.kind is Builder.BUILDKIT:
        return BuildkitGraph(inputs, builder, like)
    return LayeredGraph(inputs, builder, like)


def match_graphs(first: Sequence[Node], second: Sequence[Node], originals: Sequence[int], *, repeats: bool) -> Matches:
    """Compare every node of the second build with those of the first that do the same. `originals`: see `Graph`;
    `repeats`: a step also hits one above it in its own build, as where steps are carried out one after the other."""
    candidates: dict[tuple[Hashable, Ref], list[Node]] = {}
    for node in first:
        candidates.setdefault((node.facets, node.parents[0]), []).append(node)
    begins: dict[tuple[str, ...], dict[Ref, None]] = {}
    for ref in (ref for node in first for ref in node.parents if isinstance(ref, tuple)):
        begins.setdefault(ref[:_KIND_AND_LAYERS], {})[ref] = None
    matches = Matches(
        repeats=repeats, originals=originals, begins={layers: tuple(refs) for layers, refs in begins.items()}
    )
    for node in second:
        alike = [other for ref in matches.like(node.parents[0]) for other in candidates.get((node.facets, ref), ())]
        same, maybe = _find(node, alike, matches)
        matches.same.append(same)
        matches.maybe.append(maybe)
    return matches


def _find(node: Node, candidates: Sequence[Node], matches: Matches) -> tuple[frozenset[int], frozenset[int]]:
    verdicts = [(other.index, _compare(node, other, matches)) for other in candidates]
    return (
        frozenset(index for index, verdict in verdicts if verdict is Verdict.SAME),
        frozenset(index for index, verdict in verdicts if verdict is Verdict.UNKNOWN),
    )


def _compare(node: Node, other: Node, matches: Matches) -> Verdict:
    if len(node.parents) != len(other.parents) or len(node.contents) != len(other.contents):
        return Verdict.OTHER
    worst = Verdict.SAME
    for verdict in _verdicts(node, other, matches):
        if verdict is Verdict.OTHER:
            return verdict
        worst = Verdict.UNKNOWN if verdict is Verdict.UNKNOWN else worst
    return worst


def _verdicts(node: Node, other: Node, matches: Matches) -> Iterator[Verdict]:
    for ref, before in zip(node.parents, other.parents, strict=True):
        yield matches.compare(ref, before)
    for content, old in zip(node.contents, other.contents, strict=True):
        yield compare_contents(content, old, matches.compare)

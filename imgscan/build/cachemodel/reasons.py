"""Why a step is no hit, in words: which path, which variable, which instruction above it. No value is ever shown."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterator, Sequence
from typing import Protocol

from imgscan.build.cachemodel.contents import Verdict, compare_contents, describe_difference
from imgscan.build.cachemodel.records import Node, Outcome, Ref, StepPrediction
from imgscan.dockerfile.parse import Dockerfile
from imgscan.model import Instruction


class Matched(Protocol):
    """What is known of two builds; see `predict.Matches`."""

    def compare(self, after: Ref, before: Ref) -> Verdict:
        """Whether two results are the same."""
        ...

    def outcome(self, index: int) -> Outcome:
        """What becomes of a node of the second build."""
        ...


class Explainer:
    """Explains the nodes of one build one after the other. State: the causes found so far."""

    def __init__(self, first: Sequence[Node], second: Sequence[Node], matches: Matched, dockerfile: Dockerfile) -> None:
        self.first, self.second, self.matches, self.dockerfile = first, second, matches, dockerfile
        self._causes: dict[int, Instruction] = {}
        self._depends: dict[int, tuple[Instruction, ...]] = {}
        self._begins = {ref for node in first for ref in node.parents if isinstance(ref, tuple)}
        self._places: dict[Hashable, list[Node]] = {}
        for node in first:
            step = node.instruction
            for key in (
                (node.stage, step.text, node.shown),
                (step.text, node.shown),
                (node.stage, step.keyword, node.ordinal, node.shown),
            ):
                self._places.setdefault(key, []).append(node)

    def explain(self, node: Node) -> StepPrediction:
        """The prediction for a node; those before it must have been explained."""
        outcome = self.matches.outcome(node.index)
        reason, cause = "", None
        if outcome is not Outcome.HIT:
            reason, cause = self._reason(node)
            self._causes[node.index] = cause
        depends = self._depends_on(node) if outcome is Outcome.UNKNOWN else ()
        self._depends[node.index] = depends
        if depends:
            reason = _said_of(depends)
        elif any(content.vague for content in node.contents):
            reason = "it takes files by a variable that the base image may set"
        return StepPrediction(
            stage=node.stage,
            ordinal=node.ordinal,
            instruction=node.instruction,
            outcome=outcome,
            reason=reason,
            cause=cause,
            depends_on=depends,
        )

    def _reason(self, node: Node) -> tuple[str, Instruction]:
        """Why the key is another one, and the instruction it began with."""
        above = [ref for ref in node.parents if isinstance(ref, int) and self.matches.outcome(ref) is not Outcome.HIT]
        cause = next((self._causes[ref] for ref in above if ref in self._causes), node.instruction)
        other = self._counterpart(node)
        own = list(self._differences(node, other)) if other is not None else []
        if own:
            return "; ".join(own), cause
        if above:
            return f"{cause.keyword} in line {cause.line} comes before it", cause
        if other is None:
            return "the step is new", cause
        if node.parents != other.parents and any(isinstance(ref, tuple) for ref in node.parents):
            return "the base image is another one", self._begin(node)
        return "it stands at another place", cause

    def _begin(self, node: Node) -> Instruction:
        return self.dockerfile.stages[node.stage].commands[0].instruction

    def _counterpart(self, node: Node) -> Node | None:
        """The step of the first build that this one was: of the same text, else the one in its place."""
        step = node.instruction
        alike = self._places.get((node.stage, step.text, node.shown), ())
        if alike:
            at = bisect_left(alike, node.ordinal, key=lambda other: other.ordinal)
            return min(alike[max(at - 1, 0) : at + 1], key=lambda other: abs(other.ordinal - node.ordinal))
        elsewhere = self._places.get((step.text, node.shown), ())
        in_place = self._places.get((node.stage, step.keyword, node.ordinal, node.shown), ())
        return next(iter((*elsewhere[:1], *in_place[:1])), None)

    def _differences(self, node: Node, other: Node) -> Iterator[str]:
        before = dict(other.facets)
        for name, value in node.facets:
            if name == "variables":
                yield from _changed_variables(value, before.get(name))
            elif before.get(name) != value:
                yield f"{name} changed"
        for content, old in zip(node.contents, other.contents, strict=False):
            if compare_contents(content, old, self.matches.compare) is Verdict.OTHER:
                said = describe_difference(content, old)
                if said:
                    yield said

    def _depends_on(self, node: Node) -> tuple[Instruction, ...]:
        """The instructions whose results nobody knows, and on which the node's key hangs."""
        found: dict[Instruction, None] = {}
        for ref in node.parents:
            if isinstance(ref, int) and self.matches.outcome(ref) is Outcome.UNKNOWN:
                found |= dict.fromkeys(self._depends.get(ref, ()))
            elif isinstance(ref, tuple) and ref not in self._begins:
                found[self._begin(node)] = None
        for content in node.contents:
            for ref, _ in content.hidden:
                if isinstance(ref, int) and self.matches.outcome(ref) is not Outcome.HIT:
                    found[self.second[ref].instruction] = None
                elif isinstance(ref, tuple):
                    found[node.instruction] = None
        return tuple(found)


def _said_of(depends: Sequence[Instruction]) -> str:
    """What an outcome that nobody can know hangs on."""
    images = [f"line {step.line}" for step in depends if step.keyword == "FROM"]
    steps = [f"{step.keyword} in line {step.line}" for step in depends if step.keyword != "FROM"]
    said = [f"it depends on whether {', '.join(steps)} gives the same files as before"] if steps else []
    if images:
        said.append(
            f"the image of FROM in {', '.join(images)} is another one of the same layers, and it depends on which of "
            "the two the engine used first"
        )
    return "; ".join(said)


def _changed_variables(after: Hashable, before: Hashable) -> Iterator[str]:
    new, old = (dict(pairs) if isinstance(pairs, tuple) else {} for pairs in (after, before))
    for name in sorted(new.keys() | old.keys()):
        if name not in old:
            yield f"the variable {name} is set now"
        elif name not in new:
            yield f"the variable {name} is no longer set"
        elif new[name] != old[name]:
            yield f"the variable {name} has another value"
    if after != before and new == old:
        yield "variables are set in another order"

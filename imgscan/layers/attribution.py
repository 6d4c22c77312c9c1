"""Which Dockerfile instruction made which layer, and where the base image ends: history + Dockerfile -> attributions.

The history's text is the builder's own rendering of an instruction (variables filled in, sources replaced by hashes,
heredocs unrolled), so instructions are aligned with it as two sequences: keywords must agree, the words decide between
what is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.layers.created_by import Made, read_created_by
from imgscan.model import Digest, SourceLine
from imgscan.source.records import HistoryEntry, Image

if TYPE_CHECKING:
    from imgscan.dockerfile.tree import Command, Dockerfile, Stage

MAX_ALIGNED: Final = 500
"""Longest history and longest Dockerfile that are aligned; both are hostile input, and the cost is their product."""

_LAYER_KEYWORDS: Final = frozenset(("RUN", "COPY", "ADD"))
_MATCH: Final = 2.0
_SKIPPED_COMMAND: Final = -0.2
_SKIPPED_HISTORY: Final = -1.0


@frozen
class Attribution:
    """What made a layer. `instruction` is the Dockerfile's text where it is known, else the history's; None if neither
    says. It may hold secrets: whoever shows it redacts it."""

    layer: int
    instruction: str | None
    dockerfile: SourceLine | None
    from_base: bool


@frozen
class Attributed:
    """Every layer's attribution, base first; `history` has the Dockerfile line of each history entry.

    `base_method` says how the boundary of the base image was found: `from-image` (its own diffIDs), `scratch` (there is
    no base), `history` (where the Dockerfile's instructions begin in it), `unknown` (nothing to go by: all layers count
    as the user's).
    """

    layers: tuple[Attribution, ...]
    base_layers: int
    base_method: str
    history: tuple[SourceLine | None, ...] = ()


def attribute(
    image: Image,
    dockerfile: Dockerfile | None = None,
    target: str | None = None,
    build_args: Mapping[str, str] | None = None,
    base_diff_ids: Sequence[Digest] | None = None,
) -> Attributed:
    """Attribute every layer. `base_diff_ids` are those of the image that FROM names, from its own record.

    Raises InputError for a target that the Dockerfile has not.
    """
    chain = _stage_chain(dockerfile, target, build_args or {}) if dockerfile is not None else []
    commands = [command for stage_commands in chain for command in stage_commands]
    history = image.config.history
    entry_of = _entries_of_layers(history, len(image.layers))
    known = _known_base(image, base_diff_ids)
    if known is None and dockerfile is not None and _is_from_scratch(dockerfile, target, build_args or {}):
        known = (0, "scratch")
    first = _first_user_entry(entry_of, known[0] if known else 0)
    lines: list[Command | None] = [*([None] * first), *_align(history[first:], commands)]
    base_layers, method = known or _base_by_history(entry_of, lines)
    if not history:
        by_layer = _by_count(commands, base_layers, len(image.layers))
    else:
        by_layer = [lines[entry] if entry is not None else None for entry in entry_of]
    return Attributed(
        layers=tuple(
            _attribution(index, history[entry].created_by if entry is not None else None, command, base_layers)
            for index, (entry, command) in enumerate(zip(entry_of, by_layer, strict=True))
        ),
        base_layers=base_layers,
        base_method=method,
        history=tuple(_source_line(command) for command in lines),
    )


def _stage_chain(dockerfile: Dockerfile, target: str | None, build_args: Mapping[str, str]) -> list[list[Command]]:
    """The instructions that make the target's history, stage by stage from the one that starts from an image."""
    from imgscan.dockerfile.stages import parent_stages

    parents = parent_stages(dockerfile, build_args)
    stages = _stages(dockerfile, target, build_args)
    chain: list[list[Command]] = []
    for stage in stages:
        parent = parents[stage.index]
        triggers = [command.trigger for command in parent.commands if command.trigger] if parent is not None else []
        chain.append([*triggers, *stage.commands[1:]])
    return chain


def _stages(dockerfile: Dockerfile, target: str | None, build_args: Mapping[str, str]) -> list[Stage]:
    from imgscan.dockerfile.stages import parent_stages, target_stage

    parents = parent_stages(dockerfile, build_args)
    stage: Stage | None = target_stage(dockerfile, target)
    stages: list[Stage] = []
    while stage is not None:
        stages.append(stage)
        stage = parents[stage.index]
    return stages[::-1]


def _is_from_scratch(dockerfile: Dockerfile, target: str | None, build_args: Mapping[str, str]) -> bool:
    from imgscan.dockerfile.stages import base_image

    root = _stages(dockerfile, target, build_args)[0]
    try:
        return base_image(dockerfile, root, build_args) == "scratch"
    except InputError:
        return False


def _known_base(image: Image, base_diff_ids: Sequence[Digest] | None) -> tuple[int, str] | None:
    """The base by its own layers, if the image begins with all of them; the tag may name another image by now."""
    if base_diff_ids is None:
        return None
    own = [layer.diff_id for layer in image.layers]
    count = len(base_diff_ids)
    return (count, "from-image") if own[:count] == list(base_diff_ids) else None


def _entries_of_layers(history: Sequence[HistoryEntry], layers: int) -> list[int | None]:
    """The history entry of each layer. Where the counts differ the last entries belong to the last layers, as builders
    append; with fewer layers than entries (squashed images) nothing can be told."""
    made = [index for index, entry in enumerate(history) if not entry.empty_layer]
    if len(made) > layers:
        return [None] * layers
    return [None] * (layers - len(made)) + made


def _first_user_entry(entry_of: Sequence[int | None], base_layers: int) -> int:
    """The first history entry that cannot be the base's."""
    last = entry_of[base_layers - 1] if 0 < base_layers <= len(entry_of) else None
    return last + 1 if last is not None else 0


def _base_by_history(entry_of: Sequence[int | None], lines: Sequence[Command | None]) -> tuple[int, str]:
    """The layers before the first entry that an instruction of the Dockerfile made."""
    first = next((index for index, command in enumerate(lines) if command is not None), None)
    if first is None:
        return 0, "unknown"
    return sum(1 for entry in entry_of if entry is None or entry < first), "history"


def _by_count(commands: Sequence[Command], base_layers: int, layers: int) -> list[Command | None]:
    """Without any history: in order, if exactly as many instructions make layers as there are above the base."""
    for keywords in (_LAYER_KEYWORDS, _LAYER_KEYWORDS | {"WORKDIR"}):
        makers = [command for command in commands if command.keyword in keywords]
        if makers and len(makers) == layers - base_layers:
            return [None] * base_layers + list(makers)
    return [None] * layers


def _attribution(index: int, created_by: str | None, command: Command | None, base_layers: int) -> Attribution:
    text = command.instruction.text if command is not None else None
    if text is None and created_by:
        text = read_created_by(created_by).text or None
    return Attribution(layer=index, instruction=text, dockerfile=_source_line(command), from_base=index < base_layers)


def _source_line(command: Command | None) -> SourceLine | None:
    if command is None:
        return None
    return SourceLine(file=command.instruction.file, line=command.instruction.line)


def _align(history: Sequence[HistoryEntry], commands: Sequence[Command]) -> list[Command | None]:
    """The instruction of each history entry. Entries of the base before the first match cost nothing."""
    skipped = max(0, len(history) - MAX_ALIGNED)
    made = [read_created_by(entry.created_by) for entry in history[skipped:]]
    wanted = [(command, _words(command)) for command in commands[-MAX_ALIGNED:]]
    matched: list[Command | None] = [None] * len(history)
    if not made or not wanted:
        return matched
    best, steps = _best_alignments(made, wanted)
    # The latest start of the best score: what is the base's is never claimed without a gain.
    row = max(range(len(made) + 1), key=lambda index: (best[index], index))
    column = 0
    while row < len(made) and column < len(wanted):
        step = steps[row][column]
        if step == "match":
            matched[skipped + row] = wanted[column][0]
        row += step != "command"
        column += step != "history"
    return matched


def _best_alignments(
    made: Sequence[Made], wanted: Sequence[tuple[Command, frozenset[str]]]
) -> tuple[list[float], list[list[str]]]:
    """For each place in the history the score of the best alignment from there with all instructions, and for each
    pair of places the step to take. Dynamic programming from the end (Needleman-Wunsch)."""
    width = len(wanted)
    below = [_SKIPPED_COMMAND * (width - column) for column in range(width + 1)]
    best = [below[0]]
    steps: list[list[str]] = []
    for entry in reversed(made):
        row = [0.0] * width + [below[width] + _SKIPPED_HISTORY]
        chosen = [""] * width
        for column in range(width - 1, -1, -1):
            options = (
                (below[column + 1] + _similarity(entry, wanted[column]), "match"),
                (row[column + 1] + _SKIPPED_COMMAND, "command"),
                (below[column] + _SKIPPED_HISTORY, "history"),
            )
            row[column], chosen[column] = max(options, key=lambda option: option[0])
        below = row
        best.append(row[0])
        steps.append(chosen)
    return best[::-1], steps[::-1]


def _similarity(made: Made, wanted: tuple[Command, frozenset[str]]) -> float:
    command, words = wanted
    if made.keyword != command.keyword:
        return 2 * (_SKIPPED_HISTORY + _SKIPPED_COMMAND)
    if not words:
        return _MATCH
    shared = len(words & made.words) / len(words)
    # A RUN whose history shares no word with it is most likely another one.
    return _MATCH + shared if shared or command.keyword != "RUN" else _MATCH / 4


def _words(command: Command) -> frozenset[str]:
    """What of an instruction the history may repeat: words without variables."""
    texts = [*command.words, command.value, *(heredoc.content for heredoc in command.heredocs)]
    return frozenset(word for text in texts for word in text.split() if "$" not in word and word != "\\")

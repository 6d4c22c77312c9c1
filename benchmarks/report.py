"""The runs of all sizes -> JSON with every figure, and Markdown with medians, ratios and growth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmarks.figures import Line, Spread, fit_line, markdown_table, ratios, seconds, spread, times
from benchmarks.peers import PEERS, Peer
from benchmarks.planted import PLACES
from benchmarks.runs import AGAIN, ARCHIVE, BARE, COLD, EDITED, IMGSCAN, SAVE, Run

GB: Final = 1e9
MB: Final = 1e6
LINE_POINTS: Final = 3
"""Through two points there is always a line."""
EQUAL: Final = 0.95
"""A tool that has read this share of what imgscan has read counts as one that covers the same."""
PREPARED: Final = frozenset(peer.name for peer in PEERS if peer.needs_layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeResult:
    """All runs on the image of one size, in their order."""

    size_gb: float
    image: str
    runs: tuple[Run, ...]

    @property
    def commands(self) -> tuple[str, ...]:
        """The names of what was run."""
        return tuple(dict.fromkeys(run.command for run in self.runs))

    def of(self, command: str) -> list[Run]:
        """The runs of one command that went well."""
        return [run for run in self.runs if run.command == command and run.trouble is None]

    def walls(self, command: str) -> list[float]:
        """Their wall seconds."""
        return [run.measured.wall_s for run in self.of(command)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The whole benchmark; `missing` says why a peer was not run."""

    machine: Mapping[str, Any]
    sizes: tuple[SizeResult, ...]
    missing: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Two commands on one image compared: `wall` by the clock, `cpu` by the processor seconds of the command and, where
    they are known, of the engine."""

    name: str
    wall: Spread
    cpu: Spread | None


def size_ratios(result: SizeResult) -> list[Ratio]:
    """What can be compared of one size. A command with a failed run is left out."""
    pairs = {
        f"{COLD} ÷ {SAVE}": (COLD, SAVE),
        f"{ARCHIVE} ÷ {SAVE}": (ARCHIVE, SAVE),
        f"{BARE} ÷ {SAVE}": (BARE, SAVE),
        f"{AGAIN} ÷ {COLD}": (AGAIN, COLD),
        f"{EDITED} ÷ {COLD}": (EDITED, COLD),
    }
    peers = [name for name in result.commands if name != SAVE and name not in IMGSCAN]
    equal = [name for name in peers if covers_all(result, name)]
    kinds = {
        "fastest peer of equal coverage, from the image": [name for name in equal if name not in PREPARED],
        "fastest peer of equal coverage, from unpacked layers": [name for name in equal if name in PREPARED],
        "fastest peer of whatever coverage": peers,
    }
    for words, names in kinds.items():
        fastest = fastest_of(result, names)
        if fastest is not None:
            pairs[f"{words} ({fastest}) ÷ {COLD}"] = (fastest, COLD)
    found = (_compare(result, name, *pair) for name, pair in pairs.items())
    return [ratio for ratio in found if ratio is not None]


def _compare(result: SizeResult, name: str, above: str, below: str) -> Ratio | None:
    first, second = result.of(above), result.of(below)
    if not first or len(first) != len(second):
        return None
    cpu_above, cpu_below = [_all_cpu_s(run) for run in first], [_all_cpu_s(run) for run in second]
    return Ratio(
        name=name,
        wall=ratios([run.measured.wall_s for run in first], [run.measured.wall_s for run in second]),
        cpu=ratios(cpu_above, cpu_below) if all(cpu_below) else None,
    )


def _all_cpu_s(run: Run) -> float:
    return run.measured.cpu_s + (run.measured.engine_cpu_s or 0.0)


def fastest_of(result: SizeResult, names: Iterable[str]) -> str | None:
    """The command with the least median that reported on secrets; None when there is none."""
    medians = {
        name: spread(result.walls(name)).median
        for name in names
        if result.walls(name) and all(run.findings is not None for run in result.of(name))
    }
    return min(medians, key=medians.__getitem__) if medians else None


def covers_all(result: SizeResult, name: str) -> bool:
    """True for a peer that found every planted secret and doesn't itself say that it read much less than imgscan."""
    done, whole = result.of(name), _read_bytes(result) or 0
    return bool(done) and all(
        run.found is not None
        and set(run.found) == set(PLACES)
        and (run.read_bytes is None or run.read_bytes >= EQUAL * whole)
        for run in done
    )


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Every run, and the ratios."""
    return {
        "machine": dict(outcome.machine),
        "missing": dict(outcome.missing),
        "sizes": [
            {
                "size_gb": result.size_gb,
                "image": result.image,
                "ratios": [asdict(ratio) for ratio in size_ratios(result)],
                "runs": [asdict(run) for run in result.runs],
            }
            for result in outcome.sizes
        ],
    }


def as_markdown(outcome: Outcome, peers: Mapping[str, Peer]) -> str:
    """Tables for people."""
    facts = outcome.machine
    parts = [
        "## Scan benchmark\n",
        f"imgscan {facts['imgscan']}, Python {facts['python']}; {facts['cpus']} × {facts['processor']}, "
        f"{facts['memory_bytes'] / GB:.0f} GB, {facts['system']}; engine {facts['engine']}; load before: "
        f"{facts['load']:.1f}. Whole processes; medians with least and greatest, of runs in turn.\n",
    ]
    for result in outcome.sizes:
        parts += [f"### {result.image}, {size_words(result)}\n", _runs_table(result)]
        parts += [*_troubles(result), _ratio_table(result)]
    if len(outcome.sizes) > 1:
        parts += ["### Growth\n", growth_table(outcome.sizes)]
    if peers:
        parts += ["### What the peers were given\n", _peers_table(peers)]
    parts += [f"Not run: {name}: {reason}\n" for name, reason in outcome.missing.items()]
    return "\n".join(parts)


def size_words(result: SizeResult) -> str:
    """The image's size as imgscan counted it."""
    read = _read_bytes(result)
    return "size unknown" if read is None else f"{read / MB:.0f} MB of files"


def _read_bytes(result: SizeResult) -> int | None:
    return next((run.read_bytes for run in result.of(COLD) if run.read_bytes is not None), None)


def _runs_table(result: SizeResult) -> str:
    head = ("command", "wall", "CPU", "engine's CPU", "peak, all", "peak, one", "exit", "findings", "read", *PLACES)
    return markdown_table(head, [_row(name, result.of(name)) for name in result.commands if result.of(name)])


def _row(name: str, done: Sequence[Run]) -> tuple[str, ...]:
    last = done[-1]
    engine = [run.measured.engine_cpu_s for run in done if run.measured.engine_cpu_s is not None]
    return (
        name,
        seconds(spread(run.measured.wall_s for run in done)),
        seconds(spread(run.measured.cpu_s for run in done)),
        seconds(spread(engine)) if engine else "?",
        _megabytes(max(run.measured.tree_bytes for run in done)),
        _megabytes(max(run.measured.process_bytes for run in done)),
        str(last.measured.exit_code),
        "-" if last.findings is None else str(last.findings),
        "?" if last.read_bytes is None else _megabytes(last.read_bytes),
        *("-" if last.found is None else "yes" if place in last.found else "no" for place in PLACES),
    )


def _megabytes(count: float) -> str:
    return f"{count / MB:.0f} MB"


def _troubles(result: SizeResult) -> list[str]:
    return [f"Left out: {run.command}: {run.trouble}\n" for run in result.runs if run.trouble is not None]


def _ratio_table(result: SizeResult) -> str:
    rows = [(r.name, times(r.wall), "?" if r.cpu is None else times(r.cpu)) for r in size_ratios(result)]
    return markdown_table(("ratio", "wall", "CPU with the engine's"), rows)


def growth_table(sizes: Sequence[SizeResult]) -> str:
    """Seconds per GB by size for each of imgscan's ways and the floor, and how near to a line they lie by the clock and
    by the processor."""
    names = [name for name in (SAVE, *IMGSCAN) if all(result.walls(name) for result in sizes)]
    known = [(read / GB, result) for result in sizes if (read := _read_bytes(result))]
    rows = []
    for gb, result in known:
        medians = [spread(result.walls(name)).median for name in names]
        rows.append((f"{gb:.2f} GB", *(f"{median:.2f} s, {median / gb:.2f} s/GB" for median in medians)))
    table = markdown_table(("files", *names), rows)
    if len({gb for gb, _ in known}) < LINE_POINTS:
        return table
    lines = []
    for name in names:
        wall = fit_line([(gb, spread(result.walls(name)).median) for gb, result in known])
        cpu = fit_line([(gb, spread(map(_all_cpu_s, result.of(name))).median) for gb, result in known])
        lines.append(f"- {name}: {_line_words(wall)}; CPU with the engine's {_line_words(cpu)}\n")
    return table + "\n" + "".join(lines)


def _line_words(line: Line) -> str:
    return f"{line.intercept:.2f} s + {line.slope:.2f} s/GB, R² {line.r_squared:.4f}"


def _peers_table(peers: Mapping[str, Peer]) -> str:
    return markdown_table(("peer", "reads", "covers"), [(p.name, p.reads, p.covers) for p in peers.values()])

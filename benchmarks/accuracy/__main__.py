"""How accurate the secret rules are: on imgscan's own cases, on published ones, and on real files, beside other tools.

python -m benchmarks.accuracy [OPTIONS]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from benchmarks.accuracy.cases import Case, read_cases, write_cases
from benchmarks.accuracy.natural import describe, natural_trees, size_of
from benchmarks.accuracy.own import own_cases
from benchmarks.accuracy.published import betterleaks_cases, kingfisher_cases
from benchmarks.accuracy.score import ALL, Score, by_case, score
from benchmarks.accuracy.tools import KINGFISHER, TRUFFLEHOG3, Tool, imgscan_tool, kingfisher_tool, trufflehog3_tool
from benchmarks.figures import markdown_table
from benchmarks.packages import BenchError, cache_folder
from imgscan.detect.secrets.generic import GENERIC

_PEERS: Final[Mapping[str, Callable[[Path], Tool]]] = {KINGFISHER: kingfisher_tool, TRUFFLEHOG3: trufflehog3_tool}
_SURE: Final = ("low/low", "info/low")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--seeds", type=click.IntRange(1, 50), default=2, show_default=True, help="Random parts per own example.")
@click.option("--cases", "folders", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Also the cases of a folder's *.jsonl: {text, label, secret, path, family} a line.")  # fmt: skip
@click.option(
    "--published/--no-published",
    default=True,
    help="Also betterleaks' cases and kingfisher's examples, fetched by pip. [default: yes]",
)
@click.option("--natural/--no-natural", default=True, help="Also real files. [default: yes]")
@click.option("--tree", "trees", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Another folder of real files, such as an unpacked base image.")  # fmt: skip
@click.option(
    "--peers/--no-peers", default=True, help="Run kingfisher and trufflehog3 on the same files. [default: yes]"
)
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write all figures, too.")
def main(**options: Any) -> None:  # noqa: ANN401 - click's own values
    """Print recall, false alarms and precision of imgscan's secret rules, by family, as Markdown tables.

    Own cases are made from the rule packs' examples and near misses with fresh random parts, in environment files,
    JSON, YAML, Dockerfiles, programs in six languages and addresses. "Sure" leaves out what imgscan reports as a hint
    only (low severity, low confidence); "no generic" leaves out the rule secret-generic. On real files everything found
    is a candidate for a false alarm and is listed.

    \b
    Examples:
      make accuracy
      python -m benchmarks.accuracy --no-natural --cases ~/cases --json figures.json
    """
    try:
        run(options)
    except BenchError as error:
        raise click.ClickException(str(error)) from None


def run(options: Mapping[str, Any]) -> None:
    """Everything: make cases, scan, score, print. Raises BenchError."""
    sets = _case_sets(options)
    tools = _tools(peers=options["peers"])
    figures: dict[str, Any] = {"cases": {}, "natural": {}}
    for name, cases in sets.items():
        scores = _score_all(cases, tools)
        figures["cases"][name] = {tool: {f: asdict(s) for f, s in table.items()} for tool, table in scores.items()}
        click.echo(f"\n## {name}: {len(cases)} cases\n\n{_tool_table(scores)}\n{_family_table(scores)}")
    if options["natural"]:
        for tree in natural_trees(options["trees"]):
            figures["natural"][tree.name] = _natural(tree.name, tree.folder, tools)
    if options["json_path"] is not None:
        options["json_path"].write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _case_sets(options: Mapping[str, Any]) -> dict[str, list[Case]]:
    sets = {"own": list(own_cases(options["seeds"]))}
    if options["published"]:
        cases, left_out = betterleaks_cases(cache_folder(), "1")
        click.echo(f"betterleaks: {left_out} cases could not be converted", err=True)
        sets["betterleaks"] = cases
        sets["kingfisher"] = kingfisher_cases(cache_folder())
    for folder in options["folders"]:
        sets[folder.name] = read_cases(folder)
    return sets


def _tools(*, peers: bool) -> dict[str, Tool]:
    tools = {"imgscan": imgscan_tool(), "imgscan, no generic": imgscan_tool(without=(GENERIC,))}
    for name, make in _PEERS.items():
        if peers:
            try:
                tools[name] = make(cache_folder())
            except BenchError as error:
                click.echo(f"without {name}: {error}", err=True)
    return tools


def _score_all(cases: Sequence[Case], tools: Mapping[str, Tool]) -> dict[str, Mapping[str, Score]]:
    """Scores by tool; imgscan's once more without its hints."""
    scores: dict[str, Mapping[str, Score]] = {}
    with tempfile.TemporaryDirectory(prefix="imgscan-accuracy.") as folder:
        write_cases(cases, Path(folder))
        for name, tool in tools.items():
            found = by_case(tool(Path(folder)), len(cases))
            scores[name] = score(cases, found)
            if name == "imgscan":
                sure = [[report for report in reports if report.grade not in _SURE] for reports in found]
                scores["imgscan, sure"] = score(cases, sure)
    return scores


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _tool_table(scores: Mapping[str, Mapping[str, Score]]) -> str:
    rows = [
        (name, _percent(s.recall), _percent(s.false_alarms), _percent(s.precision), f"{s.positives} / {s.negatives}")
        for name, table in scores.items()
        for s in (table[ALL],)
    ]
    return markdown_table(("tool", "recall", "false alarms", "precision", "positives / negatives"), rows)


def _family_table(scores: Mapping[str, Mapping[str, Score]]) -> str:
    """Recall (and false alarms) of every tool by family, the worst of imgscan's first."""
    own = scores["imgscan"]
    families = sorted((f for f in own if f != ALL), key=lambda f: (own[f].recall if own[f].positives else 2.0, f))
    rows = [
        (f, *(f"{_percent(t[f].recall)} ({_percent(t[f].false_alarms)})" for t in scores.values())) for f in families
    ]
    return markdown_table(("family: recall (false alarms)", *scores), rows)


def _natural(name: str, folder: Path, tools: Mapping[str, Tool]) -> dict[str, Any]:
    size = size_of(folder)
    click.echo(f"\n## Real files: {name}, {size / 1e9:.2f} GB\n")
    result: dict[str, Any] = {"bytes": size}
    for tool, scan in tools.items():
        if tool == TRUFFLEHOG3:
            continue  # its entropy checks take hours here, and report every digest
        started = time.perf_counter()
        reports = scan(folder)
        seconds = time.perf_counter() - started
        result[tool] = {"reports": len(reports), "seconds": round(seconds, 2)}
        lines = "\n".join(describe(reports)) if tool in ("imgscan", KINGFISHER) else ""
        click.echo(f"{tool}: {len(reports)} reports in {seconds:.1f} s\n{lines}\n")
    return result


if __name__ == "__main__":
    sys.exit(main())

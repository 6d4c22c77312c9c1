"""`imgscan rules` and `imgscan explain`: the rule book for people and programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from imgscan.alike import alike
from imgscan.errors import InputError
from imgscan.model import Rule

if TYPE_CHECKING:
    from imgscan.risk.catalog import RiskKind

_INDENT: Final = "    "
_OF_PATTERNS: Final = "secret-"
"""What the rules begin with that there is one of for every kind of secret: too many to name."""
FOREIGN_PREFIX: Final = "secret-trufflehog3-"
"""Rules of an installed trufflehog3: there on some machines only, hence not in the documentation."""


_RULE_FILES = click.option(
    "--rules",
    "rule_files",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    envvar="IMGSCAN_RULES",
    help="The rules of this file, too; what is wrong with it is an error. Repeatable.",
)


@click.command("rules")
@click.option(
    "--format", "style", type=click.Choice(["table", "json", "markdown"]), default="table", help="How to print them."
)
@_RULE_FILES
@click.argument("prefix", default="")
def rules(style: str, rule_files: tuple[Path, ...], prefix: str) -> None:
    """List the rules whose id begins with PREFIX (secret-, layer-, cache-, context-, config-, tech-, data-,
    ops-, env-, net-, backup-)."""
    chosen = [rule for rule in all_rules(rule_files).values() if rule.id.startswith(prefix)]
    if not chosen:
        raise InputError(f"no rule begins with {prefix!r}", next_step="imgscan rules lists all")
    if style == "json":
        from imgscan.report.json import indented_json

        click.echo(indented_json(chosen), nl=False)
        return
    if style == "markdown":
        click.echo(rules_page(chosen), nl=False)
        return
    from tabulate import tabulate

    rows = [(rule.id, rule.severity.value, rule.risk_id or "-", rule.title) for rule in chosen]
    click.echo(tabulate(rows, ("rule", "severity", "risk", "title"), tablefmt="simple"))


@click.command("explain")
@_RULE_FILES
@click.argument("rule_id", metavar="RULE")
def explain(rule_id: str, rule_files: tuple[Path, ...]) -> None:
    """Explain RULE: why it matters, how to fix it, a bad and a good example; or a risk of the register by its id."""
    from imgscan.risk.catalog import load_catalog

    book, risks = all_rules(rule_files), load_catalog()
    kind = risks.get(rule_id.upper())
    if kind is not None:
        click.echo(risk_explanation(kind, [rule for rule in book.values() if rule.risk_id == kind.id]))
        return
    if rule_id not in book:
        near = alike(rule_id, [*book, *risks], most=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "imgscan rules lists all"
        raise InputError(f"there is no rule {rule_id!r}", next_step=hint)
    click.echo(explanation(book[rule_id]))


def all_rules(rule_files: Sequence[Path] = ()) -> Mapping[str, Rule]:
    """The whole rule book by id, in order of the ids. Raises InputError for a rule file that cannot be used."""
    from imgscan.detect.secrets.rules import default_rules
    from imgscan.rulebook import load_rules

    book = {**load_rules(), **default_rules(rule_files=rule_files)}
    return {rule_id: book[rule_id] for rule_id in sorted(book)}


def explanation(rule: Rule) -> str:
    """One rule as text, as `imgscan explain` shows it."""
    facts = f"severity {rule.severity}, confidence {rule.confidence}"
    facts += f", risk {rule.risk_id}" if rule.risk_id else ""
    parts = [
        rule.id,
        rule.title,
        f"{facts}, since {rule.since}",
        "",
        "Why",
        _paragraph(rule.why),
        "",
        "Fix",
        _paragraph(rule.fix),
        "",
        "Bad",
        textwrap.indent(rule.bad, _INDENT),
        "",
        "Good",
        textwrap.indent(rule.good, _INDENT),
    ]
    if rule.cites:
        parts += ["", "Checks of the risk catalogue", _paragraph(", ".join(rule.cites))]
    if rule.source:
        parts += ["", "Source", _paragraph(rule.source)]
    return "\n".join(parts)


def risk_explanation(kind: RiskKind, rules: Sequence[Rule]) -> str:
    """One risk of the register as text, with the rules whose findings make it likelier."""
    from imgscan.risk.catalog import default_names, priority
    from imgscan.risk.mitigation import with_names

    score = kind.probability * kind.impact
    families = [rule for rule in rules if not rule.id.startswith(_OF_PATTERNS)]
    named = [f"{_INDENT}{rule.id}: {rule.title}" for rule in families]
    others = len(rules) - len(families)
    if others:
        named.append(f"{_INDENT}{_OF_PATTERNS}…: {others} kinds of secrets (imgscan rules {_OF_PATTERNS})")
    return "\n".join(
        (
            kind.id,
            kind.description,
            f"{kind.category}, by the catalogue {kind.probability} × {kind.impact} = {score} ({priority(score)})",
            "",
            "Why",
            _paragraph(kind.why),
            "",
            "Mitigation",
            _paragraph(with_names(kind.mitigation, default_names())),
            "",
            "Verify by",
            f"{_INDENT}{with_names(kind.verify_by, default_names())}",
            "",
            "Rules that feed it",
            *named,
        )
    )


def rules_page(book: Iterable[Rule]) -> str:
    """The documentation's page of rules: a table of them, then each with why, fix and examples."""
    chosen = [rule for rule in book if not rule.id.startswith(FOREIGN_PREFIX)]
    parts = [
        "# Rules",
        "",
        "Made by `imgscan rules --format markdown` from the files in `rules/`; `imgscan explain RULE` shows the same.",
        "",
        "| rule | severity | risk | what it finds |",
        "|---|---|---|---|",
    ]
    parts += [f"| [`{r.id}`](#{r.id}) | {r.severity} | {r.risk_id or ''} | {_prose(r.title)} |" for r in chosen]
    for rule in chosen:
        parts += ["", f"## {rule.id}", "", f"{_prose(rule.title)}."]
        parts += ["", f"**Why.** {_prose(rule.why)}", "", f"**Fix.** {_prose(rule.fix)}"]
        parts += ["", "Bad:", "", _fence(rule.bad), "", "Good:", "", _fence(rule.good)]
        if rule.cites:
            parts += ["", f"Checks of the risk catalogue: {', '.join(rule.cites)}."]
        if rule.source:
            parts += ["", f"Source: {_prose(rule.source)}"]
    return "\n".join(parts) + "\n"


def _prose(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _fence(text: str) -> str:
    return f"```text\n{text}\n```"


def _paragraph(text: str) -> str:
    return textwrap.fill(
        " ".join(text.split()), 88, initial_indent=_INDENT, subsequent_indent=_INDENT, break_long_words=False
    )

"""Compose files that compose refuses (`env-compose-invalid`, `env-compose-reference`, `env-compose-unread`).

In: `Facts`. Out: findings. The texts are those of `Problem`s: keys and names, never values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imgscan.model import Evidence, Finding, Fix, Severity
from imgscan.project.compose.records import Problem
from imgscan.project.env.facts import Facts, in_compose, in_env
from imgscan.rulebook import make_finding

_RULES: Final = {
    "yaml": "env-compose-invalid",
    "schema": "env-compose-invalid",
    "duplicate": "env-compose-invalid",
    "reference": "env-compose-reference",
    "limit": "env-compose-unread",
}
_MOST: Final = 50


def detect_compose_problems(facts: Facts) -> Iterator[Finding]:
    """What compose says of a project's files instead of starting it. Missing values are told by rules of their own."""
    for problem in facts.project.problems[:_MOST]:
        rule = _RULES.get(problem.kind)
        if problem.kind == "interpolation" and "required variable" not in problem.message:
            rule = "env-compose-invalid"
        if rule is None or not (problem.fatal or problem.kind == "limit"):
            continue
        yield make_finding(
            rule,
            message=_message(facts, problem),
            location=in_compose(problem.at)
            if _is_compose(facts, problem)
            else in_env(problem.at.file, problem.at.line),
            evidence=Evidence.DERIVED,
            identity=(problem.at.file, problem.message),
            severity=_severity(facts, problem),
            fix=Fix(text=_fix(problem)),
        )


def _is_compose(facts: Facts, problem: Problem) -> bool:
    return problem.at.file in facts.project.read or problem.at.file in facts.project.files


def _message(facts: Facts, problem: Problem) -> str:
    together = ""
    if len(facts.project.files) > 1:
        together = f" (with {', '.join(file for file in facts.project.files if file != problem.at.file)})"
    if problem.kind == "limit":
        return f"{problem.at.file}{together} is not read to its end: {problem.message}."
    return f"compose refuses {problem.at.file}{together}: {problem.message}."


def _severity(facts: Facts, problem: Problem) -> Severity | None:
    """Files that were only found beside each other may not be meant to be used together."""
    guessed = len(facts.project.files) > 1 and not facts.project.declared and not _is_override(facts)
    return Severity.MEDIUM if guessed and problem.kind in ("reference", "schema") else None


def _is_override(facts: Facts) -> bool:
    return any(".override." in file for file in facts.project.files)


def _fix(problem: Problem) -> str:
    where = f"line {problem.at.line} of {problem.at.file}"
    if problem.kind == "reference":
        return (
            f"Declare what {where} refers to, or correct its name; `docker compose config -q` tells when it is right."
        )
    if problem.kind == "limit":
        return f"Make {where} smaller; what is not read is not judged either."
    return f"Correct {where}; `docker compose config -q` tells when it is right."

"""Cache mounts that the step which has them cannot use (`cache-mount-unused`).

In: the simulated stages. Out: one finding for each RUN. A mount's target is no shell word, so `~` stays as it is; a new
cache directory belongs to root, so a step of another USER cannot write into it; and that user's home is not /root.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imgscan.detect.places import dockerfile_line
from imgscan.detect.stages.records import RunStep, Simulation
from imgscan.detect.stages.stagesim import chain
from imgscan.detect.stages.walk import bind_options
from imgscan.model import Confidence, Evidence, Finding
from imgscan.rulebook import make_finding

RULE: Final = "cache-mount-unused"
_ROOT: Final = frozenset({"root", "0"})
_WRITABLE: Final = ("2", "3", "6", "7")
"""The last digit of a mode that lets everybody write."""


def detect_unused_mounts(simulation: Simulation) -> Iterator[Finding]:
    """The findings, stage by stage."""
    for view in simulation.stages:
        for run in view.runs if view.stage.index in simulation.needed else ():
            user = _user_of(simulation, run)
            reasons = [why for name, value in run.command.flags for why in _reasons(name, value, run, user)]
            if reasons:
                yield _finding(run, reasons[0])


def _reasons(name: str, value: str | None, run: RunStep, user: str | None) -> Iterator[tuple[str, str, Confidence]]:
    """Target, why the step cannot use it, how sure that is."""
    options = bind_options(value) if name == "mount" and value else None
    if options is None or options.get("type") != "cache":
        return
    target = options.get("target", "")
    if target.startswith("~"):
        yield target, "`~` is not expanded there: it is a folder of that name in the working directory", Confidence.HIGH
    elif user is None or user.partition(":")[0] in _ROOT:
        return
    elif target.startswith("/root/") and not run.scope.get("HOME", "").startswith("/root"):
        yield target, f"the step runs as USER {user}, whose home is not /root", Confidence.MEDIUM
    elif not options.get("uid") and not options.get("mode", "").endswith(_WRITABLE):
        yield (
            target,
            f"it belongs to root and the step runs as USER {user}: without uid= it cannot write there",
            (Confidence.MEDIUM),
        )


def _user_of(simulation: Simulation, run: RunStep) -> str | None:
    """The USER that a step runs as; None where the base image decides, or a variable."""
    stage, ordinal = run.command.instruction.stage, run.command.instruction.ordinal
    for at in chain(simulation, stage):
        for command in reversed(simulation.stages[at].stage.commands):
            if command.keyword == "USER" and (at != stage or command.instruction.ordinal < ordinal):
                return None if "$" in command.value else command.value
    return None


def _finding(run: RunStep, reason: tuple[str, str, Confidence]) -> Finding:
    target, why, confidence = reason
    line = run.command.instruction.line
    return make_finding(
        RULE,
        message=f"line {line} mounts a cache at {target}, which it does not use: {why}.",
        location=dockerfile_line(run.command),
        evidence=Evidence.DERIVED,
        identity=(run.command.instruction.file, target, why),
        confidence=confidence,
    )

"""Wrappers around compose: whether their guards hold, and whether there is one where there should be.

In: a `Setup`. Out: findings. Nothing of the project is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from imgscan.diff import Edit
from imgscan.model import Confidence, Evidence, Finding, Fix, Location, Place, Severity
from imgscan.project.data.guards import MOST_STEPS, Answer, Wrapper, judge_wrapper, looks_at_arguments
from imgscan.project.data.places import in_compose, in_script
from imgscan.project.data.spellings import Spelling
from imgscan.project.data.templates import GUARD, wrapper_script
from imgscan.project.data.volumes import data_volumes, volume_name
from imgscan.project.mend import patch_of
from imgscan.project.mendfiles import patch_of_files
from imgscan.project.setup import Setup
from imgscan.project.shell.enginewords import engine_call
from imgscan.project.shell.peel import programs
from imgscan.project.shell.read import source_candidates
from imgscan.project.shell.records import ShellKind, ShellText
from imgscan.project.shell.ways import Budget, Script
from imgscan.rulebook import make_finding

_MOST_SCRIPTS: Final = 100
_MOST_STEPS: Final = 120_000


def detect(setup: Setup) -> Iterator[Finding]:
    """Guards that can be passed by, then the missing wrapper."""
    if not setup.composes:
        return
    wrappers = find_wrappers(setup)
    for text, wrapper in wrappers:
        found = _bypassed(setup, text, wrapper)
        if found is not None:
            yield found
    yield from _missing(setup, [text for text, _ in wrappers])


def find_wrappers(setup: Setup) -> list[tuple[ShellText, Wrapper]]:
    """The scripts that hand their arguments to compose, with what they do with each spelling."""
    found: list[tuple[ShellText, Wrapper]] = []
    candidates = [text for text in setup.shells if text.kind is ShellKind.SCRIPT and _may_wrap(text)]
    left = _MOST_STEPS
    for text in candidates[:_MOST_SCRIPTS]:
        given = min(left, MOST_STEPS)
        budget = Budget(given)
        wrapper = judge_wrapper(Script(text.file, text.text, Finder(setup)), budget)
        left -= given - max(budget.left, 0)
        if wrapper is not None:
            found.append((text, wrapper))
    return found


def _may_wrap(text: ShellText) -> bool:
    if text.broken or not looks_at_arguments(text.text):
        return False
    calls = (engine_call(program.words) for call in text.calls for program in programs(call, text.forwards))
    return any(call is not None and call.compose for call in calls) or bool(re.search(r"\bcompose\b", text.text))


class Finder:
    """Scripts of the project by the known end of their path."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def __call__(self, script: str, shape: str) -> tuple[str, str] | None:
        """The path and text of the script that a word names, for one that names it in `script`."""
        for path in source_candidates(script, shape):
            text = self.setup.tree.text(path) if path in self.setup.tree.files else None
            if text is not None:
                return path, text
        return None


def guarded_spellings(wrapper: Wrapper) -> tuple[Spelling, ...]:
    """The spellings that the wrapper asks about or refuses."""
    return (*wrapper.of(Answer.ASKED), *wrapper.of(Answer.REFUSED))


def _bypassed(setup: Setup, text: ShellText, wrapper: Wrapper) -> Finding | None:
    bypasses, guarded = wrapper.of(Answer.BYPASS), guarded_spellings(wrapper)
    if not bypasses:
        return None
    managed = _at_stake(setup)
    if not guarded and not managed:
        return None
    shown = ", ".join(f"`{spelling.text}`" for spelling in bypasses)
    if guarded:
        asks = " and ".join(f"`{spelling.text}`" for spelling in guarded[:3]) + (" …" if len(guarded) > 3 else "")
        verb = "asks" if wrapper.of(Answer.ASKED) else "refuses"
        message = f"{text.file} {verb} only for {asks}; {len(bypasses)} other spellings reach compose unasked: {shown}."
    else:
        message = f"{text.file} hands everything to compose: `{bypasses[0].text}` deletes the data volume unasked."
    return make_finding(
        "data-wrapper-bypass",
        message=message,
        location=in_script(text),
        evidence=Evidence.DERIVED,
        identity=(text.file,),
        severity=None if guarded and managed else Severity.MEDIUM,
        confidence=None if guarded else Confidence.MEDIUM,
        fix=Fix(
            text=f"Look at every argument in {text.file}, whatever its place, and refuse each that asks for volumes "
            "in any form; give deletion a verb of its own that needs a terminal, makes a backup and asks for the "
            "volume's name.",
            patch=_guard_patch(setup, text),
        ),
    )


def _at_stake(setup: Setup) -> bool:
    """Whether `down -v` deletes data: of a volume that compose manages, or that another file declares so."""
    volumes = [volume for _, volume in data_volumes(setup)]
    managed = [one for compose in setup.composes for one in compose.volumes.values() if not one.external]
    return any(
        not volume.external or any(one.name == volume.name or one.real_name == volume.real_name for one in managed)
        for volume in volumes
    )


def _guard_patch(setup: Setup, text: ShellText) -> str | None:
    """The guard after the script's own options, before anything looks at the arguments."""
    source = setup.tree.text(text.file)
    if source is None or "\r" in source:
        return None
    at = 0
    for found in re.finditer(r"[^\n]*(?:\n|$)", source):
        line = found[0].strip()
        if line and not line.startswith("#") and not re.match(r"set -[A-Za-z]+( pipefail)?$|set -o \w+$", line):
            break
        if not found[0]:
            break
        at = found.end()
    while at > 1 and source[at - 2 : at] == "\n\n":
        at -= 1
    return patch_of(setup, text.file, [Edit(start=at, end=at, text=f"\n{GUARD}")])


def _missing(setup: Setup, wrappers: list[ShellText]) -> Iterator[Finding]:
    managed = [
        (stateful, volume) for stateful, volume in data_volumes(setup) if not volume.external and stateful.records
    ]
    if not managed or wrappers:
        return
    raw = _raw_call(setup)
    if raw is None:
        return
    stateful, volume = managed[0]
    compose = stateful.compose
    new = {"scripts/dev-ctl.sh": wrapper_script(compose.files)}
    yield make_finding(
        "data-no-wrapper",
        message=f"{raw[0].file} sends everybody to `docker compose` itself, while {volume.at.file} has it manage "
        f"{volume.name}, which holds the data of {stateful.service.name}.",
        location=Location(place=Place.SCRIPT, path=raw[0].file, line=raw[1]),
        evidence=Evidence.ABSENT,
        identity=(volume.at.file, volume.name),
        places=(Location(place=Place.SCRIPT, path=raw[0].file, line=raw[1]), in_compose(volume.at)),
        fix=Fix(
            text=f"Make {volume_name(setup, stateful, volume)} external, and let one script (scripts/dev-ctl.sh) "
            "create it, start and stop the containers, and refuse every way to delete it; name that script in the "
            "README.",
            patch=patch_of_files(setup, {}, new),
        ),
    )


def _raw_call(setup: Setup) -> tuple[ShellText, int] | None:
    """The first line of documentation that starts containers with compose itself."""
    for text in setup.shells:
        if text.kind is not ShellKind.README:
            continue
        for call in text.calls:
            engine = engine_call([word.shape for word in call.words])
            if engine is not None and engine.compose and engine.verb in ("up", "down", "start"):
                return text, call.line
    return None

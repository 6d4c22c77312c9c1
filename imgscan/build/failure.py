"""A failed build -> `BuildFailure`: which step, which line, the log lines that matter, and why. Pure.

Causes that can be read off the engine's words are in `causes.py`. Causes that only the project's own files show come
from the detectors: `explain_failure`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from imgscan.build.causes import find_cause
from imgscan.build.lines import BuildSettings
from imgscan.build.steps import Clean, Outcome, RawStep
from imgscan.dockerfile.parse import Dockerfile, base_image, find_stage
from imgscan.errors import InputError
from imgscan.escape import shorten
from imgscan.lazyre import lazy_re
from imgscan.model import BuildFailure, Evidence, Finding, Place, Step

MAX_LOG_LINES: Final = 15
_MAX_LINE: Final = 400
_MAX_MESSAGE: Final = 4000
_PARSE_ERROR_LINE: Final = lazy_re(r"dockerfile parse error (?:on )?line (\d+)", re.IGNORECASE)
_METADATA: Final = lazy_re(r"\[internal\] load metadata for (\S+)")
_FRONTEND: Final = lazy_re(r"resolve image config for (?:docker-image://)?(\S+)")
# What the engine needs from a registry before it looks at any other instruction, and what it says if there is none.
_IMAGE_STEP: Final = lazy_re(r"FROM\s|# syntax=", re.IGNORECASE)
_UNREACHABLE: Final = lazy_re(
    r"dial tcp|no such host|i/o timeout|connection (?:refused|reset)|network is unreachable|TLS handshake timeout"
    r"|name resolution|server misbehaving|deadline exceeded|Client\.Timeout|proxyconnect|toomanyrequests"
    r"|\b(?:429 Too Many|50[0-4] [A-Z])|\bEOF$",
    re.IGNORECASE,
)
_ANSI: Final = lazy_re(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_WRAPPING: Final = lazy_re(
    r"^(?:failed to solve(?: with frontend [\w.]+)?: |failed to create LLB definition: "
    r'|building at STEP "(?:[^"\\]|\\.)*": '
    r"|failed to compute cache key: failed to calculate checksum of ref \S+: |rpc error: code = \w+ desc = )+"
)
_ERROR_LINE: Final = lazy_re(
    r"\berr(?:or)?\b|ERR[!_]|\bfatal\b|\bfail(?:ed|ure)?\b|\bcannot\b|can't|not found|no such|denied|unable|exception"
    r"|traceback|panic|undefined|unresolved|refused|mismatch|no matching|\bTS\d{4}\b|✘|✖|×",
    re.IGNORECASE,
)
_NOISE: Final = lazy_re(
    r"""^\s*$ | ^npm\ (?:notice|warn\ deprecated|verbose|http|timing|sill)\b | ^npm\ (?:ERR!|error)\s*$
    | A\ complete\ log\ of\ this\ run | ^npm\ (?:ERR!|error)\s+/\S+\.log$ | packages?\ are\ looking\ for\ funding
    | ^Progress:\ resolved | ^Packages:\ \+ | ^\++$ | ^(?:Get|Hit|Ign):\d+\  | ^Reading\ (?:package|state)
    | ^Building\ dependency\ tree | ^(?:Selecting|Preparing\ to\ unpack|Unpacking|Setting\ up|Processing\ triggers)\b
    | ^\s*(?:Downloading|Collecting|Using\ cached|Obtaining\ dependency)\b | ^\s*[━─═#=.\s>\d%|/-]+$
    | ^time="\S+"\ level= | ^\[notice\] | WARNING:\ Running\ pip\ as\ | ^debconf: | ^fetch\ https?://
    | ^\ (?:WARN|DEPRECATED)\  """,
    re.VERBOSE,
)


def make_failure(
    outcome: Outcome,
    raw: Sequence[RawStep],
    steps: Sequence[Step],
    dockerfile: Dockerfile | None,
    settings: BuildSettings,
    clean: Clean,
) -> BuildFailure:
    """The failure of a build whose outcome has an error."""
    message = shorten(clean(unwrap_message(outcome.error or "the build failed")), _MAX_MESSAGE)
    failing = next((step for step in steps if step.error), None)
    log = failing.log if failing else clean(outcome.log)
    step, line = _where(failing, outcome, message, dockerfile, settings)
    lines = log_lines(log)
    cause = find_cause(message, "\n".join(lines), failing.instruction if failing else step)
    unreachable = bool(_IMAGE_STEP.match(step) and _UNREACHABLE.search(message))
    return BuildFailure(step=clean(step), line=line, message=message, log=lines, cause=cause, unreachable=unreachable)


def unwrap_message(message: str) -> str:
    """The engine's message without the names of the layers of software it came through."""
    return _WRAPPING.sub("", message.strip())


def log_lines(log: str) -> tuple[str, ...]:
    """At most `MAX_LOG_LINES` lines of an output in their order: what looks like errors, and how it ended."""
    lines = [_visible(line) for line in log.split("\n")]
    meaningful = list(dict.fromkeys(line for line in lines if not _NOISE.search(line)))
    if len(meaningful) <= MAX_LOG_LINES:
        return tuple(meaningful)
    errors = [at for at, line in enumerate(meaningful) if _ERROR_LINE.search(line)]
    # The first errors name the cause, the last ones what came of it.
    half = MAX_LOG_LINES // 3
    chosen = dict.fromkeys([*errors[:half], *errors[-half:], *reversed(range(len(meaningful)))])
    return tuple(meaningful[at] for at in sorted(list(chosen)[:MAX_LOG_LINES]))


def explain_failure(
    failure: BuildFailure, findings: Sequence[Finding], dockerfile: Dockerfile | None = None
) -> BuildFailure:
    """The failure with the cause that a detector derived from the project's own files, when one of its findings is
    about the failing step, about an earlier instruction of its stage, or about the stage that it copies from. Findings
    of that kind say more than the engine's words; without one the failure stays as it is."""
    if failure.line is None:
        return failure
    spans = (_stage_span(failure.line, dockerfile), _copied_span(failure.line, dockerfile))
    ranked = sorted(
        (far, distance, at)
        for at, finding in enumerate(findings)
        if finding.rule_id.startswith("tech-") and finding.evidence not in (Evidence.ABSENT, Evidence.PATTERN)
        for far, span in enumerate(spans)
        for distance in _distances(finding, failure.line, span)
    )
    if not ranked:
        return failure
    finding = findings[ranked[0][2]]
    return replace(failure, cause=finding.message, rule_id=finding.rule_id)


def _distances(finding: Finding, line: int, span: range) -> list[int]:
    """How far above the failing line each Dockerfile place of the finding is; 0 is the line itself."""
    lines: set[int] = set()
    for location in (finding.location, *finding.places):
        if location.dockerfile is not None:
            lines.add(location.dockerfile.line)
        elif location.place is Place.DOCKERFILE and location.line is not None:
            lines.add(location.line)
    return [line - at for at in lines if at == line or (at in span and at < line)]


def _stage_span(line: int, dockerfile: Dockerfile | None) -> range:
    """The lines of the stage that a line lies in; nothing without a Dockerfile."""
    if dockerfile is None:
        return range(0)
    starts = [stage.commands[0].instruction.line for stage in dockerfile.stages]
    first = max((start for start in starts if start <= line), default=line)
    return range(first, line + 1)


def _copied_span(line: int, dockerfile: Dockerfile | None) -> range:
    """The lines of the stage that the instruction at a line copies from; nothing if it copies from none."""
    if dockerfile is None:
        return range(0)
    commands = (command for stage in dockerfile.stages for command in stage.commands)
    failing = next((command for command in commands if command.instruction.line == line), None)
    name = failing.flag("from") if failing is not None else None
    stage = find_stage(dockerfile, name, before=failing.instruction.stage) if failing is not None and name else None
    if stage is None:
        return range(0)
    return range(stage.commands[0].instruction.line, stage.commands[-1].instruction.end_line + 1)


def _where(
    failing: Step | None, outcome: Outcome, message: str, dockerfile: Dockerfile | None, settings: BuildSettings
) -> tuple[str, int | None]:
    """What failed, and its line."""
    if failing is not None:
        return failing.instruction, failing.line
    parse_error = _PARSE_ERROR_LINE.search(message)
    if parse_error:
        return "reading the Dockerfile", int(parse_error[1])
    name = outcome.failed or ""
    metadata, frontend = _METADATA.match(name), _FRONTEND.match(name)
    if metadata:
        return f"FROM {metadata[1]}", _from_line(metadata[1], dockerfile, settings)
    if name.startswith(("http://", "https://")):
        return _download(name, dockerfile)
    if frontend:
        return _syntax(frontend[1], dockerfile)
    return name or "starting the build", None


def _syntax(image: str, dockerfile: Dockerfile | None) -> tuple[str, int | None]:
    """The directive as it is written, where it is; the engine gives the image in its long form. Directives are the
    first lines of the file, one each."""
    for at, (name, value) in enumerate(dockerfile.directives if dockerfile else (), start=1):
        if name == "syntax":
            return f"# syntax={value}", at
    return f"# syntax={image}", None


def _download(url: str, dockerfile: Dockerfile | None) -> tuple[str, int | None]:
    """The ADD of a URL: older BuildKits show only the URL."""
    for stage in dockerfile.stages if dockerfile else ():
        for command in stage.commands:
            if command.keyword == "ADD" and url in command.words:
                return command.instruction.text, command.instruction.line
    return f"ADD {url}", None


def _from_line(image: str, dockerfile: Dockerfile | None, settings: BuildSettings) -> int | None:
    """The line of the FROM that names an image, which the engine gives in its long form."""
    for stage in dockerfile.stages if dockerfile else ():
        try:
            base = base_image(dockerfile, stage, settings.build_args) if dockerfile else ""
        except InputError:
            continue
        if _long_name(base) == _long_name(image):
            return stage.commands[0].instruction.line
    return None


def _long_name(image: str) -> str:
    """`node:24` -> `docker.io/library/node:24`, `a/b` -> `docker.io/a/b:latest`."""
    first, slash, _ = image.partition("/")
    if not slash:
        image = f"docker.io/library/{image}"
    elif not ("." in first or ":" in first or first == "localhost"):
        image = f"docker.io/{image}"
    last = image.rpartition("/")[2]
    return image if ":" in last or "@" in last else f"{image}:latest"


def _visible(line: str) -> str:
    """A line as it stood at the end: without colours, after carriage returns, of bounded length."""
    text = _ANSI.sub("", line).rstrip("\r\n ")
    text = text.rsplit("\r", 1)[-1]
    return text if len(text) <= _MAX_LINE else f"{text[: _MAX_LINE - 1]}…"

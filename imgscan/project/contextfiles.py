"""What reaches the build and should not (`context-…`): secret files, history, ballast, gaps of the ignore file.

In: context and Dockerfile. Out: findings of SEC-001 that need no engine. Files are judged by name, and by a word of
their content where the name alone says too little; no content is ever shown.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from imgscan.detect.secretnames import SecretName, context_tables, secret_name
from imgscan.detect.stages.records import Simulation, Transfer
from imgscan.detect.stages.stagesim import final_stages, simulate
from imgscan.detect.stages.walk import relative
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Confidence, Evidence, Finding, Fix, Location, Place, Severity, SourceLine
from imgscan.project.contextread import ContextReader
from imgscan.project.ignorefile import detect_ignore_file
from imgscan.project.ignorepatch import ignore_file_of, ignore_patch
from imgscan.project.leakyinstructions import detect_deletions, detect_secret_names
from imgscan.project.writtensecrets import detect_written_secrets
from imgscan.rulebook import make_finding
from imgscan.units import human_bytes

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext
    from imgscan.dockerfile.parse import Dockerfile

_MAX_FINDINGS: Final = 200
_SNIFF_BYTES: Final = 1 << 20
_SAFE_PATTERN: Final = lazy_re(r"(?:\*\*/)?[\w.@+-]+", re.ASCII)
_HISTORY: Final = frozenset({".git", ".hg", ".svn"})


@frozen
class SecretFile:
    """A file that reaches the engine and holds credentials by its name; `confirmed`: a word of its content says so;
    `taken_by`: the COPY that puts it into a stage, `final`: into one that is shipped."""

    path: str
    name: SecretName
    confirmed: bool
    taken_by: Transfer | None
    final: bool


def detect(
    context: BuildContext,
    dockerfile: Dockerfile,
    target: str | None = None,
    build_args: Mapping[str, str] | None = None,
) -> Iterator[Finding]:
    """The findings. Raises InputError for a target that does not exist."""
    simulation = simulate(dockerfile, context, target=target, build_args=build_args or {})
    secrets = find_secret_files(context, simulation)
    yield from (_secret_file(secret, context) for secret in secrets[:_MAX_FINDINGS])
    yield from detect_ignore_file(context, simulation, [secret.path for secret in secrets])
    yield from _history(simulation, context)
    yield from detect_deletions(simulation, [secret.path for secret in secrets])
    yield from detect_secret_names(simulation, build_args or {})
    yield from detect_written_secrets(simulation)
    yield from _large(simulation)


def find_secret_files(context: BuildContext, simulation: Simulation) -> list[SecretFile]:
    """The secret files of the context, those that are shipped first."""
    reader = ContextReader(context)
    shipped = final_stages(simulation)
    copies = _context_copies(simulation)
    found: list[SecretFile] = []
    for path in simulation.index.paths:
        name = secret_name(path)
        if name is None:
            continue
        confirmed = _confirmed(reader, path, name)
        if confirmed is False:
            continue
        takers = [copy for copy in copies if _takes(copy, path)]
        final = [copy for copy in takers if copy.command.instruction.stage in shipped]
        found.append(
            SecretFile(
                path=path,
                name=name,
                confirmed=confirmed is True,
                taken_by=next(iter(final or takers), None),
                final=bool(final),
            )
        )
    return sorted(found, key=lambda s: (not s.final, s.taken_by is None, s.path))


def _confirmed(reader: ContextReader, path: str, name: SecretName) -> bool | None:
    """Whether the content bears the name out; None where the name suffices or the file cannot be read."""
    text = reader.text(path, _SNIFF_BYTES)
    if text is None:
        return None
    if not text.strip():
        return False
    if not name.content:
        return None
    return any(word in text for word in name.content)


def _context_copies(simulation: Simulation) -> list[Transfer]:
    copies = [
        transfer
        for view in simulation.stages
        if view.stage.index in simulation.needed
        for transfer in view.transfers
        if transfer.from_stage is None and not transfer.opaque
    ]
    unique = {(t.command.start, t.source): t for t in copies}
    return list(unique.values())[:2_000]


def _takes(copy: Transfer, path: str) -> bool:
    if not copy.is_directory:
        return copy.source == path
    return not copy.source or relative(path, copy.source) is not None


def _secret_file(secret: SecretFile, context: BuildContext) -> Finding:
    line = secret.taken_by.command.instruction if secret.taken_by else None
    if line is None:
        fate = "no instruction copies it, but it is sent to the builder, one `COPY . .` away from a layer"
    elif secret.final:
        fate = f"line {line.line} copies it into the image"
    else:
        fate = f"line {line.line} copies it into a build stage, which stays in the build cache"
    return make_finding(
        "context-secret-file",
        message=f"{secret.path} ({secret.name.what}) reaches the build context: {fate}.",
        location=Location(
            place=Place.CONTEXT,
            path=secret.path,
            dockerfile=SourceLine(file=line.file, line=line.line) if line else None,
        ),
        evidence=Evidence.DERIVED if secret.confirmed or line else Evidence.PATTERN,
        identity=(secret.path,),
        severity=_severity(secret),
        confidence=_confidence(secret),
        fix=Fix(
            text=f"Add `{_ignore_line(secret.path)}` at the end of {ignore_file_of(context)}. {_ADVICE}",
            patch=_keeping_out(context, _ignore_line(secret.path)),
        ),
    )


_ADVICE: Final = (
    "A build step that needs it gets it with `RUN --mount=type=secret`, the running container from its environment. "
    "Replace the secret if an image with it was pushed."
)


def _severity(secret: SecretFile) -> Severity | None:
    """High for what is shipped, medium for what stops before that, low for what is likely made up."""
    if secret.name.in_tests or not secret.name.sure:
        return Severity.LOW
    return None if secret.final else Severity.MEDIUM


def _confidence(secret: SecretFile) -> Confidence | None:
    if secret.name.in_tests or not secret.name.sure:
        return Confidence.LOW
    return Confidence.HIGH if secret.confirmed else None


def _keeping_out(context: BuildContext, pattern: str) -> str | None:
    # A name that is a pattern itself, or not text, would need escapes that not every builder takes alike.
    return ignore_patch(context, [pattern]) if _SAFE_PATTERN.fullmatch(pattern) else None


def _ignore_line(path: str) -> str:
    return f"**/{posixpath.basename(path)}" if "/" in path else path


def _history(simulation: Simulation, context: BuildContext) -> Iterator[Finding]:
    index = simulation.index
    shipped = final_stages(simulation)
    copies = _context_copies(simulation)
    folders = sorted(f for f in index.folders if posixpath.basename(f) in _HISTORY and len(index.span(f)))
    for folder in folders[:20]:
        span = index.span(folder)
        takers = [copy for copy in copies if _takes(copy, folder) and copy.is_directory]
        line = takers[0].command.instruction if takers else None
        final = any(copy.command.instruction.stage in shipped for copy in takers)
        fate = "no instruction copies it" if line is None else f"line {line.line} copies it"
        if final:
            fate += " into the image"
        yield make_finding(
            "context-git-directory",
            message=f"{folder} ({human_bytes(index.size_bytes(span))}) reaches the build context; {fate}.",
            location=Location(
                place=Place.CONTEXT,
                path=folder,
                dockerfile=SourceLine(file=line.file, line=line.line) if line else None,
            ),
            evidence=Evidence.DERIVED,
            identity=(folder,),
            severity=Severity.HIGH if final else None if line else Severity.LOW,
            fix=Fix(
                text=f"Add `**/{posixpath.basename(folder)}` at the end of {ignore_file_of(context)}.",
                patch=_keeping_out(context, f"**/{posixpath.basename(folder)}"),
            ),
        )


def _large(simulation: Simulation) -> Iterator[Finding]:
    index = simulation.index
    limits: Mapping[str, int] = context_tables()["thresholds"]
    total = index.offsets[-1]
    if total < limits["large_context_bytes"]:
        return
    named = _largest(simulation, limits["large_context_paths"])
    listed = ", ".join(f"{path} ({human_bytes(size)})" for path, size in named)
    yield make_finding(
        "context-large",
        message=f"the build context has {human_bytes(total)} in {len(index.paths)} files, most of it in {listed}.",
        location=Location(place=Place.CONTEXT, path=named[0][0]),
        places=tuple(Location(place=Place.CONTEXT, path=path) for path, _ in named),
        evidence=Evidence.DERIVED,
        identity=("context",),
    )


def _largest(simulation: Simulation, count: int) -> Sequence[tuple[str, int]]:
    """The largest paths, none inside another: a folder stands for what is in it unless one entry is all of it."""
    index = simulation.index
    sizes: dict[str, int] = {}
    for at, path in enumerate(index.paths):
        size = index.offsets[at + 1] - index.offsets[at]
        parts = path.split("/")
        for depth in range(1, min(len(parts), 3) + 1):
            prefix = "/".join(parts[:depth])
            sizes[prefix] = sizes.get(prefix, 0) + size
    chosen: dict[str, int] = {}
    for path, size in sorted(sizes.items(), key=lambda item: (-item[1], -item[0].count("/"), item[0])):
        inside = any(relative(path, other) is not None or relative(other, path) is not None for other in chosen)
        if not inside:
            chosen[path] = size
        if len(chosen) == count:
            break
    return list(chosen.items())

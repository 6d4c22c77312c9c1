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
from imgscan.project.githistory import history_use
from imgscan.project.ignorefile import detect_ignore_file
from imgscan.project.ignorepatch import ignore_file_of, ignore_patch
from imgscan.project.leakyinstructions import detect_deletions, detect_secret_names
from imgscan.project.missingsources import detect_missing
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
    `taken_by`: the COPY that puts it into a stage, `final`: into one that is shipped; `named_by`: the lines that name
    the file itself, which an ignored one would break."""

    path: str
    name: SecretName
    confirmed: bool
    taken_by: Transfer | None
    final: bool
    named_by: tuple[int, ...] = ()


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
    yield from detect_missing(simulation, context)
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
                named_by=tuple(copy.command.instruction.line for copy in takers if not copy.is_directory),
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
        fate = "no instruction copies it, but nothing keeps it out: it is one `COPY . .` away from a layer"
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
        fix=_kept_out(secret, context),
    )


def _kept_out(secret: SecretFile, context: BuildContext) -> Fix:
    """How to keep a secret out. No line of the ignore file alone does it for a file that a COPY names: the build would
    fail for want of it."""
    pattern = _ignore_line(secret.path)
    by_name = dict.fromkeys(secret.named_by)
    if not by_name:
        return Fix(text=f"{_ignore_advice(context, pattern)} {_ADVICE}", patch=_keeping_out(context, pattern))
    copies = " and ".join(f"line {line}" for line in by_name)
    names = "names" if len(by_name) == 1 else "name"
    return Fix(
        text=f"Take {secret.path} out of {copies}, which {names} it, together with the steps that need the copy; then "
        f"{_lower(_ignore_advice(context, pattern))} {_ADVICE}"
    )


def _ignore_advice(context: BuildContext, pattern: str) -> str:
    """The sentence for a line of the ignore file, whether there is one or not."""
    file = ignore_file_of(context)
    return f"Create {file} with `{pattern}`." if context.rules is None else f"Add `{pattern}` at the end of {file}."


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
    use = history_use(simulation, ContextReader(context)) if folders else None
    for folder in folders[:20]:
        takers = [copy for copy in copies if _takes(copy, folder) and copy.is_directory]
        line = takers[0].command.instruction if takers else None
        final = any(copy.command.instruction.stage in shipped for copy in takers)
        needed = use if takers and not final and posixpath.basename(folder) == ".git" else None
        size = human_bytes(index.size_bytes(index.span(folder)))
        yield make_finding(
            "context-git-directory",
            message=f"{folder} ({size}) reaches the build context; {_fate(takers, needed, final=final)}.",
            location=Location(
                place=Place.CONTEXT,
                path=folder,
                dockerfile=SourceLine(file=line.file, line=line.line) if line else None,
            ),
            evidence=Evidence.DERIVED,
            identity=(folder,),
            severity=Severity.HIGH if final else None if line and not needed else Severity.LOW,
            fix=_without_history(context, folder, needed or use),
        )


def _fate(takers: Sequence[Transfer], needed: str | None, *, final: bool) -> str:
    if not takers:
        return "no instruction copies it"
    where = " into the image" if final else ""
    more = f"; {needed}" if needed else ""
    return f"line {takers[0].command.instruction.line} copies it{where}, so every commit re-runs what is below{more}"


def _without_history(context: BuildContext, folder: str, use: str | None) -> Fix:
    """How to keep it out; what reads it has to be given the version first, and no patch knows how."""
    pattern = f"**/{posixpath.basename(folder)}"
    advice = _ignore_advice(context, pattern)
    if use is None or posixpath.basename(folder) != ".git":
        return Fix(text=advice, patch=_keeping_out(context, pattern))
    how = " (go: -buildvcs=false)" if "buildvcs" in use else ""
    return Fix(text=f"The build reads it: {use}. Give it the version as a build argument{how}; then {_lower(advice)}")


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


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

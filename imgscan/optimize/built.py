"""The context and Dockerfile as a plan leaves them -> what the engine is sent, without writing to the user's tree."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from imgscan.detect.cache.calls import calls_of
from imgscan.detect.stages.records import RunStep, Simulation
from imgscan.detect.stages.stagesim import simulate
from imgscan.dockerfile.context import RESERVED_DOCKERFILE, BuildContext, ContextFile
from imgscan.dockerfile.ignore import is_ignored, parse_ignore
from imgscan.dockerfile.parse import parse
from imgscan.dockerfile.substitute import substitute_bases
from imgscan.dockerfile.tree import Dockerfile
from imgscan.frozen import frozen
from imgscan.layers.listing import content_digest
from imgscan.model import EntryKind
from imgscan.optimize.compare import Excuses
from imgscan.optimize.flatten import Seen
from imgscan.optimize.records import Install, Plan
from imgscan.project.contextread import ContextReader

_MAX_BYTES: Final = 256 << 20


@frozen
class Version:
    """One version of the project. `dockerfile` is as built, base images substituted; `extra` are files of the context
    with other contents than on the disk."""

    context: BuildContext
    dockerfile: Dockerfile
    extra: Mapping[str, bytes]
    simulation: Simulation

    def line_of(self, install: Install) -> int | None:
        """The line of the RUN that is meant; None if there is none."""
        for run in self.simulation.stages[install.stage].runs:
            for call in calls_of(run):
                if call.implicit or call.manager != install.manager or call.folder != install.folder:
                    continue
                if install.same is None or install.same == call.same:
                    return run.command.instruction.line
        return None

    def runs(self, stage: int) -> tuple[RunStep, ...]:
        """The RUN steps of a stage."""
        return self.simulation.stages[stage].runs


def original_version(plan: Plan, bases: Mapping[str, str]) -> Version:
    """The project as it is."""
    return _version(plan, plan.inputs.context, plan.inputs.dockerfile.text, {}, bases)


def patched_version(plan: Plan, bases: Mapping[str, str]) -> Version:
    """The project with the plan's changes."""
    inputs = plan.inputs
    context = inputs.context
    rules = parse_ignore("\n".join(plan.ignore_lines))
    files = tuple(file for file in context.files if not is_ignored(rules, file.path))
    name = context.dockerfile
    if not any(file.path == name for file in files):
        name = name if name.startswith(RESERVED_DOCKERFILE) else RESERVED_DOCKERFILE
    extra: dict[str, bytes] = {}
    if plan.ignore_text is not None and not is_ignored(parse_ignore(plan.ignore_text), inputs.ignore_file):
        extra[inputs.ignore_file] = plan.ignore_text.encode("utf-8", "surrogateescape")
    context = replace(context, files=files, dockerfile=name)
    return _version(plan, context, plan.dockerfile_text, extra, bases)


def _version(
    plan: Plan, context: BuildContext, text: str, extra: Mapping[str, bytes], bases: Mapping[str, str]
) -> Version:
    inputs = plan.inputs
    dockerfile = parse(text, inputs.dockerfile.file)
    if bases:
        dockerfile = parse(substitute_bases(dockerfile, bases, inputs.build_args), inputs.dockerfile.file)
    data = dockerfile.text.encode("utf-8", "surrogateescape")
    context = replace(context, dockerfile_text=data)
    simulation = simulate(dockerfile, context, target=inputs.target, build_args=inputs.build_args)
    return Version(context=context, dockerfile=dockerfile, extra=extra, simulation=simulation)


def excuses_of(plan: Plan, before: Version, after: Version) -> Excuses:
    """What of the image the plan changes on purpose."""
    kept = {file.path for file in after.context.files}
    missing = [file for file in before.context.files if file.path not in kept]
    gone: dict[str, list[ContextFile]] = {}
    for file in missing:
        gone.setdefault(posixpath.basename(file.path), []).append(file)
    folders = _folder_tails(missing)
    reader = ContextReader(before.context)
    rewritten = {content_digest(before.context.dockerfile_text): content_digest(after.context.dockerfile_text)}
    old_ignore = plan.inputs.ignore_text
    new_ignore = (plan.ignore_text or "").encode("utf-8", "surrogateescape")
    if old_ignore is not None:
        rewritten[content_digest(old_ignore.encode("utf-8", "surrogateescape"))] = content_digest(new_ignore)
    added = {after.context.dockerfile.encode(): content_digest(after.context.dockerfile_text)}
    if old_ignore is None:
        added[posixpath.basename(plan.inputs.ignore_file).encode()] = content_digest(new_ignore)

    def ignored(path: bytes, seen: Seen) -> bool:
        if seen.kind is EntryKind.DIRECTORY:
            parts = path.decode("utf-8", "surrogateescape").split("/")
            return any("/".join(parts[at:]) in folders for at in range(len(parts)))
        candidates = gone.get(posixpath.basename(path).decode("utf-8", "surrogateescape"), [])
        return any(_is_same(reader, before, file, seen) for file in candidates)

    drops = tuple(drop.strip("/").encode() for change in plan.changes for drop in change.drops)
    return Excuses(drops=drops, ignored=ignored, rewritten=rewritten, added=added)


def _folder_tails(missing: Sequence[ContextFile]) -> frozenset[str]:
    """The folders kept out, from the topmost one down: `web/.git/refs` is `.git/refs` wherever `web` is copied to."""
    found: dict[str, str] = {}
    for file in missing:  # a folder comes before what is in it
        if file.kind is EntryKind.DIRECTORY:
            above, name = posixpath.split(file.path)
            found[file.path] = f"{found[above]}/{name}" if above in found else name
    return frozenset(found.values())


def _is_same(reader: ContextReader, version: Version, file: ContextFile, seen: Seen) -> bool:
    """Whether a path of the image is that file of the context."""
    if file.kind is EntryKind.SYMLINK:
        return seen.kind is EntryKind.SYMLINK and seen.content == (file.link_target or "").encode(
            "utf-8", "surrogateescape"
        )
    if file.kind is not EntryKind.FILE or seen.kind is not EntryKind.FILE:
        return False
    if file.path == version.context.dockerfile:
        return seen.content == content_digest(version.context.dockerfile_text)
    text = reader.text(file.path, _MAX_BYTES)
    return text is not None and seen.content == content_digest(text.encode("utf-8", "surrogateescape"))

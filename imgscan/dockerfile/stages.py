"""Questions about a parsed Dockerfile: which image or stage a stage builds on, which stages a build needs, which
variables a stage knows.

As `frontend/dockerfile/dockerfile2llb` of moby/buildkit (convert.go) answers them. What a base image brings along in
its own environment is unknown here, as are its ONBUILD triggers.
"""

from __future__ import annotations

import platform
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from imgscan.dockerfile.expand import expand
from imgscan.dockerfile.instructions import mount_options
from imgscan.dockerfile.tree import Command, Dockerfile, Stage
from imgscan.errors import InputError
from imgscan.lazyre import lazy_re

_INDEX: Final = lazy_re(r"[+-]?[0-9]{1,9}\Z")
_MAX_SCOPE_CHARS: Final = 8 << 20
"""More than any process can be given as its environment; it bounds what a hostile file costs."""
_ARCHITECTURES: Final = {
    "x86_64": ("amd64", ""),
    "amd64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "arm64": ("arm64", ""),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i386": ("386", ""),
    "i686": ("386", ""),
}


def base_image(dockerfile: Dockerfile, stage: Stage, build_args: Mapping[str, str]) -> str:
    """The word after FROM with its variables expanded: an image, or the name of an earlier stage.

    Raises InputError naming the line when it expands to nothing (a build argument without default that is not given) or
    cannot be expanded.
    """
    place = f"{dockerfile.file}:{stage.commands[0].instruction.line}"
    try:
        base = expand(stage.base, global_scope(dockerfile, build_args), escape=dockerfile.escape)
    except InputError as error:
        raise InputError(f"{place}: {error.what}") from error
    if not base:
        raise InputError(
            f"{place}: base name ({stage.base}) should not be blank",
            cause="a variable of this FROM has no value",
            next_step="give it one with --build-arg, or a default with ARG before the first FROM",
        )
    return base


def find_stage(dockerfile: Dockerfile, name_or_index: str, before: int | None = None) -> Stage | None:
    """The stage of that name (whatever its case; the last one if several) or index; None if there is none.

    `before` limits the search to the stages in front of the one with that index, as FROM does.
    """
    stages = dockerfile.stages[:before]
    if _INDEX.match(name_or_index):
        index = int(name_or_index)
        return stages[index] if 0 <= index < len(stages) else None
    name = name_or_index.lower()
    return next((stage for stage in reversed(stages) if stage.name == name), None)


def target_stage(dockerfile: Dockerfile, target: str | None) -> Stage:
    """The stage a build with that `--target` makes; the last one without. Raises InputError for an unknown one."""
    if not target:
        return dockerfile.stages[-1]
    found = find_stage(dockerfile, target)
    if found is None:
        known = ", ".join(stage.name for stage in dockerfile.stages if stage.name) or "none has a name"
        raise InputError(f'{dockerfile.file}: target stage "{target}" could not be found', cause=f"its stages: {known}")
    return found


def parent_stages(dockerfile: Dockerfile, build_args: Mapping[str, str]) -> tuple[Stage | None, ...]:
    """For every stage the earlier stage its FROM names, or None when it is an image (or cannot be told)."""
    scope = global_scope(dockerfile, build_args)
    named: dict[str, Stage] = {}
    parents: list[Stage | None] = []
    for stage in dockerfile.stages:
        base = expand_or_none(stage.base, scope, dockerfile.escape)
        parents.append(named.get(base.lower()) if base else None)
        if stage.name:
            named[stage.name] = stage
    return tuple(parents)


def needed_stages(dockerfile: Dockerfile, target: str | None, build_args: Mapping[str, str]) -> frozenset[int]:
    """The indices of the stages BuildKit builds for that target: those reached through FROM, `COPY --from` and
    `RUN --mount=from=`, triggers of ONBUILD included. Raises InputError for an unknown target."""
    parents = parent_stages(dockerfile, build_args)
    named = {stage.name: stage.index for stage in dockerfile.stages if stage.name}
    seen: set[int] = set()
    waiting = [target_stage(dockerfile, target).index]
    while waiting:
        index = waiting.pop()
        if index in seen:
            continue
        seen.add(index)
        parent = parents[index]
        if parent:
            waiting.append(parent.index)
        for source in copied_sources(_all_commands(dockerfile.stages[index], parent)):
            found = _lookup(source, named, len(parents))
            if found is not None:
                waiting.append(found)
    return frozenset(seen)


def _all_commands(stage: Stage, parent: Stage | None) -> Iterator[Command]:
    """The commands of a stage as they are carried out: the triggers its parent stage left come first."""
    if parent:
        yield from (command.trigger for command in parent.commands if command.trigger)
    yield from stage.commands


def copied_sources(commands: Iterable[Command]) -> Iterator[tuple[str, bool]]:
    """What the commands copy or mount from, and whether a number means a stage there."""
    for command in commands:
        if command.keyword == "COPY":
            source = command.flag("from")
            if source:
                yield source, True
        elif command.keyword == "RUN":
            yield from ((source, False) for source in _mount_sources(command))


def _mount_sources(command: Command) -> Iterator[str]:
    for name, value in command.flags:
        if name != "mount" or not value:
            continue
        try:
            options = mount_options(value)
        except ValueError:
            continue  # inside an ONBUILD nothing has been checked yet
        yield from (option for key, option in options if key == "from" and option)


def _lookup(source: tuple[str, bool], named: Mapping[str, int], count: int) -> int | None:
    name, may_be_index = source
    if may_be_index and _INDEX.match(name):
        return int(name) if 0 <= int(name) < count else None
    return named.get(name.lower())


def global_scope(dockerfile: Dockerfile, build_args: Mapping[str, str]) -> dict[str, str]:
    """The variables a FROM can use: the platform arguments and the ARGs before the first FROM."""
    scope = Variables({name: build_args.get(name, value) for name, value in _platform_args(dockerfile).items()})
    for command in dockerfile.global_args:
        for word in command.raw_words:
            _declare(word, scope, build_args, scope.variables, dockerfile.escape)
    return scope.variables


def stage_scope(dockerfile: Dockerfile, stage: Stage, build_args: Mapping[str, str]) -> Mapping[str, str]:
    """The variables that can be expanded at the end of the stage, with their values.

    ENV and ARG of the stage and of the stages it builds on (BuildKit hands both down), the latest one winning; a global
    or platform ARG only once it is declared in a stage; an ARG without value is not there. What cannot be expanded
    (`${X:?}` without X) counts as unset.
    """
    return deque(walk_scopes(dockerfile, stage, build_args), maxlen=1)[0][1]


def walk_scopes(
    dockerfile: Dockerfile, stage: Stage, build_args: Mapping[str, str]
) -> Iterator[tuple[Command | None, Mapping[str, str]]]:
    """Each command of the stage with the variables it can expand, and at the end None with those the stage ends with.

    The mapping is one and the same, brought up to date between the steps: copy what is to be kept.
    """
    parents = parent_stages(dockerfile, build_args)
    chain = [stage]
    while parent := parents[chain[-1].index]:
        chain.append(parent)
    global_args = global_scope(dockerfile, build_args)
    scope = Variables()
    for link in reversed(chain):
        for command in _all_commands(link, parents[link.index]):
            if command.instruction.stage == stage.index:
                yield command, scope.variables
            apply_variables(command, scope, build_args, global_args, dockerfile.escape)
    yield None, scope.variables


class Variables:
    """Variables that are set one after the other, up to a bound; what would exceed it stays unset."""

    __slots__ = ("_size", "variables")

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self.variables = dict(variables or {})
        self._size = sum(map(len, self.variables.values()))

    def set(self, name: str, value: str | None) -> None:
        """Set a variable, as the last one; None takes it away."""
        self._size -= len(self.variables.pop(name, ""))
        if value is not None and self._size + len(name) + len(value) <= _MAX_SCOPE_CHARS:
            self._size += len(value)
            self.variables[name] = value

    def put(self, name: str, value: str) -> None:
        """Set a variable at the place where it is, a new one as the last."""
        size = self._size - len(self.variables.get(name, "")) + len(value)
        if size + len(name) <= _MAX_SCOPE_CHARS:
            self._size = size
            self.variables[name] = value


def apply_variables(
    command: Command,
    scope: Variables,
    build_args: Mapping[str, str],
    global_args: Mapping[str, str],
    escape: str,
) -> None:
    """Bring the variables up to date with an ARG or ENV."""
    if command.keyword == "ARG":
        for word in command.raw_words:
            _declare(word, scope, build_args, global_args, escape)
    elif command.keyword == "ENV":
        # All values of one instruction see the variables as they were before it.
        pairs = [
            [expand_or_none(part, scope.variables, escape) for part in word.split("=", 1)] for word in command.raw_words
        ]
        for name, value in pairs:
            if name:
                scope.set(name, value)


def _declare(
    word: str,
    scope: Variables,
    build_args: Mapping[str, str],
    global_args: Mapping[str, str],
    escape: str,
) -> None:
    value = argument_value(word, scope.variables, build_args, global_args, escape)
    if value is not None:
        scope.set(word.partition("=")[0], value)


def argument_value(
    word: str,
    scope: Mapping[str, str],
    build_args: Mapping[str, str],
    global_args: Mapping[str, str],
    escape: str,
) -> str | None:
    """The value that one word of an ARG gives its variable; None if it gives none. A build argument wins over the
    default, and without either the global ARG counts."""
    name, equals, default = word.partition("=")
    if name in build_args:
        return build_args[name]
    return expand_or_none(default, scope, escape) if equals else global_args.get(name)


def expand_or_none(word: str, scope: Mapping[str, str], escape: str) -> str | None:
    """The word with its variables replaced; None where BuildKit refuses it."""
    try:
        return expand(word, scope, escape=escape)
    except InputError:
        return None


def _platform_args(dockerfile: Dockerfile) -> dict[str, str]:
    """The arguments BuildKit predefines for a build on and for this machine's processor, which runs Linux."""
    machine = platform.machine().lower()
    architecture, variant = _ARCHITECTURES.get(machine, (machine, ""))
    full = "/".join(part for part in ("linux", architecture, variant) if part)
    found = {"TARGETSTAGE": dockerfile.stages[-1].name or ""}
    for side in ("BUILD", "TARGET"):
        found |= {
            f"{side}PLATFORM": full,
            f"{side}OS": "linux",
            f"{side}ARCH": architecture,
            f"{side}VARIANT": variant,
        }
    return found

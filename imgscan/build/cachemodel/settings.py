"""What instructions leave to those after them besides files: variables, working directory, user, shell.

BuildKit (`dispatchArg`, `dispatchEnv` of frontend/dockerfile/dockerfile2llb/convert.go) puts ARG and ENV into one
environment, in the order they were set last, and hands it to stages built FROM this one, which set what ENV and the
base image set anew, in the order it has in the image. The classic builder and buildah keep ARG apart and forget it at
the next FROM.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from imgscan.build.cachemodel.records import BaseImage, Inputs
from imgscan.detect.stages.walk import hangs_on_unset
from imgscan.dockerfile.parse import Command, Stage, base_image, parse
from imgscan.dockerfile.stages import (
    Variables,
    apply_variables,
    argument_value,
    expand_or_none,
    global_scope,
    parent_stages,
)
from imgscan.errors import InputError
from imgscan.model import Instruction

DEFAULT_SHELL: Final = ("/bin/sh", "-c")
DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(slots=True, kw_only=True)
class Settings:
    """The state in one stage. `scope` is all that can be expanded; `env` only what ENV and the base image set; `args`
    the ARGs of this stage. `open`: variables of a base image that nobody has looked at may be missing; `adrift`: `cwd`
    is relative to the working directory of such an image."""

    scope: Variables
    env: Variables
    args: dict[str, str] = field(default_factory=dict)
    cwd: str = "/"
    user: str = ""
    shell: tuple[str, ...] = ()
    open: bool = False
    adrift: bool = False

    def copy(self, *, keep_args: bool) -> Settings:
        """What a stage that is FROM this one begins with."""
        scope = self.scope if keep_args else self.env
        return Settings(
            scope=Variables(scope.variables),
            env=Variables(self.env.variables),
            args=dict(self.args) if keep_args else {},
            cwd=self.cwd,
            user=self.user,
            shell=self.shell,
            open=self.open,
            adrift=self.adrift,
        )


def begin_settings(base: BaseImage, *, known: bool = True) -> Settings:
    """What a stage FROM an external image begins with; `known`: the image has been looked at."""
    return Settings(
        scope=Variables(dict(base.env)),
        env=Variables(dict(base.env)),
        cwd=base.workdir or "/",
        user=base.user,
        shell=base.shell,
        open=not known,
        adrift=not known,
    )


def set_anew(settings: Settings) -> None:
    """What BuildKit does at the beginning of every stage: PATH is there, and the image's variables are the last ones
    set (`toDispatchState` of frontend/dockerfile/dockerfile2llb/convert.go)."""
    if "PATH" not in settings.env.variables:
        settings.env.put("PATH", DEFAULT_PATH)
    for name, value in settings.env.variables.items():
        settings.scope.set(name, value)


class Surroundings:
    """The build-wide values that instructions are read with."""

    def __init__(self, inputs: Inputs) -> None:
        self.build_args = inputs.build_args
        self.global_args = global_scope(inputs.dockerfile, inputs.build_args)
        self.escape = inputs.dockerfile.escape

    def expand(self, word: str, settings: Settings) -> str:
        """The word with its variables; as it stands where BuildKit would refuse it."""
        found = expand_or_none(word, settings.scope.variables, self.escape)
        return word if found is None else found

    def is_open(self, word: str, settings: Settings) -> bool:
        """Whether a word hangs on a variable that the base image may set."""
        return settings.open and hangs_on_unset(word, settings.scope.variables)

    def apply(self, command: Command, settings: Settings) -> None:
        """Bring the settings up to date with an instruction that changes them."""
        match command.keyword:
            case "ARG":
                self._declare(command, settings)
            case "ENV":
                before = dict(settings.scope.variables)
                apply_variables(command, settings.scope, self.build_args, self.global_args, self.escape)
                for word in command.raw_words:
                    name = expand_or_none(word.partition("=")[0], before, self.escape) or ""
                    value = settings.scope.variables.get(name)
                    if value is None:
                        settings.env.set(name, None)
                    else:
                        settings.env.put(name, value)
            case "WORKDIR":
                word = self.expand(command.value, settings)
                if self.is_open(command.value, settings):
                    settings.adrift = True
                elif word.startswith("/"):
                    settings.adrift = False
                settings.cwd = absolute(word, settings.cwd)
            case "USER":
                settings.user = self.expand(command.value, settings)
            case "SHELL":
                settings.shell = command.words
            case _:
                pass

    def _declare(self, command: Command, settings: Settings) -> None:
        for word in command.raw_words:
            known = settings.scope.variables
            value = argument_value(word, known, self.build_args, self.global_args, self.escape)
            if value is not None:
                name = word.partition("=")[0]
                settings.args[name] = value
                settings.scope.set(name, value)


def absolute(path: str, cwd: str) -> str:
    """A path of an instruction made absolute and clean."""
    return posixpath.normpath("/" + posixpath.join(cwd, path).lstrip("/"))


def find_parents(inputs: Inputs) -> tuple[Stage | None, ...]:
    """The stage each stage is FROM."""
    return parent_stages(inputs.dockerfile, inputs.build_args)


def is_known(inputs: Inputs, name: str) -> bool:
    """Whether the configuration of an external image has been looked at; `scratch` has none."""
    return name == "scratch" or name in inputs.bases


def find_base(inputs: Inputs, stage: Stage) -> tuple[str, BaseImage]:
    """The name of the external image of a stage and what is known of it; `scratch` has no layers."""
    try:
        name = base_image(inputs.dockerfile, stage, inputs.build_args)
    except InputError:
        name = stage.base
    return name, inputs.bases.get(name) or BaseImage(layers=name, config=name)


def stage_commands(inputs: Inputs, stage: Stage, parent: Stage | None, base: BaseImage) -> Iterator[Command]:
    """The instructions behind FROM as they are carried out: triggers of what the stage is FROM come first, at the place
    of its FROM when they are those of an external image."""
    if parent is not None:
        yield from (command.trigger for command in parent.commands if command.trigger)
    else:
        yield from base_triggers(base, stage.commands[0].instruction)
    yield from stage.commands[1:]


def base_triggers(base: BaseImage, place: Instruction) -> Iterator[Command]:
    """The ONBUILD triggers of an external image; what is no instruction is left out."""
    for text in base.triggers:
        try:
            found = parse(f"FROM scratch\nONBUILD {text}\n").stages[0].commands[-1].trigger
        except InputError:
            continue
        if found is not None:
            instruction = replace(place, keyword=found.keyword, text=text)
            yield replace(found, instruction=instruction)

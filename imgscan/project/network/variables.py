"""The environment that a service's process gets, as far as the project's files say it. Pure.

In: a service and the `Setup`. Out: `Setting`s by name, the strongest source last as compose has it
(docs.docker.com/compose/how-tos/environment-variables/envvars-precedence): the image's ENV, env files, environment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imgscan.detect.places import dockerfile_line
from imgscan.frozen import frozen
from imgscan.model import SourceLine
from imgscan.project.compose.records import Mark, Service
from imgscan.project.serviceimages import service_image
from imgscan.project.setup import Setup
from imgscan.project.sources.scope import reads_of


@frozen
class Setting:
    """A variable with its value and where that stands; `source` as in `graph.Edge`."""

    name: str
    value: str
    at: SourceLine
    source: str
    mark: Mark | None = None


def settings_of(service: Service, setup: Setup) -> dict[str, Setting]:
    """The variables whose values the project's files give; those that stay unknown are not among them."""
    found = {setting.name: setting for setting in _of_image(service, setup)}
    by_path = {env.path: env for env in setup.envs}
    for file in service.env_files:
        env = by_path.get(file.path) if file.path is not None else None
        for entry in env.entries if env else ():
            at = SourceLine(file=entry.file, line=entry.line)
            found[entry.name] = Setting(name=entry.name, value=entry.value, at=at, source="env_file")
    for name, var in service.environment.items():
        found.pop(name, None)
        if var.value is not None and not var.value.unset:
            mark = var.value.at
            at = SourceLine(file=mark.file, line=mark.line)
            found[name] = Setting(name=name, value=var.value.value, at=at, source="environment", mark=mark)
    return found


def is_complete(service: Service, setup: Setup) -> bool:
    """Whether nothing outside of the project's files can set a variable: no env file that is not there, no value that
    is handed through from outside, no command of a secrets manager."""
    paths = {env.path for env in setup.envs}
    return all(file.path in paths for file in service.env_files)


def is_set(service: Service, setup: Setup, name: str) -> bool:
    """Whether a variable gets a value from somewhere, known or not."""
    return name in service.environment or name in settings_of(service, setup) or not is_complete(service, setup)


def source_defaults(service: Service, setup: Setup, settings: Mapping[str, Setting]) -> Iterator[Setting]:
    """What the service's sources take for variables that nothing sets."""
    for read in reads_of(service, setup):
        if read.default and read.name not in settings and read.name not in service.environment:
            at = SourceLine(file=read.file, line=read.line)
            yield Setting(name=read.name, value=read.default, at=at, source="default")


def _of_image(service: Service, setup: Setup) -> Iterator[Setting]:
    image = service_image(service, setup)
    for command in reversed(list(image.commands("ENV"))):
        line = dockerfile_line(command).dockerfile
        for word in command.words:
            name = word.partition("=")[0]
            if name in image.env and line is not None:
                yield Setting(name=name, value=image.env[name], at=line, source="image")

"""What is known of the image that a service runs, from compose and the Dockerfile alone.

In: a service and the project's Dockerfiles. Out: `ServiceImage`. What cannot be known (a base image's own CMD, a
Dockerfile that BuildKit refuses) is None or empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Final

from imgscan.dockerfile.parse import Command, Dockerfile, Stage, base_image, parse, stage_scope, target_stage
from imgscan.dockerfile.stages import expand_or_none, parent_stages
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.project.compose.records import ComposeProject, Service
from imgscan.project.knownimages import KnownImage, known_image
from imgscan.project.setup import Setup

_MAX_CHAIN: Final = 50
_PORT: Final = lazy_re(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(\w+))?")


@frozen
class ServiceImage:
    """The image of a service. `base` is the external image it is or is FROM (None: not known); `dockerfile` the parsed
    file of a built one; `chain` its final stage and those it is FROM, the final one first. `env` are the variables that
    ENV sets at the end, `exposes` the TCP ports of EXPOSE."""

    base: str | None
    dockerfile: Dockerfile | None = None
    chain: tuple[Stage, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    exposes: frozenset[int] = frozenset()

    @property
    def known(self) -> KnownImage | None:
        """What is known of the public image that it is or builds on."""
        return known_image(self.base)

    @property
    def built(self) -> bool:
        """Whether its Dockerfile is there and could be read."""
        return self.dockerfile is not None

    def last(self, keyword: str) -> Command | None:
        """The last instruction of that name in the stages that the image is made of."""
        return next((c for stage in self.chain for c in reversed(stage.commands) if c.keyword == keyword), None)

    def commands(self, keyword: str) -> Iterator[Command]:
        """All instructions of that name in the stages that the image is made of, the last stage's first."""
        return (c for stage in self.chain for c in stage.commands if c.keyword == keyword)


def service_images(project: ComposeProject, setup: Setup) -> dict[str, ServiceImage]:
    """The images of all services of a project."""
    return {name: service_image(service, setup) for name, service in project.services.items()}


def service_image(service: Service, setup: Setup) -> ServiceImage:
    """The image of one service; a service that is built has the image its Dockerfile builds on."""
    if service.build is None:
        text = service.image
        return ServiceImage(base=text.value if text and text.value and not text.unset else None)
    path = service.build.dockerfile
    source = setup.dockerfiles.get(path) if path is not None else None
    if path is None or source is None:
        return ServiceImage(base=None)
    args = {name: var.value.value for name, var in service.build.args.items() if var.value and not var.value.unset}
    try:
        return _built(parse(source, path), service.build.target, args)
    except InputError:
        return ServiceImage(base=None)


def _built(dockerfile: Dockerfile, target: str | None, args: Mapping[str, str]) -> ServiceImage:
    parents = parent_stages(dockerfile, args)
    chain = [target_stage(dockerfile, target)]
    while (parent := parents[chain[-1].index]) is not None and len(chain) < _MAX_CHAIN:
        chain.append(parent)
    scope = stage_scope(dockerfile, chain[0], args)
    set_names = {
        word.partition("=")[0] for stage in chain for c in stage.commands if c.keyword == "ENV" for word in c.words
    }
    return ServiceImage(
        base=_base(dockerfile, chain[-1], args),
        dockerfile=dockerfile,
        chain=tuple(chain),
        env={name: value for name, value in scope.items() if name in set_names},
        exposes=frozenset(_exposed(chain, scope, dockerfile.escape)),
    )


def _base(dockerfile: Dockerfile, stage: Stage, args: Mapping[str, str]) -> str | None:
    try:
        return base_image(dockerfile, stage, args)
    except InputError:
        return None


def _exposed(chain: list[Stage], scope: Mapping[str, str], escape: str) -> Iterator[int]:
    for stage in chain:
        for command in stage.commands:
            if command.keyword == "EXPOSE":
                for word in command.words:
                    yield from _ports(expand_or_none(word, scope, escape) or "")


def _ports(word: str) -> Iterator[int]:
    found = _PORT.fullmatch(word)
    if found is None or (found[3] or "tcp").lower() != "tcp":
        return
    first, last = int(found[1]), int(found[2] or found[1])
    if last - first <= 1_000:
        yield from range(first, last + 1)

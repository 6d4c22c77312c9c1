"""A service with everything that the rules ask about it, worked out once. In: the `Setup`. Out: `Scene`s."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from imgscan.frozen import frozen
from imgscan.model import Location, Place
from imgscan.project.compose.records import ComposeProject, Mark, Service
from imgscan.project.health.checks import Check, check_of
from imgscan.project.knownimages import KnownImage
from imgscan.project.listening import Listening, listening_of
from imgscan.project.network.graph import MOST_SERVICES, Edge, edges
from imgscan.project.process import Process, processes_of
from imgscan.project.serviceimages import ServiceImage, service_images
from imgscan.project.setup import Setup


@frozen
class Scene:
    """One service of a project. `known` is what is known of the image if it is a public one as it stands."""

    setup: Setup
    project: ComposeProject
    service: Service
    image: ServiceImage
    check: Check | None
    listening: Listening
    processes: tuple[Process, ...]
    edges: tuple[Edge, ...]
    images: Mapping[str, ServiceImage]
    checks: Mapping[str, Check | None]

    @property
    def known(self) -> KnownImage | None:
        """The known public image that the service runs unchanged."""
        return self.image.known if self.service.build is None else None

    @property
    def name(self) -> str:
        """The service's name."""
        return self.service.name

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes the service itself: the project's first file and its name."""
        return (self.project.files[0] if self.project.files else "", self.service.name)

    @property
    def is_used(self) -> bool:
        """Whether somebody is to reach it: it publishes a port, or another service calls or waits for it."""
        others = self.project.services.values()
        called = any(edge.server == self.name for edge in self.edges)
        return bool(self.service.ports) or called or any(self.name in other.depends_on for other in others)

    @property
    def runs_once(self) -> bool:
        """Whether it is a task that ends: others wait for its end, or it is not to be started again."""
        waited = any(
            self.name in other.depends_on and other.depends_on[self.name].condition == "service_completed_successfully"
            for other in self.project.services.values()
        )
        restart = self.service.restart.value if self.service.restart else ""
        return waited or (restart in ("no", "on-failure") and not self.service.ports)


def scenes_of(setup: Setup) -> Iterator[Scene]:
    """A scene for each service, of 500 in a project."""
    for project in setup.composes:
        images = service_images(project, setup)
        found = edges(project, setup)
        checks = {name: check_of(service, images[name]) for name, service in project.services.items()}
        for name, service in islice(project.services.items(), MOST_SERVICES):
            yield Scene(
                setup=setup,
                project=project,
                service=service,
                image=images[name],
                check=checks[name],
                listening=listening_of(service, images[name], setup),
                processes=processes_of(service, images[name], setup),
                edges=found,
                images=images,
                checks=checks,
            )


def at(mark: Mark) -> Location:
    """The place of something in a compose file."""
    return Location(place=Place.COMPOSE, path=mark.file, line=mark.line)


def key_of(service: Service, *names: str) -> Mark:
    """The first of these keys that is written for a service; the service's own otherwise."""
    return next((service.keys[name] for name in names if name in service.keys), service.at)

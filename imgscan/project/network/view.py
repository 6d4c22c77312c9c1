"""A compose project as a graph: its scenes by name and its edges, with what several rules ask. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from imgscan.frozen import frozen
from imgscan.model import Location, Place
from imgscan.project.compose.records import ComposeProject
from imgscan.project.network.graph import Edge
from imgscan.project.scene import Scene
from imgscan.project.setup import Setup


@frozen
class View:
    """A project with its scenes by service, and the edges between them."""

    setup: Setup
    project: ComposeProject
    scenes: Mapping[str, Scene]
    edges: tuple[Edge, ...]

    def between(self) -> Iterator[tuple[Edge, Scene, Scene]]:
        """The edges that lead to a service, with client and server."""
        for edge in self.edges:
            if edge.server is not None and edge.server in self.scenes:
                yield edge, self.scenes[edge.client], self.scenes[edge.server]

    def outward(self) -> Iterator[tuple[Edge, Scene]]:
        """The edges that lead to no service of the project."""
        return ((edge, self.scenes[edge.client]) for edge in self.edges if edge.server is None)

    def identity(self, edge: Edge) -> tuple[str, ...]:
        """What makes an edge itself."""
        return (self.project.files[0] if self.project.files else "", edge.client, edge.host, str(edge.port), edge.name)


def view_of(setup: Setup, project: ComposeProject, scenes: Sequence[Scene]) -> View:
    """The view of one project."""
    found = scenes[0].edges if scenes else ()
    return View(setup=setup, project=project, scenes={scene.name: scene for scene in scenes}, edges=found)


def ports_of(scene: Scene) -> frozenset[int]:
    """Every port that something says a service listens on: sources, known images, EXPOSE, `expose`, the container's
    side of published ones."""
    published = frozenset(port.target for port in scene.service.ports)
    known = scene.image.known.ports if scene.image.known else frozenset()
    return scene.listening.ports | scene.image.exposes | frozenset(scene.service.expose) | published | known


def location_of(view: View, edge: Edge) -> Location:
    """Where an edge is written."""
    place = Place.COMPOSE if edge.at.file in view.project.files else Place.CONTEXT
    if edge.source == "image":
        place = Place.DOCKERFILE
    return Location(place=place, path=edge.at.file, line=edge.at.line)


def address(edge: Edge) -> str:
    """Host and port as text."""
    host = f"[{edge.host}]" if ":" in edge.host else edge.host
    return f"{host}:{edge.port}" if edge.port is not None else host

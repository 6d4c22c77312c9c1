"""What a compose project refers to and does not have, as compose's consistency check tells it. Pure.

Only services that no profile keeps from being started are checked, and nothing that hangs on an unset variable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from imgscan.project.compose.nodes import ListNode, MapNode, Node, Scalar, child, entries_of, is_null, items_of, scalar
from imgscan.project.compose.records import ComposeProject, Mark, Problem, Service

_SERVICE: Final = "service:"
_TESTS: Final = frozenset({"CMD", "CMD-SHELL", "NONE"})


def check_references(project: ComposeProject, root: Node) -> list[Problem]:
    """The problems of active services and of top-level declarations."""
    found: list[Problem] = []
    active = {name: service for name, service in project.services.items() if service.active}
    for name, service in active.items():
        node = child(root, "services", name)
        found += [_problem(message, at) for message, at in _of_service(project, service, active, node)]
    found += [_problem(message, at) for message, at in _declarations(root)]
    found += [_problem(message, at) for message, at in _cycles(active)]
    return found


def _problem(message: str, at: Mark) -> Problem:
    return Problem(kind="reference", message=message, at=at)


Told = tuple[str, Mark]


def _of_service(
    project: ComposeProject, service: Service, active: Mapping[str, Service], node: Node | None
) -> Iterator[Told]:
    name = service.name
    if service.image is None and service.build is None and child(node, "provider") is None:
        yield f'service "{name}" has neither an image nor a build context specified', service.at
    if service.network_mode is not None and child(node, "networks") is not None:
        yield f"service {name} declares mutually exclusive `network_mode` and `networks`", service.network_mode.at
    for attached in service.networks:
        if attached.network not in project.networks:
            yield f'service "{name}" refers to undefined network {attached.network}', attached.at
    for dependency in service.depends_on.values():
        if dependency.service in active:
            continue
        if dependency.required or dependency.service not in project.services:
            yield f'service "{name}" depends on undefined service "{dependency.service}"', dependency.at
    for key in ("links", "volumes_from"):
        for item in items_of(child(node, key)):
            other = item.value.partition(":")[0] if isinstance(item, Scalar) else ""
            if other and other != "container" and other not in active:
                yield f'service "{name}" depends on undefined service "{other}"', item.at
    yield from _shared_namespace(service, project)
    for mount in service.mounts:
        if mount.kind == "volume" and mount.source and mount.source not in project.volumes:
            yield f'service "{name}" refers to undefined volume {mount.source}', mount.at
    yield from _tested(service, node)
    yield from _granted(project, service)
    yield from _doubles(service)


def _shared_namespace(service: Service, project: ComposeProject) -> Iterator[Told]:
    mode = service.network_mode
    if mode is not None and mode.value.startswith(_SERVICE) and not mode.unset:
        other = mode.value.removeprefix(_SERVICE)
        if other not in project.services:
            yield f"service \"{other}\" not found for network_mode 'service:{other}'", mode.at


def _tested(service: Service, node: Node | None) -> Iterator[Told]:
    test = child(node, "healthcheck", "test")
    first = scalar(test.items[0]) if isinstance(test, ListNode) and test.items else None
    if first is not None and first.value not in _TESTS and not first.unset:
        yield 'healthcheck.test must start either by "CMD", "CMD-SHELL" or "NONE"', first.at


def _granted(project: ComposeProject, service: Service) -> Iterator[Told]:
    places = (
        ("secret", service.secrets, project.secrets, "secrets"),
        ("config", service.configs, project.configs, "configs"),
        ("build secret", service.build.secrets if service.build else (), project.secrets, "build.secrets"),
    )
    for what, granted, declared, key in places:
        for one in granted:
            if one not in declared:
                yield f'service "{service.name}" refers to undefined {what} {one}', service.keys.get(key, service.at)


def _doubles(service: Service) -> Iterator[Told]:
    seen: set[str] = set()
    for mount in service.mounts:
        if mount.target in seen:
            yield f"services.{service.name}: target {mount.target} already mounted", mount.at
        seen.add(mount.target)


def _declarations(root: Node) -> Iterator[Told]:
    for section, keys in (("secrets", ("file", "environment")), ("configs", ("file", "environment", "content"))):
        for name, entry in entries_of(child(root, section)).items():
            if is_null(entry.node) or not isinstance(entry.node, MapNode):
                continue
            given = [key for key in keys if child(entry.node, key) is not None]
            if len(given) > 1:
                yield f"{section}.{name}: {'|'.join(keys)} attributes are mutually exclusive", entry.at
            elif not given and not {"external", "driver"} & set(entry.node.entries):
                yield f"{section}.{name}: one of {'|'.join(keys)} must be set", entry.at
    for name, entry in entries_of(child(root, "volumes")).items():
        external = scalar(child(entry.node, "external"))
        if external is not None and external.value.lower() == "true":
            for key in entries_of(entry.node):
                if key not in ("name", "external") and not key.startswith("x-"):
                    message = f'volumes.{name}: conflicting parameters "external" and "{key}" specified'
                    yield message, entry.at


def _cycles(active: Mapping[str, Service]) -> Iterator[Told]:
    """The first cycle of dependencies, as a chain of names."""
    done: set[str] = set()
    for start in active:
        trail: list[str] = []
        on_trail: set[str] = set()
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                trail.pop()
                on_trail.discard(name)
                done.add(name)
                continue
            if name in on_trail:
                chain = [*trail[trail.index(name) :], name]
                yield f"dependency cycle detected: {' -> '.join(chain)}", active[chain[-2]].at
                return
            if name in done:
                continue
            trail.append(name)
            on_trail.add(name)
            stack.append((name, True))
            stack += [(other, False) for other in reversed(_needed(active[name])) if other in active]


def _needed(service: Service) -> list[str]:
    links = [link.partition(":")[0] for link in service.links]
    mode = service.network_mode.value if service.network_mode else ""
    shared = [mode.removeprefix(_SERVICE)] if mode.startswith(_SERVICE) else []
    return list(dict.fromkeys((*service.depends_on, *links, *shared)))

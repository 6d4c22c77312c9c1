"""Top-level volumes, networks, secrets and configs of a compose tree -> their records. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from imgscan.project.compose.nodes import MapNode, Node, Scalar, child, entries_of, pairs, scalar, text_of
from imgscan.project.compose.places import inside
from imgscan.project.compose.records import Attachment, Network, Secret, Service, Text, Volume
from imgscan.project.compose.values import boolean
from imgscan.project.tree import ProjectTree


def read_volumes(root: Node, project: str | None) -> dict[str, Volume]:
    """The volumes by name. `project` is the project's name, None if it is not known."""
    found: dict[str, Volume] = {}
    for name, entry in entries_of(child(root, "volumes")).items():
        named = _named(entry.node)
        external = _external(entry.node)
        found[name] = Volume(
            name=name,
            external=external,
            real_name=_real_name(name, named, external, project),
            named=named,
            driver=_text(entry.node, "driver"),
            driver_opts={key: _value(e.node) for key, e in pairs(child(entry.node, "driver_opts")).items()},
            at=entry.at,
        )
    return found


def read_networks(root: Node, services: Mapping[str, Service]) -> dict[str, Network]:
    """The networks by name, and `default` if a service is on it."""
    found: dict[str, Network] = {}
    for name, entry in entries_of(child(root, "networks")).items():
        found[name] = Network(
            name=name,
            external=_external(entry.node),
            internal=boolean(child(entry.node, "internal")) is True,
            named=_named(entry.node),
            driver=_text(entry.node, "driver"),
            at=entry.at,
        )
    if "default" not in found and any(on_default(service) for service in services.values()):
        found["default"] = Network(name="default", external=False, internal=False, named=None, driver=None, at=None)
    return found


def on_default(service: Service) -> bool:
    """Whether a service is on the network that nobody has to declare."""
    if service.network_mode is not None:
        return False
    return not service.networks or any(attached.network == "default" for attached in service.networks)


def with_default_network(service: Service) -> Service:
    """A service that names no network is on `default`."""
    if service.networks or service.network_mode is not None:
        return service
    return replace(service, networks=(Attachment(network="default", aliases=(), at=service.at),))


def read_secrets(root: Node, section: str, tree: ProjectTree) -> dict[str, Secret]:
    """The `secrets` or `configs` by name; a file that is not in the tree is given as written."""
    found: dict[str, Secret] = {}
    for name, entry in entries_of(child(root, section)).items():
        file = scalar(child(entry.node, "file"))
        path = inside(tree, file.base, file.value) if file and not file.unset else None
        found[name] = Secret(
            name=name,
            external=_external(entry.node),
            file=path or (file.value if file else None),
            environment=_text(entry.node, "environment"),
            at=entry.at,
        )
    return found


def _external(node: Node) -> bool:
    """`external: true`, and the older `external: {name: …}`."""
    external = child(node, "external")
    return isinstance(external, MapNode) or boolean(external) is True


def _named(node: Node) -> Text | None:
    return text_of(child(node, "name")) or text_of(child(node, "external", "name"))


def _real_name(name: str, named: Text | None, external: bool, project: str | None) -> str | None:
    if named is not None:
        return None if named.unset else named.value
    if external:
        return name
    return None if project is None else f"{project}_{name}"


def _text(node: Node, key: str) -> str | None:
    found = scalar(child(node, key))
    return found.value if found else None


def _value(node: Node) -> str:
    return node.value if isinstance(node, Scalar) else ""

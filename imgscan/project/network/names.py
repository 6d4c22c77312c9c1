"""Names on the networks of a compose project: who answers to which, and who can reach whom. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final

from imgscan.project.compose.records import ComposeProject, Service

DEFAULT_NETWORK: Final = "default"
LOOPBACK_NAMES: Final = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
HOST_GATEWAY_NAMES: Final = frozenset({"host.docker.internal", "gateway.docker.internal", "docker.for.mac.localhost"})


def is_loopback(host: str) -> bool:
    """Whether a name or address is that of the machine itself."""
    if host.lower() in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_any_address(host: str) -> bool:
    """Whether it is an address to listen on, not to call."""
    return host in ("", "*", "+", "::", "0.0.0.0", "0")  # noqa: S104 - nothing is bound here


def is_address(host: str) -> bool:
    """Whether it is an IP address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def mode_of(service: Service) -> str:
    """The network mode as written; empty for a service on networks."""
    return service.network_mode.value.strip() if service.network_mode else ""


def networks_of(project: ComposeProject, service: Service) -> frozenset[str]:
    """The networks that a service is on; those of another service where it shares its network stack."""
    seen: set[str] = set()
    while (mode := mode_of(service)).startswith("service:") and service.name not in seen:
        seen.add(service.name)
        other = project.services.get(mode.removeprefix("service:"))
        if other is None:
            return frozenset()
        service = other
    if mode_of(service) not in ("", "bridge"):
        return frozenset()
    return frozenset(each.network for each in service.networks) or frozenset({DEFAULT_NETWORK})


def names_of(service: Service) -> frozenset[str]:
    """The names that other services can find a service by (docs.docker.com/compose/how-tos/networking)."""
    names = {service.name}
    if service.container_name and not service.container_name.unset:
        names.add(service.container_name.value)
    names.update(alias for each in service.networks for alias in each.aliases)
    return frozenset(name.lower() for name in names if name)


def services_by_name(project: ComposeProject) -> Mapping[str, list[str]]:
    """The services that answer to each name."""
    found: dict[str, list[str]] = {}
    for service in project.services.values():
        for name in names_of(service):
            found.setdefault(name, []).append(service.name)
    return found


def find_server(
    project: ComposeProject, client: Service, host: str, by_name: Mapping[str, list[str]] | None = None
) -> str | None:
    """The service that a client means by a name; those it shares a network with come first. `by_name` is
    `services_by_name`, for whoever asks often."""
    wanted = host.lower()
    for link in client.links:
        target, _, alias = link.partition(":")
        if (alias or target).lower() == wanted and target in project.services:
            return target
    candidates = (services_by_name(project) if by_name is None else by_name).get(wanted, [])
    near = networks_of(project, client)
    reachable = [name for name in candidates if networks_of(project, project.services[name]) & near]
    return next(iter(reachable or candidates), None)


def resolves_elsewhere(project: ComposeProject, client: Service, host: str) -> bool:
    """Whether something other than a service of this project may answer to the name: an entry of extra_hosts, an
    external network, another project's container, this container's own host name."""
    if host in client.extra_hosts or host.lower() in HOST_GATEWAY_NAMES:
        return True
    if client.hostname and client.hostname.value == host:
        return True
    if "external_links" in client.keys or "dns" in client.keys or "dns_search" in client.keys:
        return True
    networks = networks_of(project, client)
    known: Mapping[str, object] = project.networks
    return any(name in known and project.networks[name].external for name in networks)

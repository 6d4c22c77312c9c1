"""A project of our own made of the user's: the same services, images, checks and networks under names that nobody else
has, with nothing of the machine mounted and no fixed port. Pure.

In: the document of `docker compose config --format json`. Out: a compose document, and what forbids to run it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import field
from typing import Any, Final

from imgscan.frozen import frozen

LABEL: Final = "imgscan.verify"
_HARMLESS_BINDS: Final = frozenset({"/etc/localtime", "/etc/timezone"})
_HOST_KEYS: Final = ("pid", "ipc", "network_mode", "userns_mode", "cgroup", "uts")
_FOREIGN: Final = frozenset({"host", "container"})
_DANGEROUS_CAPS: Final = frozenset(
    {"ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "SYS_BOOT", "DAC_READ_SEARCH", "BPF", "PERFMON"}
    | {"NET_ADMIN", "SYS_TIME", "SYSLOG", "MAC_ADMIN", "MAC_OVERRIDE"}
)
_DROPPED: Final = ("build", "container_name", "develop", "pull_policy", "scale", "profiles", "cgroup_parent", "runtime")


@frozen
class Scratch:
    """The document to run; `volumes` and `networks` are the engine's names for what it makes, by the project's names;
    `created` are volumes and networks that the project expects somebody else to have made."""

    name: str
    document: Mapping[str, Any]
    volumes: Mapping[str, str]
    networks: Mapping[str, str]
    external_volumes: tuple[str, ...] = ()
    external_networks: tuple[str, ...] = ()


@frozen
class Terms:
    """How to make it: the run's `name` and label, the image of each service, the folder of the copy (only binds from
    there stay), files of ours for secrets that have none, mounts of ours by service, and how often to run a service's
    health check."""

    name: str
    label: str
    images: Mapping[str, str]
    copy: str
    secret_files: Mapping[str, str] = field(default_factory=dict)
    extra_mounts: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def refusals(config: Mapping[str, Any], copy: str) -> Iterator[str]:
    """Why the project is not run, copy or not: what its containers would be able to do to this machine."""
    for name, service in services_of(config).items():
        for key in _HOST_KEYS:
            if str(service.get(key) or "").partition(":")[0] in _FOREIGN:
                yield f"{name} joins a namespace that is not its own ({key}: {service[key]})"
        if service.get("privileged"):
            yield f"{name} is privileged"
        for key in ("devices", "device_cgroup_rules", "volumes_from", "gpus", "provider", "credential_spec", "models"):
            if service.get(key):
                yield f"{name} asks for {key}"
        caps = {str(cap).upper().removeprefix("CAP_") for cap in service.get("cap_add") or ()}
        if caps & _DANGEROUS_CAPS:
            yield f"{name} adds the capability {min(caps & _DANGEROUS_CAPS)}"
        if any("unconfined" in str(option) for option in service.get("security_opt") or ()):
            yield f"{name} switches off a security profile"
        for mount in _mounts(service):
            if mount.get("type") in ("bind", "npipe") and not is_allowed_bind(mount, copy):
                yield f"{name} mounts {mount.get('source')} of this machine"
    for name, volume in _section(config, "volumes").items():
        if volume.get("driver") not in (None, "", "local") or volume.get("driver_opts"):
            yield f"the volume {name} is not a plain one (its driver or options)"
    for name, network in _section(config, "networks").items():
        if network.get("driver") not in (None, "", "bridge") or network.get("driver_opts"):
            yield f"the network {name} is not a plain bridge"
    for name, item in _section(config, "configs").items():
        if item.get("external"):
            yield f"the config {name} is made elsewhere"


def is_allowed_bind(mount: Mapping[str, Any], copy: str) -> bool:
    """Whether a bind mount shows a container nothing but the copy, or this machine's time zone."""
    source = str(mount.get("source") or "")
    if source in _HARMLESS_BINDS:
        return bool(mount.get("read_only"))
    return source == copy or source.startswith(f"{copy}/")


def make_scratch(config: Mapping[str, Any], terms: Terms) -> Scratch:
    """The document to run; `refusals` must have said nothing."""
    services: dict[str, Any] = {}
    for name, service in services_of(config).items():
        services[name] = _service(name, service, terms)
    volumes = {key: f"{terms.name}_{_plain(key)}" for key in _section(config, "volumes")}
    networks = {key: f"{terms.name}_{_plain(key)}" for key in _section(config, "networks")}
    label = {LABEL: terms.label}
    document = {
        "name": terms.name,
        "services": services,
        "volumes": {
            key: {"name": volumes[key], "external": True}
            if item.get("external")
            else {"name": volumes[key], "labels": label}
            for key, item in _section(config, "volumes").items()
        },
        "networks": {
            key: {**_kept_network(item), "name": networks[key], "labels": label}
            for key, item in _section(config, "networks").items()
        },
        "secrets": {key: _file_of(key, item, terms) for key, item in _section(config, "secrets").items()},
        "configs": {
            key: {k: v for k, v in item.items() if k in ("file", "content")}
            for key, item in _section(config, "configs").items()
        },
    }
    return Scratch(
        name=terms.name,
        document={key: value for key, value in document.items() if value},
        volumes=volumes,
        networks=networks,
        external_volumes=tuple(k for k, item in _section(config, "volumes").items() if item.get("external")),
        external_networks=tuple(k for k, item in _section(config, "networks").items() if item.get("external")),
    )


def _service(name: str, service: Mapping[str, Any], terms: Terms) -> dict[str, Any]:
    made = {key: deepcopy(value) for key, value in service.items() if key not in _DROPPED}
    made["image"] = terms.images[name]
    made["labels"] = {LABEL: terms.label}
    if service.get("ports"):
        # The engine chooses a free port of the loopback address.
        made["ports"] = [
            {
                "target": port["target"],
                "protocol": port.get("protocol", "tcp"),
                "host_ip": "127.0.0.1",
                "mode": "ingress",
            }
            for port in service["ports"]
            if isinstance(port, dict) and port.get("target")
        ]
    mounts = [mount for mount in made.get("volumes") or () if isinstance(mount, dict)]
    for source, target in terms.extra_mounts.get(name, ()):
        mounts.append({"type": "bind", "source": source.replace("$", "$$"), "target": target, "read_only": True})
    if mounts:
        made["volumes"] = mounts
    if name in terms.checks:
        made["healthcheck"] = {**(made.get("healthcheck") or {}), **terms.checks[name]}
    if isinstance(made.get("deploy"), dict):
        made["deploy"] = {key: value for key, value in made["deploy"].items() if key == "resources"}
    if isinstance(made.get("logging"), dict):
        # A driver that sends the log away keeps it from us.
        del made["logging"]
    return made


def _kept_network(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item[key] for key in ("internal", "ipam", "enable_ipv6", "attachable") if item.get(key)}


def _file_of(key: str, item: Mapping[str, Any], terms: Terms) -> dict[str, Any]:
    made = terms.secret_files.get(key)
    return {"file": made.replace("$", "$$") if made else item.get("file", "")}


def services_of(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The services of a document, those that are none left out."""
    return _section(config, "services")


def _section(config: Mapping[str, Any], key: str) -> dict[str, dict[str, Any]]:
    section = config.get(key)
    if not isinstance(section, dict):
        return {}
    return {str(name): item if isinstance(item, dict) else {} for name, item in section.items()}


def _mounts(service: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [mount for mount in service.get("volumes") or () if isinstance(mount, dict)]


def _plain(name: str) -> str:
    """A name as the engine allows it."""
    return "".join(char if char.isalnum() or char in "_.-" else "-" for char in name) or "x"

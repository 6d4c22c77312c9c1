"""`ports:` and `expose:` of a service, short and long forms, ranges as several. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.project.compose.nodes import MapNode, Node, Scalar, child, scalar
from imgscan.project.compose.records import Mark, Port

_PROTOCOLS: Final = frozenset({"tcp", "udp", "sctp"})
# What follows a second dash is dropped in silence (docker/go-connections, ParsePortRange).
_RANGE: Final = lazy_re(r"([0-9]{1,5})(?:-([0-9]{1,5})(?:-.*)?)?")


class PortError(Exception):
    """The text of what is wrong with a port."""


@frozen
class _Spec:
    host_ip: str | None
    published: range | None
    target: range
    protocol: str


def read_ports(node: Node) -> Iterator[Port]:
    """The ports that one item of `ports:` publishes. Raises PortError."""
    if isinstance(node, Scalar):
        yield from _expanded(_short(node.value), node.at)
    elif isinstance(node, MapNode):
        yield from _expanded(_long(node), node.at)
    else:
        raise PortError("invalid type for port")


def read_expose(text: str) -> Iterator[int]:
    """The ports of one item of `expose:`. Raises PortError."""
    yield from _range(text.partition("/")[0], "expose")


def port_key(node: Node) -> str | None:
    """What tells one item of `ports:` from another before ranges are taken apart."""
    if isinstance(node, Scalar):
        return node.value
    if not isinstance(node, MapNode):
        return None
    host, published, target, protocol = (_text(node, key) for key in ("host_ip", "published", "target", "protocol"))
    return f"{host or '0.0.0.0'}:{published}:{target}/{protocol or 'tcp'}"  # noqa: S104 - compared, never bound


def _text(node: MapNode, key: str) -> str | None:
    found = scalar(child(node, key))
    return found.value if found else None


def _short(text: str) -> _Spec:
    rest, _, protocol = text.partition("/")
    protocol = protocol.partition("/")[0] or "tcp"
    head, _, target = rest.rpartition(":")
    host_ip, _, published = head.rpartition(":")
    if not target:
        raise PortError("no port specified")
    return _Spec(
        host_ip=_address(host_ip),
        published=_range(published, "hostPort") if published else None,
        target=_range(target, "containerPort"),
        protocol=_protocol(protocol),
    )


def _long(node: MapNode) -> _Spec:
    target = _text(node, "target")
    if target is None:
        raise PortError("service ports is missing a target port")
    published = _text(node, "published")
    return _Spec(
        host_ip=_address(_text(node, "host_ip") or ""),
        published=_range(published, "published") if published else None,
        target=_range(target, "target"),
        protocol=_protocol(_text(node, "protocol") or "tcp"),
    )


def _address(written: str) -> str | None:
    """The address of the host; in brackets if it is one of IPv6, which is taken without them too."""
    bare = written[1:-1] if written.startswith("[") and written.endswith("]") else written
    if not bare:
        return None
    try:
        ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        raise PortError("invalid IP address") from None
    return bare


def _protocol(written: str) -> str:
    if written.lower() not in _PROTOCOLS:
        raise PortError("invalid protocol")
    return written.lower()


def _range(written: str, what: str) -> range:
    match = _RANGE.fullmatch(written)
    if match is None:
        raise PortError(f"invalid {what}")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 0 <= first <= last <= 65_535:
        raise PortError(f"invalid {what}")
    return range(first, last + 1)


def _expanded(spec: _Spec, at: Mark) -> Iterator[Port]:
    if 0 in spec.target:
        raise PortError("service ports is missing a target port")
    # One port and a range on the host: the engine takes any free one of it.
    published = spec.published
    if published is not None and len(spec.target) > 1 and len(published) != len(spec.target):
        raise PortError(
            f"invalid ranges specified for container and host Ports: {spec.target.start} and {published.start}"
        )
    for offset, target in enumerate(spec.target):
        yield Port(
            target=target,
            published=None if published is None else published.start + offset,
            host_ip=spec.host_ip,
            protocol=spec.protocol,
            at=at,
        )

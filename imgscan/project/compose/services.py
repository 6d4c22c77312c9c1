"""The tree of a service -> `Service`. Pure; what is of the wrong type is left out, the schema has told it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.project.compose.dotenv import read_dotenv
from imgscan.project.compose.nodes import (
    Entry,
    ListNode,
    MapNode,
    Node,
    Scalar,
    child,
    entries_of,
    items_of,
    pairs,
    scalar,
    text_of,
)
from imgscan.project.compose.places import inside, is_remote
from imgscan.project.compose.ports import PortError, read_expose, read_ports
from imgscan.project.compose.records import (
    Attachment,
    Build,
    Dependency,
    EnvFile,
    EnvVar,
    HealthCheck,
    Mark,
    Port,
    Problem,
    Service,
    ServiceMount,
    Text,
)
from imgscan.project.compose.valuecheck import check_values
from imgscan.project.compose.values import argv, boolean, health_test, number, seconds
from imgscan.project.compose.volumespec import clean_target, parse_volume
from imgscan.project.tree import ProjectTree

_STARTED: Final = "service_started"
_MOST_PORTS: Final = 1 << 16
_UNKNOWN_SOURCE: Final = lazy_re(r"(?P<source>\$\{[^{}]*\}|\$\w+):(?P<target>/[^:$]*)(?::(?P<mode>[\w,]+))?")


@dataclass(slots=True, kw_only=True)
class Reading:
    """What services are read with: the tree for paths, the values of variables, and the problems found."""

    tree: ProjectTree
    values: Mapping[str, str]
    active_profiles: frozenset[str] = frozenset()
    problems: list[Problem] = field(default_factory=list)
    ports: int = 0

    def problem(self, message: str, node: Node, *, fatal: bool = True) -> None:
        """Remember it, unless it hangs on an unset variable."""
        if not (isinstance(node, Scalar) and node.unset):
            self.problems.append(Problem(kind="schema", message=message, at=node.at, fatal=fatal))


def read_service(name: str, entry: Entry, reading: Reading) -> Service:
    """One service after merging."""
    node = entry.node
    reading.problems += check_values(name, node)
    profiles = tuple(item.value for item in items_of(child(node, "profiles")) if isinstance(item, Scalar))
    return Service(
        name=name,
        at=entry.at,
        keys=dict(_keys(node, "")),
        image=text_of(child(node, "image")),
        build=_build(node, reading),
        command=argv(child(node, "command")),
        entrypoint=argv(child(node, "entrypoint")),
        environment=_variables(child(node, "environment"), reading),
        env_files=tuple(_env_files(node, reading)),
        ports=_ports(name, node, reading),
        expose=tuple(_expose(name, node, reading)),
        mounts=tuple(_mounts(name, node, reading)),
        networks=tuple(_attachments(node)),
        network_mode=text_of(child(node, "network_mode")),
        depends_on=_dependencies(node),
        healthcheck=_healthcheck(node),
        restart=text_of(child(node, "restart")),
        init=boolean(child(node, "init")),
        stop_grace_period_s=seconds(child(node, "stop_grace_period")),
        profiles=profiles,
        extra_hosts=_extra_hosts(child(node, "extra_hosts")),
        container_name=text_of(child(node, "container_name")),
        hostname=text_of(child(node, "hostname")),
        links=tuple(_texts(child(node, "links"))),
        secrets=tuple(_granted(child(node, "secrets"))),
        configs=tuple(_granted(child(node, "configs"))),
        user=text_of(child(node, "user")),
        working_dir=text_of(child(node, "working_dir")),
        privileged=boolean(child(node, "privileged")) is True,
        labels={key: _value(e.node) for key, e in pairs(child(node, "labels")).items()},
        replicas=_first_number(child(node, "scale"), child(node, "deploy", "replicas")),
        active=_is_active(profiles, reading.active_profiles),
        cap_add=tuple(_texts(child(node, "cap_add"))),
    )


def _is_active(profiles: tuple[str, ...], wanted: frozenset[str]) -> bool:
    return not profiles or "*" in wanted or not wanted.isdisjoint(profiles)


def _keys(node: Node, path: str) -> Iterator[tuple[str, Mark]]:
    for key, entry in entries_of(node).items():
        below = f"{path}.{key}" if path else key
        yield below, entry.at
        yield from _keys(entry.node, below)


def _texts(node: Node | None) -> Iterator[str]:
    return (item.value for item in items_of(node) if isinstance(item, Scalar) and item.kind != "null")


def _value(node: Node) -> str:
    found = scalar(node)
    return found.value if found else ""


def _first_number(*nodes: Node | None) -> int | None:
    return next((found for found in map(number, nodes) if found is not None), None)


def _variables(node: Node | None, reading: Reading) -> dict[str, EnvVar]:
    """`environment:` or build args. A name alone is what the files of variables give it, or left to whoever runs
    compose."""
    found: dict[str, EnvVar] = {}
    for name, entry in pairs(node).items():
        value = text_of(entry.node)
        if value is None and name in reading.values:
            value = Text(value=reading.values[name], raw="", at=entry.at)
        found[name] = EnvVar(name=name, value=value, at=entry.at)
    return found


def _build(node: Node, reading: Reading) -> Build | None:
    held = entries_of(node).get("build")
    build = child(node, "build")
    if held is None or build is None:
        return None
    context = scalar(build) or scalar(child(build, "context"))
    dockerfile = scalar(child(build, "dockerfile"))
    inline = child(build, "dockerfile_inline") is not None
    folder = _context(context, build, reading)
    path = None
    if folder is not None and not inline:
        path = inside(reading.tree, folder, dockerfile.value if dockerfile else "Dockerfile")
    target = scalar(child(build, "target"))
    return Build(
        context=folder,
        dockerfile=path or None,
        target=target.value if target else None,
        args=_variables(child(build, "args"), reading),
        secrets=tuple(_granted(child(build, "secrets"))),
        at=held.at,
    )


def _context(context: Scalar | None, build: Node, reading: Reading) -> str | None:
    if context is None:
        # Without `context` it is the project directory, which some scalar below knows.
        base = next((one.base for one in _scalars(build)), "")
        return inside(reading.tree, base, ".")
    if context.unset or is_remote(context.value):
        return None
    return inside(reading.tree, context.base, context.value)


def _scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, ListNode):
        for item in node.items:
            yield from _scalars(item)
    else:
        for entry in node.entries.values():
            yield from _scalars(entry.node)


def _env_files(node: Node, reading: Reading) -> Iterator[EnvFile]:
    for item in items_of(child(node, "env_file")) or _single(child(node, "env_file")):
        path = scalar(item) or scalar(child(item, "path"))
        if path is None:
            continue
        required = boolean(child(item, "required"))
        found = None if path.unset else inside(reading.tree, path.base, path.value)
        yield EnvFile(path=found or None, written=path.value, required=required is not False, at=item.at)


def _single(node: Node | None) -> tuple[Node, ...]:
    return (node,) if isinstance(node, MapNode) else ()


def service_environment(
    service: Service, tree: ProjectTree, values: Mapping[str, str]
) -> dict[str, tuple[str | None, str]]:
    """The variables that a service is started with: value and the file that gives it, by name. `environment:` goes over
    `env_file:`, later files over earlier ones. None: passed on from wherever compose is run. `values` are those that
    compose itself has."""
    own = {name: one.value.value for name, one in service.environment.items() if one.value is not None}
    found: dict[str, tuple[str | None, str]] = {}
    given = dict(own)
    for env_file in service.env_files:
        text = tree.text(env_file.path) if env_file.path else None
        if text is None or env_file.path is None:
            continue
        # A line's references are to what compose has, then to `environment:`, then to the lines before it.
        for entry in read_dotenv(text, env_file.path, own | dict(values), given).entries:
            found[entry.name] = (entry.value, env_file.path)
            given[entry.name] = entry.value
    for name, variable in service.environment.items():
        found[name] = (variable.value.value if variable.value else None, variable.at.file)
    return found


def _ports(name: str, node: Node, reading: Reading) -> tuple[Port, ...]:
    """Each port once: of those that publish the same thing the last one stays."""
    found: dict[tuple[object, ...], Port] = {}
    for item in items_of(child(node, "ports")):
        try:
            for port in read_ports(item):
                reading.ports += 1
                if reading.ports > _MOST_PORTS:
                    reading.problem(f"services.{name}.ports: more than {_MOST_PORTS:,} ports", item, fatal=False)
                    return tuple(found.values())
                key = (port.host_ip or "0.0.0.0", port.published, port.target, port.protocol)  # noqa: S104
                found[key] = port
        except PortError as error:
            reading.problem(f"services.{name}.ports: {error}", item)
    return tuple(found.values())


def _expose(name: str, node: Node, reading: Reading) -> Iterator[int]:
    for item in items_of(child(node, "expose")):
        if not isinstance(item, Scalar):
            continue
        try:
            yield from read_expose(item.value)
        except PortError as error:  # the engine says so, not compose
            reading.problem(f"services.{name}.expose: {error}", item, fatal=False)


def _mounts(name: str, node: Node, reading: Reading) -> Iterator[ServiceMount]:
    for item in items_of(child(node, "volumes")):
        if isinstance(item, MapNode):
            yield from _long_mount(item, reading)
        elif isinstance(item, Scalar):
            spec = parse_volume(item.value)
            unknown = _UNKNOWN_SOURCE.fullmatch(item.raw) if isinstance(spec, str) and item.unset else None
            if unknown is not None:
                # Where it leads is not known before the variable has a value, but there is a mount.
                target, mode = clean_target(unknown["target"]), unknown["mode"] or ""
                yield ServiceMount(
                    kind="bind", source=unknown["source"], target=target, read_only="ro" in mode.split(","), at=item.at
                )
                continue
            if isinstance(spec, str):
                reading.problem(f"services.{name}.volumes: {spec}", item)
                continue
            source = spec.source
            if spec.kind == "bind" and source is not None:
                source = _bind_source(reading.tree, item.base, source)
            yield ServiceMount(
                kind=spec.kind, source=source, target=clean_target(spec.target), read_only=spec.read_only, at=item.at
            )
    for item in items_of(child(node, "tmpfs")):
        if isinstance(item, Scalar):
            target = clean_target(item.value.partition(":")[0])
            yield ServiceMount(kind="tmpfs", source=None, target=target, read_only=False, at=item.at)


def _long_mount(item: MapNode, reading: Reading) -> Iterator[ServiceMount]:
    kind, source, target = (scalar(child(item, key)) for key in ("type", "source", "target"))
    if kind is None or target is None:
        return
    where = source.value if source else None
    if kind.value == "bind" and source is not None:
        where = _bind_source(reading.tree, source.base, source.value)
    yield ServiceMount(
        kind=kind.value,
        source=where,
        target=clean_target(target.value),
        read_only=boolean(child(item, "read_only")) is True,
        at=item.at,
    )


def _bind_source(tree: ProjectTree, base: str, written: str) -> str:
    """The path of the tree, `.` for its root; as written if it is elsewhere."""
    path = inside(tree, base, written)
    return written if path is None else path or "."


def _attachments(node: Node) -> Iterator[Attachment]:
    networks = child(node, "networks")
    if isinstance(networks, ListNode):
        for item in networks.items:
            if isinstance(item, Scalar):
                yield Attachment(network=item.value, aliases=(), at=item.at)
    for name, entry in entries_of(networks).items():
        yield Attachment(network=name, aliases=tuple(_texts(child(entry.node, "aliases"))), at=entry.at)


def _dependencies(node: Node) -> dict[str, Dependency]:
    depends = child(node, "depends_on")
    found: dict[str, Dependency] = {}
    for item in items_of(depends):
        if isinstance(item, Scalar):
            found[item.value] = Dependency(
                service=item.value, condition=_STARTED, short=True, required=True, at=item.at
            )
    for name, entry in entries_of(depends).items():
        condition = scalar(child(entry.node, "condition"))
        found[name] = Dependency(
            service=name,
            condition=condition.value if condition else _STARTED,
            # A list that was merged with something is a mapping whose conditions nobody wrote.
            short=condition is not None and condition.at == entry.at,
            required=boolean(child(entry.node, "required")) is not False,
            at=entry.at,
        )
    return found


def _healthcheck(node: Node) -> HealthCheck | None:
    held = entries_of(node).get("healthcheck")
    if held is None or not isinstance(held.node, MapNode):
        return None
    check = held.node
    test, none = health_test(child(check, "test"))
    return HealthCheck(
        test=test,
        disabled=none or boolean(child(check, "disable")) is True,
        interval_s=seconds(child(check, "interval")),
        timeout_s=seconds(child(check, "timeout")),
        retries=number(child(check, "retries")),
        start_period_s=seconds(child(check, "start_period")),
        start_interval_s=seconds(child(check, "start_interval")),
        at=held.at,
    )


def _extra_hosts(node: Node | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, entry in pairs(node).items():
        value = _value(entry.node)
        host, colon, address = name.partition(":")
        if value:
            found[name] = value
        elif colon:
            found[host] = address
    return found


def _granted(node: Node | None) -> Iterator[str]:
    """The names of secrets or configs that are granted."""
    for item in items_of(node):
        source = scalar(item) or scalar(child(item, "source"))
        if source is not None:
            yield source.value

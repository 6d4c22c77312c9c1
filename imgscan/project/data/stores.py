"""Services that keep data, and whether their mounts hold them. In: a `Setup`. Out: `Stateful`s, from the table of
stores in rules/data.yml, or from the VOLUMEs of an image that the project builds."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.project.compose.records import ComposeProject, Service, ServiceMount
from imgscan.project.data.storetable import NEWEST, Store, row_of, rows_alike, rows_at, split_image, within
from imgscan.project.knownimages import known_image
from imgscan.project.setup import Setup

_SETTINGS: Final = lazy_re(
    r"/docker-entrypoint|/etc/|/run/|/tmp|\.sock$|/(?:conf|config|initdb|init|scripts|certs|backups?|dumps?|logs?)(?:/|$)|\.\w{1,5}$"
)
_KEEPS_REDIS: Final = lazy_re(r"appendonly|--save|redis\.conf|valkey\.conf")

_SHARED_CODE: Final = frozenset({"/var/www/html"})
"""Where the code of any web server is, too."""

_NO_SERVERS: Final = frozenset(
    {
        *("sh", "bash", "ash", "sleep", "tail", "cat", "psql", "pg_dump", "pg_dumpall", "pg_restore", "pg_isready"),
        *("createdb", "mysql", "mysqldump", "mariadb", "mariadb-dump", "mongosh", "mongo", "mongodump", "mongorestore"),
        *("mongoimport", "redis-cli", "valkey-cli", "mc", "rabbitmqadmin", "clickhouse-client", "curl", "true"),
    }
)
_SERVER: Final = lazy_re(
    r"docker-entrypoint|(?:-c |exec |&& ?|; ?|\| ?|^)(?:\S*/)?(?:postgres|mysqld|mariadbd|mongod|redis-server|"
    r"valkey-server|minio|rabbitmq-server|clickhouse|neo4j|elasticsearch|cassandra|influxd|etcd|grafana|prometheus|"
    r"vault|consul)\b"
)


@frozen(kw_only=False)
class Stateful:
    """A service with a store. `major` is the version that its tag says (99: a tag that moves), None if it is not known;
    `data` the path the data are at; `holder` the mount that holds them, if one does; `meant` the one that was meant to,
    at whatever path. `alike`: the image is somebody else's, and only its name or a mount says what it is."""

    compose: ComposeProject
    service: Service
    store: Store
    repository: str
    tag: str | None
    major: int | None
    data: str
    holder: ServiceMount | None
    meant: ServiceMount | None
    alike: bool = False

    @property
    def records(self) -> bool:
        """Whether it is the only copy of somebody's data."""
        return self.store.keeps == "record"

    @property
    def kept(self) -> bool:
        """Whether it keeps anything: Redis only does so when it is told to or has a volume."""
        if self.store.name != "Redis":
            return True
        words = self.service.command.words if self.service.command else ()
        return bool(_KEEPS_REDIS.search(" ".join(words))) or self.holder is not None


def stateful_services(setup: Setup) -> Iterator[Stateful]:
    """Every service with a store; one that several projects share by the same file comes once."""
    seen: set[tuple[str, int, str]] = set()
    for compose in setup.composes:
        for service in compose.services.values():
            found = _stateful(setup, compose, service)
            key = (service.at.file, service.at.start, service.name)
            if found is not None and key not in seen:
                seen.add(key)
                yield found


def _stateful(setup: Setup, compose: ComposeProject, service: Service) -> Stateful | None:
    built = _built(setup, service) if service.build is not None else None
    image = built.base if built is not None else service.image.value if service.image is not None else None
    if not image or not _runs_server(service) or (service.build is not None and built is None):
        return None
    repository, tag = split_image(image)
    if service.image is not None and built is None and service.image.unset:
        tag = None
    store, major = row_of(repository, tag)
    if store is None:
        own = _of_volumes(compose, service, built) if built is not None else None
        return own or _alike(compose, service, repository, tag)
    data = _data_path(service, store, major)
    holder = _holder(service, data, store)
    meant = holder or next((mount for mount in service.mounts if _meant_for_data(mount, data)), None)
    return Stateful(compose, service, store, repository, tag, major, data, holder, meant)


def _holder(service: Service, data: str, store: Store) -> ServiceMount | None:
    holders = [mount for mount in service.mounts if holds(mount.target, data, store.volumes)]
    holders += [mount for mount in service.mounts if _is_told(service, mount)]
    return holders[0] if holders else None


def _alike(compose: ComposeProject, service: Service, repository: str, tag: str | None) -> Stateful | None:
    """A service whose image only bears a store's name, or that only has a mount where a store keeps its data."""
    rows = rows_alike(repository)
    if not rows:
        return _by_mount(compose, service, repository)
    # Where such an image writes is not sure: any place that one of the store's images has will do, or any volume.
    places = [(row, _data_path(service, row, None)) for row in rows]
    found = [(row, data, _holder(service, data, row)) for row, data in places]
    store, data, holder = next((one for one in found if one[2] is not None), next(f for f in found if not f[0].since))
    if holder is None:
        holder = next((mount for mount in service.mounts if _meant_for_data(mount, data)), None)
        data = posixpath.normpath(holder.target) if holder is not None else data
    return Stateful(compose, service, store, repository, tag, None, data, holder, holder, alike=True)


def _by_mount(compose: ComposeProject, service: Service, repository: str) -> Stateful | None:
    if known_image(repository) is not None:
        return None
    for mount in service.mounts:
        path = posixpath.normpath(mount.target)
        store = _store_at(path, mount) if path not in _SHARED_CODE else None
        if store is not None and not _held_elsewhere(compose, service, mount):
            return Stateful(compose, service, store, repository, None, None, path, mount, mount, alike=True)
    return None


def _store_at(path: str, mount: ServiceMount) -> Store | None:
    """The store that keeps its data at a path; where several kinds of them do (`/data`), a volume that has a name holds
    data of some kind."""
    if mount.kind not in ("volume", "bind") or mount.source is None or mount.read_only:
        return None
    rows = rows_at(path)
    if len({row.keeps for row in rows}) == 1:
        return rows[0]
    return Store("its own data", frozenset(), path, (), "state") if rows and mount.kind == "volume" else None


def _held_elsewhere(compose: ComposeProject, service: Service, mount: ServiceMount) -> bool:
    """Whether a service with a store's name has the same volume or folder: this one then looks after its data."""
    sharing = [other for other in compose.services.values() if any(m.source == mount.source for m in other.mounts)]
    names = [split_image(other.image.value) for other in sharing if other is not service and other.image is not None]
    return any(row_of(name, tag)[0] is not None or rows_alike(name) for name, tag in names)


def _of_volumes(compose: ComposeProject, service: Service, built: _Built) -> Stateful | None:
    """A service whose own Dockerfile says by VOLUME that it keeps something, where a mount holds that."""
    for path in built.volumes:
        holder = next((mount for mount in service.mounts if mount.target.rstrip("/") == path), None)
        if holder is not None:
            store = Store("its own data", frozenset(), path, built.volumes, "state")
            return Stateful(compose, service, store, built.base, None, None, path, holder, holder)
    return None


def _runs_server(service: Service) -> bool:
    """Whether the container runs the image's server: a shell or a client of the same image keeps nothing."""
    given = [part.words for part in (service.entrypoint, service.command) if part is not None]
    words = [word for part in given for word in part]
    name = posixpath.basename(words[0]) if words else ""
    if name not in _NO_SERVERS:
        return True
    return _SERVER.search(" ".join(words)) is not None


def _is_told(service: Service, mount: ServiceMount) -> bool:
    """Whether the command or a variable names the place of a volume (`--dbpath`, `--storage.tsdb.path`)."""
    if mount.kind != "volume" or mount.source is None or len(mount.target) < 3:
        return False
    words = [
        *(service.command.words if service.command else ()),
        *(service.entrypoint.words if service.entrypoint else ()),
    ]
    words += [item.value.value for item in service.environment.values() if item.value is not None]
    return any(mount.target.rstrip("/") in word for word in words)


def _meant_for_data(mount: ServiceMount, data: str) -> bool:
    """A writable named volume at a path that is no place for settings, nor for a part of the data alone; others may be
    for something else."""
    return (
        not within(mount.target, data)
        and mount.kind == "volume"
        and mount.source is not None
        and not mount.read_only
        and not _SETTINGS.search(mount.target)
    )


def _data_path(service: Service, store: Store, major: int | None) -> str:
    variable = service.environment.get("PGDATA") if store.name == "PostgreSQL" else None
    if variable is not None and variable.value is not None and variable.value.value.startswith("/"):
        return posixpath.normpath(variable.value.value)
    known = 18 if major in (None, NEWEST) else major
    if store.name == "MinIO" and service.command is not None:
        paths = [word for word in service.command.words[1:] if word.startswith("/")]
        return posixpath.normpath(paths[0]) if paths else store.data
    return store.data.replace("{major}", str(known))


def holds(target: str, data: str, volumes: tuple[str, ...]) -> bool:
    """Whether a mount holds what is written to `data`: no VOLUME of the image may lie between the two."""
    target = posixpath.normpath(target)
    if not within(data, target):
        return False
    return not any(volume != target and within(volume, target) and within(data, volume) for volume in volumes)


@frozen(kw_only=False)
class _Built:
    """An image that the project builds: what it is FROM, and the VOLUMEs of its stages."""

    base: str
    volumes: tuple[str, ...]


def _built(setup: Setup, service: Service) -> _Built | None:
    """What the Dockerfile of a service says; None where its last stage cannot be followed to an image."""
    from imgscan.dockerfile.parse import parse
    from imgscan.dockerfile.stages import base_image, parent_stages, target_stage
    from imgscan.errors import ImgscanError

    build = service.build
    text = setup.dockerfiles.get(build.dockerfile or "") if build is not None else None
    if build is None or text is None:
        return None
    arguments = {name: item.value.value for name, item in build.args.items() if item.value is not None}
    volumes: list[str] = []
    try:
        dockerfile = parse(text.encode("utf-8", "surrogateescape"), build.dockerfile or "Dockerfile")
        stage = target_stage(dockerfile, build.target)
        parents = parent_stages(dockerfile, arguments)
        for _ in range(len(parents)):
            volumes += [word for command in stage.commands if command.keyword == "VOLUME" for word in command.words]
            parent = parents[stage.index]
            if parent is None:
                paths = [posixpath.normpath(word) for word in volumes if word.startswith("/") and "$" not in word]
                return _Built(base_image(dockerfile, stage, arguments), tuple(paths))
            stage = parent
    except ImgscanError:
        pass
    return None

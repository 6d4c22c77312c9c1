"""The nouns of compose files: a project of one or several merged files, its services, volumes and networks.

Names are those of the compose specification (github.com/compose-spec/compose-spec). Everything that a finding may speak
of has a `Mark`; durations are seconds, sizes bytes, paths are relative to the project tree's root, with slashes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from imgscan.frozen import frozen


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Mark:
    """Where something stands in a file: 1-based line and column, and the offsets of its text (characters, end
    excluded)."""

    file: str
    line: int
    column: int
    start: int
    end: int


@frozen
class Text:
    """A scalar: as written (`raw`) and with its variables replaced (`value`). `unset` names the variables in it that
    have neither a value in the files that compose reads nor a default; compose makes an empty string of them."""

    value: str
    raw: str
    at: Mark
    unset: tuple[str, ...] = ()


@frozen
class Variable:
    """One use of `${NAME…}`. `operator` is one of `:-`, `-`, `:?`, `?`, `:+`, `+` or empty; `operand` is what follows
    it. `value` is what the files that compose reads (never this machine's environment) give it, None if nothing;
    `source` names that file; `stands_in`: it is an example, as the file itself is not there. `path` is the key path in
    the compose file, e.g. `services.db.image`."""

    name: str
    operator: str
    operand: str
    value: str | None
    source: str | None
    path: str
    at: Mark
    stands_in: bool = False

    @property
    def has_default(self) -> bool:
        """Whether it may be left unset."""
        return self.operator in (":-", "-", ":+", "+")


@frozen
class Problem:
    """What compose refuses or warns of. `kind`: yaml, schema, interpolation, reference, duplicate, limit."""

    kind: str
    message: str
    at: Mark
    fatal: bool = True


@frozen
class Argv:
    """A command. A string of compose is split like a shell's words but not given to a shell; `shell` is True for
    CMD-SHELL tests of health checks, whose one word is the script."""

    words: tuple[str, ...]
    shell: bool
    at: Mark


@frozen
class EnvVar:
    """`environment:` of a service. `value` None: passed on from compose's own environment."""

    name: str
    value: Text | None
    at: Mark


@frozen
class EnvFile:
    """`env_file:`; `path` None: it lies outside of the project tree, or its name has an unset variable. `written` is
    the path as compose resolves it, relative to the file's folder."""

    path: str | None
    written: str
    required: bool
    at: Mark


@frozen
class Port:
    """A published port, ranges as several. `published` None: any free port; `host_ip` None: every address."""

    target: int
    published: int | None
    host_ip: str | None
    protocol: str
    at: Mark


@frozen
class ServiceMount:
    """`volumes:` (and `tmpfs:`) of a service. `kind`: volume, bind, tmpfs, npipe, cluster, image. A volume without a
    source is anonymous; the source of a bind is relative to the tree if it lies in it, else as written."""

    kind: str
    source: str | None
    target: str
    read_only: bool
    at: Mark


@frozen
class Attachment:
    """A network that a service is on, and the names it has there besides its own."""

    network: str
    aliases: tuple[str, ...]
    at: Mark


@frozen
class Dependency:
    """`depends_on:`. The short form has the condition service_started."""

    service: str
    condition: str
    short: bool
    required: bool
    at: Mark


@frozen
class HealthCheck:
    """`healthcheck:`. `test` None: only other keys are set (the image's test is kept); `disabled`: `disable: true` or
    `test: NONE`. Times are seconds, None where not given."""

    test: Argv | None
    disabled: bool
    interval_s: float | None
    timeout_s: float | None
    retries: int | None
    start_period_s: float | None
    start_interval_s: float | None
    at: Mark


@frozen
class Build:
    """`build:`. `context` and `dockerfile` are relative to the tree, None if outside or not local; `args` as
    `EnvVar`s."""

    context: str | None
    dockerfile: str | None
    target: str | None
    args: Mapping[str, EnvVar]
    secrets: tuple[str, ...]
    at: Mark


@frozen
class Service:
    """A service after merging. `keys` has the mark of every key written for it, for texts and patches: dotted below the
    service (`healthcheck`, `healthcheck.test`), from the key to the end of its value, as `at` is for the service.
    `active`: no profile keeps it from being started."""

    name: str
    at: Mark
    keys: Mapping[str, Mark]
    image: Text | None = None
    build: Build | None = None
    command: Argv | None = None
    entrypoint: Argv | None = None
    environment: Mapping[str, EnvVar] = field(default_factory=dict)
    env_files: tuple[EnvFile, ...] = ()
    ports: tuple[Port, ...] = ()
    expose: tuple[int, ...] = ()
    mounts: tuple[ServiceMount, ...] = ()
    networks: tuple[Attachment, ...] = ()
    network_mode: Text | None = None
    depends_on: Mapping[str, Dependency] = field(default_factory=dict)
    healthcheck: HealthCheck | None = None
    restart: Text | None = None
    init: bool | None = None
    stop_grace_period_s: float | None = None
    profiles: tuple[str, ...] = ()
    extra_hosts: Mapping[str, str] = field(default_factory=dict)
    container_name: Text | None = None
    hostname: Text | None = None
    links: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    user: Text | None = None
    working_dir: Text | None = None
    privileged: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    replicas: int | None = None
    active: bool = True
    configs: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()


@frozen
class Volume:
    """A top-level volume. `real_name` is the engine's name for it, None where it hangs on an unknown project name."""

    name: str
    external: bool
    real_name: str | None
    named: Text | None
    driver: str | None
    driver_opts: Mapping[str, str]
    at: Mark


@frozen
class Network:
    """A top-level network; `default` is one of them even if nobody wrote it (then without a mark)."""

    name: str
    external: bool
    internal: bool
    named: Text | None
    driver: str | None
    at: Mark | None


@frozen
class Secret:
    """A top-level secret or config: from a file (relative to the tree if in it) or a variable."""

    name: str
    external: bool
    file: str | None
    environment: str | None
    at: Mark


@frozen
class ComposeProject:
    """Compose files that are used together. `files` in the order they are merged, `directory` the project directory
    (relative to the tree, empty: its root), `name` the project name if a file fixes it, `name_at` where. `env_file` is
    the file of variables that compose reads for interpolation without being told (None: there is none), `example` the
    one that stood in for it. `declared` says whether a user named the files or they were found; `read` are all files
    that were read, those included or extended too. `values` is what variables stand for, by name."""

    files: tuple[str, ...]
    directory: str
    name: Text | None
    services: Mapping[str, Service]
    volumes: Mapping[str, Volume]
    networks: Mapping[str, Network]
    secrets: Mapping[str, Secret]
    configs: Mapping[str, Secret]
    variables: tuple[Variable, ...]
    problems: tuple[Problem, ...]
    env_file: str | None
    example: str | None = None
    declared: bool = False
    read: tuple[str, ...] = ()
    name_at: Mark | None = None
    values: Mapping[str, str] = field(default_factory=dict)

"""The nouns of sources: variables read, addresses bound, routes served. Paths are relative to the project tree's
root."""

from __future__ import annotations

from imgscan.frozen import frozen


@frozen
class EnvRead:
    """A place that reads an environment variable. `default`: what is used instead, None if that is nothing or unknown;
    `required`: without it the program fails or says so; `optional`: a missing value is handled in some way."""

    name: str
    file: str
    line: int
    default: str | None = None
    required: bool = False
    optional: bool = False


@frozen
class Mend:
    """A change of a file: characters `start` to `end` become `text`."""

    start: int
    end: int
    text: str


@frozen
class Bind:
    """A server that listens. `host`/`port` are what is written, or the fallback of a variable's read (`host_variable`,
    `port_variable`); None: nothing is written and the framework decides (`framework_host`: what it takes then, None if
    that is every address). `host_known` False: a host is given, but which cannot be read. `mend`: the characters from
    `start` to `end` of the file become `text`, and it listens on every address."""

    file: str
    line: int
    framework: str
    host: str | None = None
    host_variable: str | None = None
    port: int | None = None
    port_variable: str | None = None
    framework_host: str | None = None
    host_known: bool = True
    mend: Mend | None = None


@frozen
class Route:
    """A path that a server answers, as written (with parameters). `method` in capitals; MOUNT: routes of another place
    hang below that path; None: any."""

    file: str
    line: int
    path: str
    method: str | None = None


@frozen
class Sources:
    """Everything found, in the order of files and lines."""

    reads: tuple[EnvRead, ...] = ()
    binds: tuple[Bind, ...] = ()
    routes: tuple[Route, ...] = ()

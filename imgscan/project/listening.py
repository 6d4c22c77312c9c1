"""Where a service listens, as far as commands, sources and known images say it. Pure.

In: a service with its image. Out: `Listening`: the addresses and the ports. Variables count with the values that the
service is given.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import field

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.project.compose.records import Service
from imgscan.project.knownimages import STORES
from imgscan.project.network.names import is_loopback
from imgscan.project.network.variables import Setting, is_complete, settings_of
from imgscan.project.process import Process, processes_of
from imgscan.project.serviceimages import ServiceImage
from imgscan.project.setup import Setup
from imgscan.project.sources.commandline import Served, served_by
from imgscan.project.sources.frameworks import CONFIG_FILES
from imgscan.project.sources.records import Bind
from imgscan.project.sources.scope import binds_of, folder_of


@frozen
class Listener:
    """A server with what it really takes. `host` None: every address; `sure` False: something that is not known here
    may decide otherwise. `port` None: not known. `served` is there for one that a command line starts."""

    bind: Bind
    host: str | None
    port: int | None
    sure: bool
    served: Served | None = None

    @property
    def loopback(self) -> bool:
        """Whether nobody but its own container can reach it."""
        return self.host is not None and is_loopback(self.host)


@frozen
class Listening:
    """A service's listeners. `ports` are all that it surely listens on; `complete`: it listens on no other."""

    listeners: tuple[Listener, ...] = ()
    ports: frozenset[int] = field(default_factory=frozenset)
    complete: bool = False


def listening_of(service: Service, image: ServiceImage, setup: Setup) -> Listening:
    """Where a service listens."""
    settings = settings_of(service, setup)
    complete = is_complete(service, setup)
    listeners = tuple(_listeners(service, image, setup, settings, complete=complete))
    ports = frozenset(each.port for each in listeners if each.port is not None)
    known = image.known if not image.built else None
    if known is not None and not any(name in settings for name in known.port_variables) and service.command is None:
        sure = complete and bool(known.ports) and known.kind in STORES and not is_configured(service)
        return Listening(listeners=listeners, ports=known.ports, complete=sure)
    every = bool(listeners) and all(each.port is not None and each.sure for each in listeners)
    return Listening(listeners=listeners, ports=ports, complete=every)


def _listeners(
    service: Service, image: ServiceImage, setup: Setup, settings: Mapping[str, Setting], *, complete: bool
) -> list[Listener]:
    processes = processes_of(service, image, setup)
    found = [served for process in processes if (served := served_by(process.words, process.at)) is not None]
    if found:
        return [
            _listener(
                each.bind, service, settings, complete=complete, served=each, sure=not _has_config(each, service, setup)
            )
            for each in found
        ]
    if processes and not any(_runs_own_code(process) for process in processes):
        return []
    chosen = _chosen(processes, service, setup)
    return [_listener(bind, service, settings, complete=complete, sure=sure) for bind, sure in chosen]


_NAMES_HOST = lazy_re(r"host|bind|addr", re.IGNORECASE)
_ASIDE = frozenset(
    {"scripts", "tools", "examples", "example", "docs", "demo", "bench", "benchmarks", "migrations", "dev"}
)
_INTERPRETERS = frozenset(
    {
        "node",
        "nodejs",
        "python",
        "python3",
        "bun",
        "deno",
        "tsx",
        "ts-node",
        "ts-node-dev",
        "nodemon",
        "go",
        "air",
        "nest",
    }
)


def _runs_own_code(process: Process) -> bool:
    """Whether the command runs sources of the project, or a program that may be made of them."""
    names = [posixpath.basename(word) for word in process.words[:8]]
    if any(name in _INTERPRETERS for name in names):
        return "-m" not in process.words[:3] or "http.server" in process.words
    return process.words[:1] != () and ("/" in process.words[0] or process.words[0].startswith("."))


def _takes_any(served: Served, settings: Mapping[str, Setting]) -> bool:
    """Whether the program takes every address without being told: gunicorn where PORT is set (0.0.0.0:$PORT), Rails in
    every environment but development."""
    if served.server.name == "gunicorn":
        return "PORT" in settings
    if served.server.name == "rails server":
        given = next((settings[name].value for name in ("RAILS_ENV", "RACK_ENV") if name in settings), "development")
        return given != "development"
    return False


def _has_config(served: Served, service: Service, setup: Setup) -> bool:
    """Whether a configuration file of the program may give it a host."""
    folder = folder_of(service, setup)
    if folder is None:
        return bool(service.mounts)
    prefix = f"{folder}/" if folder else ""
    wanted = CONFIG_FILES.get(served.server.name.split()[0])
    for path in setup.tree.files if wanted else ():
        if path.startswith(prefix) and path.count("/") <= prefix.count("/") + 1 and wanted:
            name = posixpath.basename(path)
            if wanted.fullmatch(name) and _NAMES_HOST.search(setup.tree.text(path) or ""):
                return True
    return False


def is_configured(service: Service) -> bool:
    """Whether a file from outside may tell the image's program something else than its defaults."""
    ends = (".conf", ".cnf", ".ini", ".yml", ".yaml", ".toml", ".cfg", ".config", ".json", ".xml")
    return any(m.kind == "bind" and (m.target.startswith("/etc") or m.target.endswith(ends)) for m in service.mounts)


def _chosen(processes: tuple[Process, ...], service: Service, setup: Setup) -> list[tuple[Bind, bool]]:
    """The binds of the file that the command names, else all of the service's sources; and whether these are surely
    the ones that run: one file of several need not be."""
    binds = list(binds_of(service, setup))
    stems = {_stem(word) for process in processes for word in process.words if "." in posixpath.basename(word)}
    named = [bind for bind in binds if _stem(bind.file) in stems]
    if named:
        return [(bind, True) for bind in named]
    rest = [bind for bind in binds if not _ASIDE & set(bind.file.split("/")[:-1])]
    alone = len({bind.file for bind in rest}) == 1
    return [(bind, alone) for bind in rest]


def _stem(path: str) -> str:
    return posixpath.basename(path).partition(".")[0]


def _listener(
    bind: Bind,
    service: Service,
    settings: Mapping[str, Setting],
    *,
    complete: bool,
    sure: bool,
    served: Served | None = None,
) -> Listener:
    configured = served is not None and not sure
    host, sure = bind.host if bind.host is not None else bind.framework_host, bind.host_known and sure
    variables = [bind.host_variable] if bind.host_variable else []
    if served is not None and bind.host is None and bind.framework_host is not None:
        variables += served.server.host_variables
    for variable in variables:
        if variable in settings:
            host = settings[variable].value or host
            break
        if variable in service.environment or not complete or variable == "HOSTNAME":
            # The engine sets HOSTNAME itself; a value from outside is not known.
            sure = False
    if served is not None and bind.host is None and (configured or _takes_any(served, settings)):
        host = None  # or what its configuration file says
    port = bind.port
    if bind.port_variable:
        setting = settings.get(bind.port_variable)
        if setting is not None:
            port = int(setting.value) if setting.value.isdigit() and len(setting.value) <= 5 else None
        elif bind.port_variable in service.environment or not complete:
            port = None
    if host in ("", "0.0.0.0", "::", "*"):  # noqa: S104 - nothing is bound here
        host = None
    return Listener(bind=bind, host=host, port=port, sure=sure, served=served)

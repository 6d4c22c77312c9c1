"""Where container engines may listen on this machine: environment and configuration files -> candidates in order.

Reads files, opens no connection. The order is that of the docker CLI (DOCKER_HOST, then the context of the
configuration), then the sockets that the usual installations make.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from imgscan.frozen import frozen

_MAX_CONFIG_BYTES: Final = 1_000_000


@frozen
class Endpoint:
    """One place to try. `origin` says where it comes from, for messages; `tls_dir` holds ca.pem, cert.pem, key.pem."""

    host: str
    origin: str
    tls_dir: Path | None = None
    tls_verify: bool = True


def find_endpoints(host: str | None, environment: Mapping[str, str], home: Path) -> tuple[Endpoint, ...]:
    """The endpoints to try. A host given by the caller, DOCKER_HOST or a docker context is the only one: falling back
    from what the user chose would build on the wrong machine."""
    if host:
        return (_with_environment_tls(host, "given", environment),)
    if environment.get("DOCKER_HOST"):
        return (_with_environment_tls(environment["DOCKER_HOST"], "DOCKER_HOST", environment),)
    context = _context_endpoint(environment, home)
    if context is not None:
        return (context,)
    found = [Endpoint(host=f"unix://{path}", origin=origin) for path, origin in _sockets(environment, home)]
    if environment.get("CONTAINER_HOST"):
        found.append(Endpoint(host=environment["CONTAINER_HOST"], origin="CONTAINER_HOST"))
    return tuple(dict.fromkeys(found))


def _with_environment_tls(host: str, origin: str, environment: Mapping[str, str]) -> Endpoint:
    tls_dir = environment.get("DOCKER_CERT_PATH")
    verify = bool(environment.get("DOCKER_TLS_VERIFY"))
    uses_tls = host.startswith(("tcp://", "https://")) and bool(tls_dir or verify)
    directory = Path(tls_dir) if tls_dir else Path.home() / ".docker"
    return Endpoint(host=host, origin=origin, tls_dir=directory if uses_tls else None, tls_verify=verify)


def _sockets(environment: Mapping[str, str], home: Path) -> list[tuple[Path, str]]:
    runtime = Path(environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    return [
        (Path("/var/run/docker.sock"), "Docker"),
        (runtime / "docker.sock", "rootless Docker"),
        (home / ".docker/run/docker.sock", "Docker Desktop"),
        (home / ".docker/desktop/docker.sock", "Docker Desktop"),
        (home / ".colima/default/docker.sock", "Colima"),
        (home / ".orbstack/run/docker.sock", "OrbStack"),
        (home / ".rd/docker.sock", "Rancher Desktop"),
        (runtime / "podman/podman.sock", "rootless Podman"),
        (Path("/run/podman/podman.sock"), "Podman"),
        (home / ".local/share/containers/podman/machine/podman.sock", "Podman machine"),
    ]


def _context_endpoint(environment: Mapping[str, str], home: Path) -> Endpoint | None:
    """The endpoint of the current docker context; None for the context `default` and for a broken store."""
    directory = Path(environment.get("DOCKER_CONFIG") or home / ".docker")
    name = environment.get("DOCKER_CONTEXT") or _read_json(directory / "config.json").get("currentContext")
    if not isinstance(name, str) or name in ("", "default"):
        return None
    # The store names its folders by the SHA-256 of the context's name (docker/cli, cli/context/store/metadatastore.go).
    key = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    endpoints = _read_json(directory / "contexts" / "meta" / key / "meta.json").get("Endpoints")
    docker = endpoints.get("docker") if isinstance(endpoints, dict) else None
    host = docker.get("Host") if isinstance(docker, dict) else None
    if not isinstance(docker, dict) or not isinstance(host, str) or not host:
        return None
    tls_dir = directory / "contexts" / "tls" / key / "docker"
    return Endpoint(
        host=host,
        origin=f"docker context {name}",
        tls_dir=tls_dir if tls_dir.is_dir() else None,
        tls_verify=not docker.get("SkipTLSVerify"),
    )


def _read_json(path: Path) -> dict[str, Any]:
    """A small JSON object; {} when there is none or it is broken, as the docker CLI goes on then too."""
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(_MAX_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


_ADVICE: Final[tuple[tuple[Callable[[str], bool], str], ...]] = (
    (
        lambda tried: "permission denied" in tried,
        "add yourself to the engine's group (sudo usermod -aG docker $USER, then log in again), or run with sudo",
    ),
    (
        lambda tried: "refused" in tried and ("DOCKER_HOST" in tried or "docker context" in tried),
        "nothing listens there: correct DOCKER_HOST or `docker context use`, or unset it to try this machine's own "
        "engine, or start the engine that it names",
    ),
    (
        lambda tried: "refused" in tried,
        "nothing listens on the socket: start the engine (sudo systemctl start docker, or open Docker Desktop)",
    ),
    (
        lambda tried: "DOCKER_HOST" in tried or "docker context" in tried,
        "correct DOCKER_HOST or `docker context use`, or unset it to try this machine's own engine",
    ),
    (
        lambda tried: True,
        "start an engine (sudo systemctl start docker, podman system service), or install one "
        "(Debian: sudo apt install docker.io), or set DOCKER_HOST",
    ),
)


def advise(tried: Sequence[str]) -> str:
    """What to do when none of the endpoints answered, from what was said of each."""
    text = "; ".join(tried)
    return next(advice for applies, advice in _ADVICE if applies(text))

"""What an engine says of itself, its images and its cache: answers of its API -> records. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from imgscan.frozen import frozen


@frozen
class EngineInfo:
    """What the engine says of itself. `kind` is docker or podman; `store` is the graph driver, or
    `containerd:<snapshotter>`; `cpus` are those of the engine's machine; `platform` is `os/architecture`."""

    kind: str
    version: str
    api_version: str
    store: str
    cpus: int
    platform: str
    root_dir: str


@frozen
class CacheRecord:
    """One record of the engine's build cache, as `docker system df --verbose` lists it. `created_s`: seconds since the
    epoch by the engine's clock."""

    id: str
    kind: str
    description: str
    size_bytes: int
    in_use: bool
    created_s: float


@frozen
class ImageRecord:
    """An image in the engine's list; `parent` is empty but for images of the classic builder and Podman."""

    id: str
    parent: str
    tags: tuple[str, ...]


def read_info(version: Mapping[str, Any], info: Mapping[str, Any]) -> EngineInfo:
    """What `/version` and `/info` say, as a record."""
    components = [str(part.get("Name", "")) for part in version.get("Components") or ()]
    status = {str(row[0]): str(row[1]) for row in info.get("DriverStatus") or () if len(row) == 2}
    driver = str(info.get("Driver") or "unknown")
    containerd = "containerd" in status.get("driver-type", "")
    return EngineInfo(
        kind="podman" if any("podman" in name.lower() for name in components) else "docker",
        version=str(version.get("Version") or "unknown"),
        api_version=str(version.get("ApiVersion") or ""),
        store=f"containerd:{driver}" if containerd else driver,
        cpus=int(info.get("NCPU") or 0),
        platform=f"{version.get('Os', 'linux')}/{version.get('Arch', 'unknown')}",
        root_dir=str(info.get("DockerRootDir") or ""),
    )


def read_time(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time with nanoseconds, as Go writes it; 0 when it is none."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if not found:
        return 0.0
    whole = datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00")).timestamp()
    return whole + float(found[2] or 0)


def short_tag(tag: str) -> str:
    """A tag as the user gave it: Podman puts `localhost/` before names that it built and `docker.io/library/` before
    names that it pulled."""
    return tag.removeprefix("localhost/").removeprefix("docker.io/library/")

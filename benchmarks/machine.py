"""What the figures were taken on: processors, memory, kernel, engine, versions, and how busy the machine was."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgscan import __version__

if TYPE_CHECKING:
    import docker


def facts(client: docker.DockerClient) -> dict[str, Any]:
    """As far as they can be had; `load` is the average of the last minute, before the first run."""
    version, info = client.version(), client.info()
    return {
        "imgscan": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "engine": f"{version.get('Version', '?')}, store {info.get('Driver', '?')}",
        "load": os.getloadavg()[0],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")

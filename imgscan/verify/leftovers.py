"""Taking away what a run put on the engine, and nothing else: everything it made bears its label and its name.

In: the run's name and label. Out: nothing of it on the engine, also after an interrupt in the middle of a call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from imgscan.errors import EngineError
from imgscan.verify.scratch import LABEL

if TYPE_CHECKING:
    from imgscan.engine import Engine

PROJECT_LABEL: Final = "com.docker.compose.project"
_LATE_S: Final = 10.0
_QUIET_S: Final = 1.5
_POLL_S: Final = 0.25


def containers_of(engine: Engine, name: str, label: str) -> dict[str, dict[str, Any]]:
    """The run's containers, running or not, by id: those that bear its label or its project's name."""
    found: dict[str, dict[str, Any]] = {}
    with engine.calling("listing containers"):
        for wanted in (f"{PROJECT_LABEL}={name}", f"{LABEL}={label}"):
            for item in engine.api.containers(all=True, filters={"label": [wanted]}):
                found[str(item["Id"])] = dict(item)
    return found


def names_in_use(engine: Engine, name: str) -> list[str]:
    """What is on the engine under the run's name, before or after the run: kinds and names."""
    return [
        *(f"container {item}" for item in containers_of(engine, name, name)),
        *(f"network {item}" for item in _networks(engine, name)),
        *(f"volume {item}" for item in _volumes(engine, name)),
        *(f"image {item}" for item in engine.tags(f"{name}:")),
    ]


def remove_all(
    engine: Engine, name: str, label: str, *, late: bool, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Remove the run's containers, networks, volumes and images. `late`: a call was cut off, so that the engine may
    still be carrying it out; what comes late is removed too. Raises EngineError when the engine is gone."""
    deadline = time.monotonic() + (_LATE_S if late else 2 * _QUIET_S)
    quiet_since: float | None = None
    while True:
        left = _remove_once(engine, name, label)
        now = time.monotonic()
        quiet_since = None if left else quiet_since or now
        calm = quiet_since is not None and now - quiet_since >= (_QUIET_S if late else 0)
        if calm or now >= deadline:
            return
        sleep(_POLL_S)


def _remove_once(engine: Engine, name: str, label: str) -> int:
    """One round; how many things were there."""
    count = 0
    for container in containers_of(engine, name, label):
        engine.remove_container(container)
        count += 1
    for remove, listed in (
        (engine.api.remove_network, _networks(engine, name)),
        (engine.api.remove_volume, _volumes(engine, name)),
    ):
        for item in listed:
            count += 1
            # What is in use still, or gone already, is left to the next round.
            with suppress(EngineError), engine.calling("tidying up"):
                remove(item)
    for tag in engine.tags(f"{name}:"):
        count += 1
        engine.remove_image(tag)
    return count


def _networks(engine: Engine, name: str) -> Iterator[str]:
    with engine.calling("listing networks"):
        listed = engine.api.networks(filters={"name": [name]})
    return (str(item["Id"]) for item in listed if _is_ours(item, name))


def _volumes(engine: Engine, name: str) -> Iterator[str]:
    with engine.calling("listing volumes"):
        listed = engine.api.volumes(filters={"name": name}).get("Volumes") or ()
    return (str(item["Name"]) for item in listed if _is_ours(item, name))


def _is_ours(item: Mapping[str, Any], name: str) -> bool:
    """The engine's filter finds the name anywhere in another."""
    own = str(item.get("Name") or "")
    return own == name or own.startswith(f"{name}_")

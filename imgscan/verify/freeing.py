"""Files that containers wrote into a copy as another user, made removable. In: a folder of ours and images that are
there. Out: a folder that its owner can remove."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imgscan.errors import EngineError
from imgscan.verify.scratch import LABEL

if TYPE_CHECKING:
    from imgscan.engine import Engine

_WAIT_S: Final = 20


def has_foreign_files(folder: Path, owner: int | None = None) -> bool:
    """Whether something below a folder belongs to somebody else than `owner` (None: us)."""
    mine = os.geteuid() if owner is None else owner
    if mine == 0:
        return False
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            with suppress(OSError):
                if Path(parent, name).lstat().st_uid != mine:
                    return True
    return False


def free_folder(engine: Engine, images: Iterable[str], folder: Path, label: str) -> bool:
    """Let everybody write to all of a folder, by a container as root of the first image that has a `chmod`; whether
    that was done. The folder's parent keeps others out."""
    for image in images:
        with suppress(EngineError):
            if _run(engine, image, folder, label) == 0:
                return True
    return False


def _run(engine: Engine, image: str, folder: Path, label: str) -> int:
    with engine.calling("making files of containers removable"):
        config = engine.api.create_host_config(binds={str(folder): {"bind": "/w", "mode": "rw"}}, network_mode="none")
        made = engine.api.create_container(
            image,
            entrypoint=["chmod"],
            command=["-R", "a+rwX", "/w"],
            user="0",
            host_config=config,
            labels={LABEL: label},
            healthcheck={"test": ["NONE"]},
        )["Id"]
    try:
        with engine.calling("making files of containers removable"):
            engine.api.start(made)
            return int(engine.api.wait(made, timeout=_WAIT_S).get("StatusCode", 1))
    finally:
        engine.remove_container(str(made))

"""What is wrong with an image and its build: pure functions, records in, findings out.

    secrets/        secrets in any bytes: files of layers, configuration, history, build arguments
    packages/       which files belong to packages, by the databases of dpkg, apk, rpm and pip
    cachebust       instructions that make a rebuild do more than the edit needs
    imageconfig     the image's configuration, base image, file modes
    size            layers and files that are too large, bytes shipped but not visible
    leftbehind      caches, junk and development dependencies in the layers

`DETECTORS` names each with the function to call; nothing is imported before it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from imgscan.model import Status

ListedPath = tuple[int, str, int, Status]
"""A path of a layer: layer index, absolute path, size in bytes, what became of it in the layers above."""

DETECTORS: Final = {
    "cachebust": "imgscan.detect.cachebust:detect",
    "imageconfig": "imgscan.detect.imageconfig:detect",
    "filemodes": "imgscan.detect.filemodes:detect",
    "size": "imgscan.detect.size:detect",
    "leftbehind": "imgscan.detect.leftbehind:detect",
    "contextfiles": "imgscan.project.contextfiles:detect",
    "workspace": "imgscan.project.workspace:detect",
}


def load_detector(name: str) -> Callable[..., Any]:
    """The `detect` function of a detector; KeyError for a name that is not in `DETECTORS`."""
    module, _, function = DETECTORS[name].partition(":")
    loaded: Callable[..., Any] = getattr(import_module(module), function)
    return loaded

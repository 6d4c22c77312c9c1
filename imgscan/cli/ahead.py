"""Ask the engine for what a command names before the command's modules are imported, which takes as long as to answer.

In: targets as the user wrote them. Out: a context in which the answers wait to be taken.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

from imgscan.endpoint import find_endpoints
from imgscan.lazyre import lazy_re
from imgscan.quickget import ABOUT_ENGINE, about_image, asked_ahead

_UNIX: Final = "unix://"
_NAME: Final = lazy_re(r"[a-z0-9][\w.-]{0,100}(?:[/:@][\w.-]{1,100}){0,8}", re.ASCII | re.IGNORECASE)
"""What can be an image's name, and no path, URL or transport."""


def asking_for(targets: Sequence[str]) -> AbstractContextManager[None]:
    """Ask for the first target, if it looks like an image of an engine on this machine. Raises nothing: whoever needs
    the answer asks again where there is none."""
    if _NAME.fullmatch(targets[0]) is None:
        return nullcontext()
    for endpoint in find_endpoints(None, os.environ, Path.home()):
        if not endpoint.host.startswith(_UNIX):
            break
        if Path(endpoint.host.removeprefix(_UNIX)).exists():
            return asked_ahead(endpoint.host, (*ABOUT_ENGINE, about_image(targets[0])))
    return nullcontext()

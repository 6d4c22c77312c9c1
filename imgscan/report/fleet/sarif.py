"""A run over a fleet as SARIF: one file an image, as a scan of that image alone writes it.

In: a `FleetReport` and where the images' own reports come from. Out: names of files, safe on any file system, and
their text.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import quote

from imgscan.fleets import FleetImage, FleetReport
from imgscan.lazyre import lazy_re
from imgscan.model import Report
from imgscan.report.sarif import render

_NOT_SAFE: Final = lazy_re(r"[^a-z0-9._-]+")
_MOST_READABLE: Final = 80
_DIGEST: Final = 12


def sarif_files(report: FleetReport, load: Callable[[FleetImage], Report | None]) -> Iterator[tuple[str, str]]:
    """A file name and its text for each image that has a report, in the order of the run; one at a time is held.

    Names and categories are the same from run to run, and no two are the same in one.
    """
    seen: Counter[tuple[str, str]] = Counter()
    for image in report.images:
        key = (image.name, image.platform or "")
        seen[key] += 1
        own = load(image) if image.key else None
        if own is not None:
            yield _file_name(*key, seen[key]), render(own, category=_category(*key, seen[key]))


def _file_name(name: str, platform: str, nth: int) -> str:
    """What can be read of the name, and a digest of all of it: names that differ in case, or in what is left out
    here, are two files everywhere."""
    whole = "\0".join((name, platform, str(nth))).encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(whole).hexdigest()[:_DIGEST]
    readable = _NOT_SAFE.sub("-", f"{name} {platform}".lower().rstrip()).strip("-.")
    # The end has the tag.
    readable = re.sub(r"\.{2,}", ".", readable)[-_MOST_READABLE:].strip("-.")
    return f"{readable or 'image'}-{digest}.sarif"


def _category(name: str, platform: str, nth: int) -> str:
    """An image's own category of results; `;` and `=` are quoted in a name, so that no name is another's category."""
    words = [quote(name, safe="/:@", errors="surrogatepass")]
    words += [f"platform={quote(platform, safe='', errors='surrogatepass')}"] if platform else []
    words += [f"nth={nth}"] if nth > 1 else []
    return ";".join(words)

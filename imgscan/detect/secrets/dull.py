"""Hits that need no second look: what stands there is no secret, whatever its name is.

Programs are full of `token: "operators"`; to find out what exactly is a name and what a value takes twenty times as
long as to see that no such value is worth it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from imgscan.detect.secrets import assignments, generic
from imgscan.detect.secrets.jointly import Searched
from imgscan.detect.secrets.loosened import last_run
from imgscan.detect.secrets.matcher import DullEnd, re2_options

_IS_DULL: Final[Mapping[str, Callable[[bytes], bool]]] = {
    assignments.ENV_ASSIGNMENT: assignments.is_dull,
    generic.GENERIC: generic.is_dull,
}


def dull_ends(entries: Sequence[Searched]) -> dict[int, DullEnd]:
    """For the numbers of what is looked for: whether a hit that ends somewhere can be left out. Of patterns whose
    matches end with the value, so that a hit ends with the least of it."""
    found: dict[int, DullEnd] = {}
    for number, entry in enumerate(entries):
        judge = _IS_DULL.get(entry.rule.id)
        if judge is not None and len(entry.confirming) == 1:
            run = last_run(entry.confirming[0], re2_options())
            if run is not None:
                found[number] = partial(_is_dull, judge, *run)
    return found


def _is_dull(judge: Callable[[bytes], bool], least: int, run: re.Pattern[bytes], data: bytes, end: int) -> bool:
    value = run.match(data, end - least)
    return value is not None and judge(value[0])

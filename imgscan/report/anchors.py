"""Where code forges show a finding: a file of the repository and a line. In: report and finding. Out: `Anchor`.

Forges show a finding beside a line of the repository or not at all; so what lies in a layer is shown at the instruction
of the Dockerfile that made the layer, and only what no line is known for by its path in the image.
"""

from __future__ import annotations

import posixpath
from pathlib import PurePath

from imgscan.frozen import frozen
from imgscan.model import Finding, Place, Report

_OF_THE_PROJECT = frozenset({Place.CONTEXT, Place.DOCKERFILE, Place.COMPOSE, Place.SCRIPT})


@frozen
class Anchor:
    """`path` is relative with slashes, without `.` and `..`; `in_image`: it is one of the image, not of the
    repository."""

    path: str
    line: int
    in_image: bool = False


def anchor(report: Report, finding: Finding) -> Anchor:
    """The best place to show a finding at."""
    location = finding.location
    folder = _folder(report)
    if location.dockerfile is not None:
        return Anchor(path=_inside(folder, location.dockerfile.file), line=location.dockerfile.line)
    if location.place in _OF_THE_PROJECT and location.path:
        return Anchor(path=_inside(folder, location.path), line=location.line or 1)
    if location.path and not report.target.dockerfile:
        return Anchor(path=_inside("", location.path), line=location.line or 1, in_image=True)
    return anchor_of_image(report)


def anchor_of_image(report: Report) -> Anchor:
    """Where to show what is said of the image as a whole."""
    if report.target.dockerfile:
        return Anchor(path=_inside(_folder(report), report.target.dockerfile), line=1)
    return Anchor(path=_inside("", report.target.ref), line=1, in_image=True)


def _folder(report: Report) -> str:
    """The context as the user named it, where that can be a folder of the repository: imgscan runs at its root."""
    ref = report.target.ref
    if report.target.kind not in ("build", "context") or PurePath(ref).is_absolute() or ".." in PurePath(ref).parts:
        return ""
    return ref


def _inside(folder: str, path: str) -> str:
    parts = [part for part in posixpath.join(folder, path.lstrip("/")).split("/") if part not in ("", ".", "..")]
    return "/".join(parts) or "unknown"

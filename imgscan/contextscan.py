"""The build context searched for secrets: every file that reaches the engine, and the Dockerfile by instruction.

In: a `BuildContext` and its parsed Dockerfile. Out: located hits and how much was read. Links are not followed: what
they point to is not sent either.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import field

from imgscan.coverage import LeftOut
from imgscan.detect.secrets.documents import dockerfile_documents, scan_documents
from imgscan.detect.secrets.findings import LocatedHit
from imgscan.detect.secrets.marks import mark_at_line
from imgscan.detect.secrets.names import NameSearch
from imgscan.detect.secrets.scanner import SecretHit, SecretScanner
from imgscan.dockerfile.context import BuildContext, ContextFile
from imgscan.dockerfile.tree import Dockerfile
from imgscan.escape import path_text
from imgscan.frozen import frozen
from imgscan.model import Coverage, EntryKind, Location, NotRead, Place, SourceLine
from imgscan.progress import Progress


@frozen
class ContextScan:
    """Secrets of the context and of the Dockerfile, and what was read for it."""

    hits: tuple[LocatedHit, ...] = field(repr=False)
    coverage: Coverage


def scan_context(
    context: BuildContext, dockerfile: Dockerfile, scanner: SecretScanner, progress: Progress
) -> ContextScan:
    """Search the Dockerfile and every file of the context. A file that cannot be read is in `coverage.not_read`."""
    hits = list(_dockerfile_hits(dockerfile, scanner))
    not_read = LeftOut()
    size = entries = 0
    names = NameSearch(scanner, lambda reason: not_read.add(NotRead(where="names of files", bytes=0, reason=reason)))
    for number, file in enumerate(context.files, start=1):
        target = None if file.link_target is None else os.fsencode(file.link_target)
        names.add(os.fsencode(file.path), target, is_directory=file.kind is EntryKind.DIRECTORY)
        if file.kind is not EntryKind.FILE or file.path == context.dockerfile:
            continue
        shown = path_text(os.fsencode(file.path))
        progress.update(f"searching the build context: {number} of {len(context.files)}")
        try:
            found = _scan_file(context, file, shown, scanner, not_read)
        except OSError as error:
            not_read.add(NotRead(where=shown, bytes=file.size_bytes, reason=error.strerror or "cannot be read"))
            continue
        size += file.size_bytes
        entries += 1
        hits.extend(
            LocatedHit(
                hit=hit,
                location=Location(
                    place=Place.CONTEXT,
                    path=hit.path_in(shown),
                    line=hit.line,
                    inside=hit.members,
                    mark=hit.mark or None,
                ),
            )
            for hit in found
        )
    names.finish()
    hits.extend(
        LocatedHit(hit=hit, location=Location(place=Place.CONTEXT, path=path_text(path))) for path, hit in names.hits
    )
    return ContextScan(hits=tuple(hits), coverage=not_read.coverage(size_bytes=size, entries=entries))


def _scan_file(
    context: BuildContext, file: ContextFile, shown: str, scanner: SecretScanner, not_read: LeftOut
) -> list[SecretHit]:
    # A file may have become a link or a pipe since the context was listed: neither is followed or waited for.
    handle = os.open(context.root / file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as content:
        return scanner.scan(
            content.read,
            path=shown,
            size=file.size_bytes,
            note=lambda reason: not_read.add(NotRead(where=shown, bytes=0, reason=reason)),
        )


def _dockerfile_hits(dockerfile: Dockerfile, scanner: SecretScanner) -> Iterator[LocatedHit]:
    for document, hit in scan_documents(scanner, dockerfile_documents(dockerfile)):
        line = hit.line
        location = Location(
            place=Place.DOCKERFILE,
            path=document.path,
            line=line,
            dockerfile=SourceLine(file=dockerfile.file, line=document.line or line),
            mark=hit.mark or mark_at_line(dockerfile.text, line, hit.rule.id) or None,
        )
        yield LocatedHit(hit=hit, location=location)

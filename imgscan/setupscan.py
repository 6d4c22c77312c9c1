"""What stands around the image searched for secrets: compose files, examples of variables, scripts.

In: a `Setup` and which of its files were searched already. Out: located hits. Real files of variables are left out:
that is where secrets belong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from imgscan.detect.secrets.assignments import ENV_ASSIGNMENT
from imgscan.detect.secrets.documents import Document, compose_documents, env_file_documents, scan_documents
from imgscan.detect.secrets.findings import LocatedHit
from imgscan.detect.secrets.marks import mark_at_line
from imgscan.detect.secrets.scanner import SecretHit, SecretScanner
from imgscan.detect.secrets.uris import URI_CREDENTIALS
from imgscan.model import Location, Place
from imgscan.project.setup import Setup
from imgscan.project.shell.records import ShellKind


def scan_setup(setup: Setup, scanner: SecretScanner, taken: Collection[str] = ()) -> tuple[LocatedHit, ...]:
    """The secrets of all these files but those `taken`, in the order of the files."""
    return tuple(_hits(setup, scanner, frozenset(taken)))


def _hits(setup: Setup, scanner: SecretScanner, taken: frozenset[str]) -> Iterator[LocatedHit]:
    judged = _variables(setup)
    for path in dict.fromkeys(path for project in setup.composes for path in project.files):
        if (text := _text(setup, path, taken)) is not None:
            for each in _located(text, scan_documents(scanner, compose_documents(text, path))):
                if not _leads_inside(each.hit) or (path, each.location.line) not in judged:
                    yield each
    for path in (env.path for env in setup.envs if env.example):
        if (text := _text(setup, path, taken)) is not None:
            documents = env_file_documents(text, path, place=Place.COMPOSE)
            yield from _located(text, scan_documents(scanner, documents))
    for path in dict.fromkeys(shell.file for shell in setup.shells if shell.kind is ShellKind.SCRIPT):
        if (text := _text(setup, path, taken)) is not None:
            document = Document(place=Place.SCRIPT, path=path, text=text.encode("utf-8", "surrogateescape"), line=1)
            yield from _located(text, scan_documents(scanner, (document,)))


def _variables(setup: Setup) -> frozenset[tuple[str, int]]:
    """File and line of every variable of a service, whose credentials `project.exposure` judges."""
    services = (service for project in setup.composes for service in project.services.values())
    return frozenset((var.at.file, var.at.line) for each in services for var in each.environment.values())


def _leads_inside(hit: SecretHit) -> bool:
    """Whether it is the password of a URI whose host is a name without a dot: another service."""
    return hit.rule.id == URI_CREDENTIALS and "." not in (hit.context or "").rpartition("@")[2]


def _text(setup: Setup, path: str, taken: frozenset[str]) -> str | None:
    return None if path in taken else setup.tree.text(path)


def _located(text: str, found: Iterator[tuple[Document, SecretHit]]) -> Iterator[LocatedHit]:
    for document, hit in found:
        # Values that only their name makes secret are judged where it is known what reads them (`project.exposure`).
        if hit.rule.id == ENV_ASSIGNMENT:
            continue
        location = Location(
            place=document.place,
            path=document.path,
            line=hit.line,
            mark=hit.mark or mark_at_line(text, hit.line, hit.rule.id) or None,
        )
        yield LocatedHit(hit=hit, location=location)

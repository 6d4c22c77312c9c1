"""Mitigations in the project's own words: names from what is at stake, steps from what the findings ask for. Pure.

In: `Stakes`, findings, texts of the catalogue with `<<name>>`. Out: texts; those that are commands can be pasted.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from imgscan.lazyre import lazy_re
from imgscan.model import Finding
from imgscan.risk.catalog import default_names

if TYPE_CHECKING:
    from imgscan.project.stakes import Stakes, Store

_NAME: Final = lazy_re(r"<<(\w+)>>")
_PLAIN: Final = lazy_re(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FOUND_BY_COMPOSE: Final = frozenset({"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"})
_REHEARSES: Final = lazy_re(r"verif|check|drill|rehears|test", re.IGNORECASE)
_MOST_STEPS: Final = 12


def names_of(stakes: Stakes | None) -> Mapping[str, str]:
    """What stands for each `<<name>>`; of the project's own names only those that need no quotes in a command."""
    return {**default_names(), **(dict(_own_names(stakes)) if stakes is not None else {})}


def with_names(text: str, names: Mapping[str, str]) -> str:
    """A text of the catalogue with every name in it replaced."""
    return _NAME.sub(lambda match: names[match[1]], text)


def steps_of(findings: Iterable[Finding]) -> tuple[str, ...]:
    """What the findings ask for, the worst first, each text once; `imgscan` JSON has more than twelve by finding."""
    ranked = sorted(findings, key=lambda f: (-f.severity.rank, f.rule_id, f.location.path or "", f.location.line or 0))
    texts = dict.fromkeys(" ".join(f.fix.text.split()) for f in ranked)
    return tuple(texts)[:_MOST_STEPS]


def _own_names(stakes: Stakes) -> Iterator[tuple[str, str]]:
    if stakes.compose_files:
        yield "compose", " ".join(("docker compose", *_file_options(stakes.compose_files[0])))
    store = next(iter(stakes.lasting or stakes.stores), None)
    if store is not None:
        yield from _names_of_store(store)
    apps = [service for service, _ in stakes.built if _PLAIN.fullmatch(service)]
    app = next((service for service in apps if service in stakes.needed), next(iter(apps), None))
    if app is not None:
        yield "app", app
        dockerfile = dict(stakes.built)[app]
        file = "" if dockerfile == "Dockerfile" else f" -f {shlex.quote(dockerfile)}"
        yield "report", f"imgscan build-report .{file}"
        yield "rebuild", f"imgscan rebuild .{file}"
    if stakes.examples:
        yield "example", shlex.quote(stakes.examples[0])
    if stakes.backups:
        yield "backup", shlex.quote(stakes.backups[0])
    rehearsal = next((path for path in stakes.restores if _REHEARSES.search(path.rpartition("/")[2])), None)
    if rehearsal is not None:
        yield "rehearsal", shlex.quote(rehearsal)


def _names_of_store(store: Store) -> Iterator[tuple[str, str]]:
    if _PLAIN.fullmatch(store.service):
        yield "store", store.service
    if store.port is not None:
        yield "port", str(store.port)
    if store.volume is not None and _PLAIN.fullmatch(store.volume):
        yield "volume", f"the volume {store.volume}"


def _file_options(files: tuple[str, ...]) -> Iterator[str]:
    """`-f` for every file, none for the one that compose finds by itself."""
    if len(files) == 1 and files[0] in _FOUND_BY_COMPOSE:
        return
    for file in files:
        yield f"-f {shlex.quote(file)}"

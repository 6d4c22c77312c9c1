"""Stores that nothing in the project backs up. In: a `Setup`. Out: findings, with scripts for PostgreSQL as a patch."""

from __future__ import annotations

import re
from collections.abc import Iterator

from imgscan.model import Evidence, Finding, Fix
from imgscan.project.backup.jobs import backup_services, find_jobs
from imgscan.project.data.places import in_compose
from imgscan.project.data.stores import Stateful, stateful_services
from imgscan.project.data.templates import backup_script, restore_script
from imgscan.project.mendfiles import patch_of_files
from imgscan.project.setup import Setup
from imgscan.rulebook import make_finding


def detect(setup: Setup) -> Iterator[Finding]:
    """One finding for the project: the first store, with the others named."""
    stores = [one for one in stateful_services(setup) if one.records and one.holder is not None]
    if not stores or backup_services(setup) or any(not job.restores for job in find_jobs(setup)):
        return
    if any(
        re.search(r"backup", path.rpartition("/")[2], re.I) and path.endswith((".py", ".js", ".ts", ".rb", ".go"))
        for path in setup.tree.files
    ):
        return
    first = stores[0]
    names = sorted({f"{one.service.name} ({one.store.name})" for one in stores})
    yield make_finding(
        "data-no-backup",
        message=f"nothing in the project backs up {', '.join(names[:5])}.",
        location=in_compose(first.service.at),
        evidence=Evidence.ABSENT,
        identity=(first.service.at.file, *names),
        fix=Fix(
            text=f"Add a script that dumps {first.service.name} to a file outside of its volume, checks it, and one "
            "that restores it; run both.",
            patch=_scripts(setup, first) if first.store.name == "PostgreSQL" else None,
        ),
    )


def _scripts(setup: Setup, stateful: Stateful) -> str | None:
    files, service = stateful.compose.files, stateful.service.name
    new = {
        "scripts/backup.sh": backup_script(files, service),
        "scripts/restore.sh": restore_script(files, service),
    }
    return patch_of_files(setup, {}, new) if re.fullmatch(r"[\w.-]+", service) else None

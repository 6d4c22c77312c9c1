"""`--verify`: options in, what the proofs showed out; nothing at all unless it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from imgscan.engine import Engine

if TYPE_CHECKING:
    from imgscan.cli.session import Session
    from imgscan.cli.setup import OpenedSetup
    from imgscan.verify.run import Verified


def run_proofs(params: Mapping[str, Any], session: Session, setup: OpenedSetup) -> Verified:
    """Every proof that applies to the project, if `--verify` was given. Raises InputError for a project that is too
    large to copy."""
    from imgscan.verify.run import Verified, Wanted, verify

    if not params["verify"]:
        return Verified(verifications=(), faults=())
    wanted = Wanted(
        root=params["context"],
        connect=Engine.connect,
        compose_files=setup.setup.composes[0].files if params["compose_files"] and setup.setup.composes else (),
        profiles=params["profiles"],
        bases=dict(params["base_images"]),
        network=params["network"],
    )
    return verify(wanted, session.progress, session.redactor.clean)

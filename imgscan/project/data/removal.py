"""Which volumes a call to the engine deletes. In: `EngineCall`. Out: what kind of volumes, and their names if it says.

`docker compose down --help`: "-v, --volumes  Remove named volumes declared in the "volumes" section of the Compose file
and anonymous volumes attached to containers"; `rm -v` and `up -V` are about anonymous ones alone.
"""

from __future__ import annotations

from enum import StrEnum

from imgscan.frozen import frozen
from imgscan.project.shell.enginewords import EngineCall


class Removes(StrEnum):
    """Which volumes: those that compose manages, anonymous ones, ones that are named, all that no container uses."""

    MANAGED = "managed"
    ANONYMOUS = "anonymous"
    NAMED = "named"
    UNUSED = "unused"


@frozen(kw_only=False)
class Removal:
    """`names` are the volumes as written, with NULs for what is not known."""

    removes: Removes
    names: tuple[str, ...] = ()


def removal(call: EngineCall) -> Removal | None:
    """What the call deletes; None when it deletes no volume, or is a rehearsal (`--dry-run`)."""
    if call.has("--dry-run") or any(name == "--dry-run" for name, _ in call.globals) or call.has("--help", "-h"):
        return None
    if call.compose:
        return _compose(call)
    match call.verb:
        case "volume rm" | "volume remove":
            return Removal(Removes.NAMED, call.arguments) if call.arguments else None
        case "volume prune":
            return Removal(Removes.UNUSED)
        case "system prune" if call.has("--volumes"):
            return Removal(Removes.UNUSED)
    return None


def _compose(call: EngineCall) -> Removal | None:
    if call.verb == "down" and call.has("-v", "--volumes"):
        return Removal(Removes.MANAGED)
    if (call.verb == "rm" and call.has("-v", "--volumes")) or (
        call.verb in ("up", "create", "run") and call.has("-V", "--renew-anon-volumes")
    ):
        return Removal(Removes.ANONYMOUS)
    return None

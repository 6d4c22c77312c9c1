"""What `down -v` would delete, by asking compose without doing it. In: the scratch project. Out: a proof for every
service that keeps data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from imgscan.lazyre import lazy_re
from imgscan.project.compose.records import ComposeProject
from imgscan.project.data.storetable import load_stores
from imgscan.project.setup import Setup
from imgscan.project.stakes import stakes_of
from imgscan.verify.bench import Bench
from imgscan.verify.proofs import Proofs
from imgscan.verify.scratch import Terms, make_scratch, services_of
from imgscan.verify.stackproofs import Scene

_REMOVING: Final = lazy_re(r"Volume\s+\"?(\S+?)\"?\s+Remov")


def keepers(setup: Setup, project: ComposeProject) -> tuple[str, ...]:
    """The services that keep data which exist nowhere else: by their image, or by a volume where a store's data lie."""
    paths = {path for store in load_stores() if store.keeps == "record" for path in (store.data, *store.volumes)}
    lasting = {store.service for store in stakes_of(setup).lasting}
    return tuple(
        sorted(
            name
            for name, service in project.services.items()
            if name in lasting
            or any(mount.kind == "volume" and mount.target.rstrip("/") in paths for mount in service.mounts)
        )
    )


def prove_volumes(bench: Bench, scene: Scene, proofs: Proofs, terms: Terms) -> None:
    """Ask for the volumes that would go, under the scratch project's names: should a compose take `--dry-run` for
    something else, it finds nothing to delete."""
    stores = [name for name in keepers(scene.setup, scene.project) if name in services_of(scene.config)]
    if not stores:
        return
    with proofs.timed():
        scratch = make_scratch(scene.config, terms)
        file = bench.work / "volumes.json"
        file.write_text(json.dumps(scratch.document), encoding="utf-8")
        words = ("-p", bench.name, "-f", str(file), "--env-file", "/dev/null", "down", "-v", "--dry-run")
        ran = bench.compose.run(*words, timeout_s=60)
        if ran.code != 0:
            proofs.unverified("data-volumes", f"compose has no dry run: {' '.join(ran.text.split())[-300:]}")
            return
        going = set(_REMOVING.findall(ran.text))
        for service in stores:
            _judge(scene, service, _named_volumes(services_of(scene.config)[service]), going, scratch.volumes, proofs)


def _judge(
    scene: Scene, service: str, keys: list[str], going: set[str], names: Mapping[str, str], proofs: Proofs
) -> None:
    file, line = scene.line(service)
    lost = [key for key in keys if names.get(key) in going]
    if lost:
        evidence = f"`down -v` deletes {', '.join(lost)}, where {service} keeps its data"
        proofs.failed("data-volumes", evidence, service, file=file, line=line)
    elif keys:
        proofs.passed("data-volumes", f"`down -v` leaves {', '.join(keys)} alone", service)
    else:
        proofs.unverified("data-volumes", "its data are in no volume with a name, which no dry run lists", service)


def _named_volumes(service: Mapping[str, Any]) -> list[str]:
    mounts = service.get("volumes") or ()
    return [str(m["source"]) for m in mounts if isinstance(m, dict) and m.get("type") == "volume" and m.get("source")]

"""The nouns of a fleet: images that are wanted, the layers that have to be read for them, what came of it, and the
report of a run.

Nothing here holds a credential, and nothing a secret: tasks and outcomes travel through a scheduler, the rest lies in a
database.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import Final

import msgspec

from imgscan.frozen import frozen
from imgscan.model import Digest, Severity, Verdict

FLEET_SCHEMA: Final = "1.0"
"""Of the JSON that a run is told in."""


@frozen
class Wanted:
    """An image to look at. `ref` is what `imgscan scan` takes, `name` what it is called from run to run (no digest in
    it, unless the user named one), `platform` None for the one that a scan would take. `source` is the argument that
    gave it, `team` whose it is ("": nobody's), by label or by path where the plan knows better."""

    ref: str
    name: str
    source: str
    platform: str | None = None
    team: str = ""


@frozen
class NotListed:
    """A part of the sources that could not be listed: the run is not complete without it."""

    source: str
    reason: str


# A msgspec Struct: pickled small, and the same through a process pool and a scheduler.
class BlobToRead(msgspec.Struct, frozen=True, kw_only=True):
    """One layer of a task. `blob` is the `LayerBlob.name` ("": it has none before it was read), `diff_id` what the
    image's configuration says it is, `digest` what the manifest says, `size_bytes` how large it is where it lies (0:
    not known). `is_kept`: its result is there, or is to be had of another blob, and all that is to be seen is whether
    it is that layer; `proof` then says by whose word it is so far (see `plan.proof_of`)."""

    blob: str
    diff_id: str
    digest: str | None
    size_bytes: int
    is_kept: bool = False
    proof: str = ""


class LayerTask(msgspec.Struct, frozen=True, kw_only=True):
    """Layers to read from one image: of a registry one at a time, of everything else all that are needed, since these
    are read from front to back. `ref` is pinned to a digest where there is one; `host` is the registry ("": none).
    `version` is that of imgscan and its rules, those of `rule_files` included: a worker of another one refuses.
    `seal_key` makes identities of secrets that could be guessed; `bytes_per_s` bounds what is asked of the host (0:
    nothing does)."""

    ref: str
    kind: str
    platform: str | None
    host: str
    blobs: tuple[BlobToRead, ...]
    version: str
    seal_key: bytes
    unpack: bool = True
    rule_files: tuple[str, ...] = ()
    insecure_hosts: tuple[str, ...] = ()
    bytes_per_s: int = 0

    @property
    def size_bytes(self) -> int:
        """What there is to read."""
        return sum(blob.size_bytes for blob in self.blobs)


class SealedLayer(msgspec.Struct, frozen=True, kw_only=True):
    """A layer's result without a secret in it: `diff_id` as computed, `summary` a packed `KeptLayer`, `blocks` those of
    its listing. `size_bytes` counts both."""

    diff_id: str
    summary: bytes
    blocks: tuple[bytes, ...]

    @property
    def size_bytes(self) -> int:
        """How much there is to keep."""
        return len(self.summary) + sum(map(len, self.blocks))


class LayerOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one layer of a task. `sealed` is None where the result is kept already, and where there is none that
    other images may use, and `why`: a secret in a file's name, content that is not what the configuration says; images
    with that layer are then scanned one by one. `read_bytes` were read where it lies, `digest` is what they were."""

    blob: BlobToRead
    sealed: SealedLayer | None
    read_bytes: int
    seconds: float
    why: str = ""
    digest: str | None = None


class Origin(StrEnum):
    """Where the result of an image came from."""

    NEW = "new"  # put together in this run
    KEPT = "kept"  # the same image was looked at before, with the same rules
    FAILED = "failed"  # it could not be looked at


class Change(StrEnum):
    """What a finding is to the run before."""

    NEW = "new"
    STANDING = "standing"
    FIXED = "fixed"


@frozen
class FleetFinding:
    """A finding of an image, over time; times are ISO in UTC. `layer` is the diffID of the layer that ships it ("":
    none does); `first_run`: the image was never looked at before, so that it is `NEW` to nobody but the store. An
    `accepted` one forbids nothing."""

    image: str
    team: str
    fingerprint: str
    rule_id: str
    severity: Severity
    message: str
    change: Change
    first_seen: str
    last_seen: str
    fixed_at: str | None = None
    layer: str = ""
    first_run: bool = False
    accepted: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is there and nobody has accepted it."""
        return self.change is not Change.FIXED and not self.accepted

    @property
    def is_news(self) -> bool:
        """Whether it is there since this run, in an image that earlier runs have seen without it."""
        return self.is_open and self.change is Change.NEW and not self.first_run


@frozen
class FleetImage:
    """An image of the run. `key` finds its report in the store ("" if it failed), `error` says why it failed. `counts`
    are its open findings by severity, `base` the diffID of the last layer of its base image ("": not known), `layers`
    its diffIDs base first; `created` is what its configuration says (ISO, "": nothing)."""

    name: str
    ref: str
    team: str
    origin: Origin
    platform: str | None = None
    digest: Digest | None = None
    key: str = ""
    error: str = ""
    complete: bool = False
    verdict: Verdict | None = None
    size_bytes: int = 0
    reclaimable_bytes: int = 0
    counts: tuple[tuple[Severity, int], ...] = ()
    base: str = ""
    layers: tuple[str, ...] = ()
    created: str = ""


@frozen
class SharedLeak:
    """One layer with secrets that several images have: mend it once. `base` says that it belongs to their base image;
    `instruction` is what made it, in few words; `findings` are (fingerprint, rule, severity, message) of it."""

    layer: str
    images: tuple[str, ...]
    findings: tuple[tuple[str, str, Severity, str], ...]
    instruction: str = ""
    base: bool = False


@frozen
class BaseImage:
    """What several images are built on: `layer` is its last one, `names` what an image of the run of just these layers
    is called. `findings` counts those that its layers ship, by severity; `created` the newest and oldest of the images
    built on it (ISO)."""

    layer: str
    names: tuple[str, ...]
    images: tuple[str, ...]
    findings: tuple[tuple[Severity, int], ...] = ()
    size_bytes: int = 0
    created: tuple[str, str] = ("", "")


@frozen
class FleetFigures:
    """What a run had to do: layers over all images, distinct ones, those whose results were kept, those read; bytes as
    they lie in the sources."""

    images: int = 0
    images_kept: int = 0
    images_failed: int = 0
    layers: int = 0
    layers_distinct: int = 0
    layers_kept: int = 0
    layers_read: int = 0
    bytes_distinct: int = 0
    bytes_read: int = 0
    seconds: float = 0.0


@frozen
class FleetReport:
    """A run over a fleet: images by name, findings by severity, then rule and image. `run` is its number in the store,
    times are ISO in UTC. `complete`: every image was looked at as a whole."""

    schema_version: str = FLEET_SCHEMA
    run: int
    started_at: str
    finished_at: str
    version: str
    rule_packs: tuple[str, ...]
    complete: bool
    images: tuple[FleetImage, ...]
    findings: tuple[FleetFinding, ...]
    shared: tuple[SharedLeak, ...]
    bases: tuple[BaseImage, ...]
    figures: FleetFigures
    not_listed: tuple[NotListed, ...] = ()
    notes: tuple[str, ...] = field(default=())

"""The closed vocabularies of the report: every word a field of an enumerated kind may be.

`imgscan.model` gives them on; import them from there.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """How bad it is if the finding is right; ordered by `rank`."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """4 for critical down to 0 for info."""
        return _SEVERITY_RANK[self]


_SEVERITY_RANK: Final = {s: 4 - i for i, s in enumerate(Severity)}


class Confidence(StrEnum):
    """How likely the finding is right."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def lowered(self) -> Confidence:
        """One step less sure; low stays low."""
        return Confidence.MEDIUM if self is Confidence.HIGH else Confidence.LOW


class Evidence(StrEnum):
    """What stands behind a finding, weakest first: a missing guard, known-bad text, a simulation of the project's own
    files, something seen in the image, something a run showed."""

    ABSENT = "absent"
    PATTERN = "pattern"
    DERIVED = "derived"
    OBSERVED = "observed"
    PROVEN = "proven"


class Status(StrEnum):
    """What became of a path of a layer in the layers above it."""

    VISIBLE = "visible"
    OVERWRITTEN = "overwritten"
    DELETED = "deleted"


class Validity(StrEnum):
    """What offline checks (checksums, structure) say of a secret."""

    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "unknown"


class Place(StrEnum):
    """Where a finding lies."""

    FILE = "file"
    ENV = "env"
    HISTORY = "history"
    LABEL = "label"
    CMD = "cmd"
    ENTRYPOINT = "entrypoint"
    HEALTHCHECK = "healthcheck"
    ONBUILD = "onbuild"
    CONFIG = "config"
    ATTESTATION = "attestation"
    CONTEXT = "context"
    DOCKERFILE = "dockerfile"
    COMPOSE = "compose"
    SCRIPT = "script"
    BUILD = "build"


class AcceptedBy(StrEnum):
    """What says that a finding does not count."""

    BASELINE = "baseline"
    ALLOWLIST = "allowlist"
    INLINE = "inline"


class EntryKind(StrEnum):
    """What a tar entry of a layer is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    DEVICE = "device"
    FIFO = "fifo"


class WasteCause(StrEnum):
    """Why bytes of a layer are not visible in the image."""

    OVERWRITTEN = "overwritten"
    DELETED = "deleted"
    OPAQUE = "opaque"
    METADATA_ONLY = "metadata-only"
    TYPE_CHANGED = "type-changed"
    DUPLICATE = "duplicate"


class Verdict(StrEnum):
    """May it merge?"""

    GO = "GO"
    NO_GO = "NO-GO"

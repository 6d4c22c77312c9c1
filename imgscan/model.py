"""The nouns of imgscan: frozen records that every stage takes and gives.

Nothing here does input or output. Everything reachable from `Report` is serialisable by msgspec, and the
published JSON Schema (`imgscan schema report`) is generated from it, so a field added here is a field of the report.
Sizes are bytes (`*_bytes`), times are seconds (`*_s`, `seconds`), layer indices count from the base upwards from 0,
lines count from 1.
"""

from __future__ import annotations

from typing import Final, NewType

from imgscan import coverage, directories, editcosts, patches, risks, sourcetext, terms, verification
from imgscan.frozen import frozen

Digest = NewType("Digest", str)
"""`algorithm:hex`, e.g. `sha256:9f86…`, as in the OCI image specification."""

SCHEMA_VERSION: Final = "1.0"

AcceptedBy = terms.AcceptedBy
BustedBy = editcosts.BustedBy
Confidence = terms.Confidence
Coverage = coverage.Coverage
DirectoryReport = directories.DirectoryReport
DirectoryShare = directories.DirectoryShare
EditCosts = editcosts.EditCosts
EntryKind = terms.EntryKind
Evidence = terms.Evidence
NotRead = coverage.NotRead
Outcome = verification.Outcome
PatchProof = patches.PatchProof
Place = terms.Place
Risk = risks.Risk
RiskCounts = risks.RiskCounts
RiskSummary = risks.RiskSummary
Severity = terms.Severity
Skipped = coverage.Skipped
SourceExcerpt = sourcetext.SourceExcerpt
Status = terms.Status
Validity = terms.Validity
Verdict = terms.Verdict
Verification = verification.Verification
Waiver = risks.Waiver
WasteCause = terms.WasteCause


@frozen
class SourceLine:
    """A line of a file of the project."""

    file: str
    line: int


@frozen
class Instruction:
    """One Dockerfile instruction.

    `stage` is the stage's index (-1: before the first FROM), `ordinal` its place in the stage, FROM being 1. `text` is
    the instruction in one line, continuations joined, without comments; `line`..`end_line` is its span, heredocs
    included.
    """

    stage: int
    ordinal: int
    keyword: str
    text: str
    file: str
    line: int
    end_line: int


@frozen
class Location:
    """Where a finding lies: a path of a layer, a line of a project file, an entry of the image's configuration.

    `inside` names the nested archives' members on the way to the bytes; `status` is what became of the path in later
    layers. `mark` is the comment beside a secret that asks to ignore it, whether or not that counts there.
    """

    place: Place
    layer: int | None = None
    path: str | None = None
    line: int | None = None
    dockerfile: SourceLine | None = None
    inside: tuple[str, ...] = ()
    status: Status | None = None
    mark: str | None = None


@frozen
class Accepted:
    """Why a finding does not count: `by` what, the `reason` given there, and until when (an ISO date, inclusive; None:
    for good)."""

    by: AcceptedBy
    reason: str
    expires: str | None = None


@frozen
class Fix:
    """What to do about a finding; `patch` is a unified diff where one can be made."""

    text: str
    patch: str | None = None


@frozen
class Finding:
    """One thing that is wrong.

    `fingerprint` stays equal when lines move; it never holds, and never allows to confirm, a short secret.
    `excerpt` is redacted. `places` lists every place of the same thing, `location` is the first of them. One that is
    `accepted` stays in the report, but forbids nothing.
    """

    rule_id: str
    severity: Severity
    confidence: Confidence
    evidence: Evidence
    risk_id: str | None
    message: str
    fingerprint: str
    location: Location
    fix: Fix
    places: tuple[Location, ...] = ()
    status: Status | None = None
    validity: Validity | None = None
    excerpt: str | None = None
    accepted: Accepted | None = None


@frozen
class Interval:
    """A stretch of wall clock time, seconds since the epoch."""

    start_s: float
    end_s: float


@frozen
class Step:
    """One step of a build that belongs to the user: FROM, RUN, COPY, ADD, WORKDIR (and, in the classic builder, every
    instruction).

    `stage` is the stage's name or index as text, `ordinal` the step's number within the stage's numbered steps,
    `line` the Dockerfile line it comes from (None if it could not be attributed). `seconds` is the sum of its
    intervals. `inputs` are indices into `BuildTrace.steps` of the steps it waits for. `layer_bytes` is what it adds to
    the image, uncompressed; None if it adds no layer or that is not known.
    """

    stage: str
    ordinal: int
    instruction: str
    line: int | None
    cached: bool
    seconds: float
    intervals: tuple[Interval, ...] = ()
    inputs: tuple[int, ...] = ()
    error: str | None = None
    log: str = ""
    layer_bytes: int | None = None


@frozen
class BuildFailure:
    """Why a build failed: the step, the engine's words, the log lines that matter, and the cause when it is known.
    `unreachable`: a registry did not give the engine a base image or a frontend, so that nothing was built and nothing
    is said of the Dockerfile."""

    step: str
    line: int | None
    message: str
    log: tuple[str, ...]
    cause: str | None = None
    rule_id: str | None = None
    unreachable: bool = False


@frozen
class BuildTrace:
    """One build, as the engine told it. `seconds` is the wall clock time of the whole request, `export_s` that of
    writing layers and image (None: the builder does not tell)."""

    builder: str
    steps: tuple[Step, ...]
    seconds: float
    image_id: str | None
    failure: BuildFailure | None = None
    warnings: tuple[str, ...] = ()
    export_s: float | None = None


@frozen
class Timing:
    """One rebuild scenario: what was touched, how long each repeat took, which steps were cached.

    `steps` are those of the median repeat; `steps_total` and `steps_cached` count the user's steps without FROM.
    `spread_s` is the largest minus the smallest repeat. `critical_path` are indices into `steps`: the chain of steps
    that ran, each waiting for the one before, that ended last; `critical_s` is from its start to its end. `export_s`:
    see `BuildTrace`.
    """

    name: str
    touched: str | None
    seconds: tuple[float, ...]
    median_s: float
    spread_s: float
    steps_total: int
    steps_cached: int
    steps: tuple[Step, ...]
    busted_by: BustedBy | None = None
    critical_path: tuple[int, ...] = ()
    critical_s: float = 0.0
    export_s: float | None = None


@frozen
class Bust:
    """A step that a source edit re-ran although it need not: the instruction to blame and what it costs."""

    scenario: str
    blamed: BustedBy
    step: str
    step_line: int | None
    seconds: float


@frozen
class CacheMetrics:
    """What the scenarios say of the build cache. Ratios are cached user steps over user steps, 0 to 1."""

    source_hit_ratio: float | None
    lockfile_hit_ratio: float | None
    wasted_seconds_per_source_edit: float | None
    busts: tuple[Bust, ...] = ()


@frozen
class BuildInfo:
    """How the image was built and rebuilt."""

    builder: str
    engine: str
    store: str
    cpus: int
    scenarios: tuple[Timing, ...] = ()
    failure: BuildFailure | None = None
    warnings: tuple[str, ...] = ()


@frozen
class LayerReport:
    """One layer as it stands in the report. `size_bytes` is the sum of its files' sizes, uncompressed."""

    index: int
    diff_id: Digest
    digest: Digest | None
    size_bytes: int
    entries: int
    whiteouts: int
    reclaimable_bytes: int
    from_base: bool
    instruction: str | None
    dockerfile: SourceLine | None


@frozen
class Waste:
    """Bytes that are shipped but not visible: who shipped them, who shadowed them. Layer indices."""

    path: str
    bytes: int
    cause: WasteCause
    shipped_by: int
    shadowed_by: int | None


@frozen
class DiveMetrics:
    """The three figures of dive 0.13, by its own formulas, for users who move over."""

    efficiency: float
    wasted_bytes: int
    user_wasted_percent: float


@frozen
class ImageReport:
    """The image by size. `reclaimable_bytes` = `size_bytes` - `visible_bytes`, exactly; duplicates are listed in
    `waste` but not counted in it. `efficiency` = visible / size. `directories` are the largest, of at least a
    thousandth of the image's bytes, each followed by those in it; the root is the first."""

    size_bytes: int
    visible_bytes: int
    reclaimable_bytes: int
    efficiency: float
    base_layers: int
    base_method: str
    dive: DiveMetrics
    layers: tuple[LayerReport, ...]
    waste: tuple[Waste, ...]
    directories: tuple[DirectoryReport, ...] = ()


@frozen
class Budget:
    """A budget and what was measured against it. `actual` is None when it could not be measured; `at_least`: it must
    not be under the limit, else not over it; equal keeps it. `source` says who asked, if not `--budget`."""

    key: str
    limit: str
    actual: str | None
    broken: bool
    at_least: bool = False
    source: str | None = None


@frozen
class Tool:
    """Who wrote the report, and with which rules."""

    name: str
    version: str
    rule_packs: tuple[str, ...] = ()


@frozen
class Target:
    """What was looked at. `kind`: build, image, archive, layout, registry, context. `digest` is what the name stood for
    in the registry when it was read."""

    kind: str
    ref: str
    image_id: str | None = None
    digest: Digest | None = None
    platform: str | None = None
    dockerfile: str | None = None


@frozen
class Report:
    """Everything imgscan found out; every output format is a view of this. `notes` tell what the user wrote that has no
    effect (entries of a baseline that match nothing, what has expired, marks that do not count), or that could mean two
    things (a file and an image of one name). `proofs` are the patches that were proposed, with what building them
    showed. `forbidding` are the fingerprints of the findings that forbid the merge by their severity (`--fail-on`)."""

    schema_version: str
    tool: Tool
    target: Target
    complete: bool
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    image: ImageReport | None = None
    findings: tuple[Finding, ...] = ()
    coverage: Coverage | None = None
    build: BuildInfo | None = None
    cache: CacheMetrics | None = None
    edits: EditCosts | None = None
    risks: tuple[Risk, ...] = ()
    risk_summary: RiskSummary | None = None
    budgets: tuple[Budget, ...] = ()
    notes: tuple[str, ...] = ()
    verifications: tuple[Verification, ...] = ()
    excerpts: tuple[SourceExcerpt, ...] = ()
    proofs: tuple[PatchProof, ...] = ()
    forbidding: tuple[str, ...] = ()


@frozen
class Rule:
    """A rule as a product: what `imgscan explain`, the documentation, SARIF and JSON say of it. `cites` names the
    checks of the risk catalogue that it makes (DATA-001-07)."""

    id: str
    title: str
    severity: Severity
    confidence: Confidence
    why: str
    fix: str
    bad: str
    good: str
    risk_id: str | None = None
    since: str = "0.1.0"
    source: str | None = None
    cites: tuple[str, ...] = ()

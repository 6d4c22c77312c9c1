"""Records that several test modules build on."""

from __future__ import annotations

from statistics import median
from typing import Any

from imgscan.editcosts import (
    Basis,
    CommitCost,
    DayCost,
    EditCosts,
    ForecastStep,
    History,
    InstructionCost,
    PathCost,
    Prediction,
    Saving,
)
from imgscan.model import (
    SCHEMA_VERSION,
    Budget,
    BuildInfo,
    Bust,
    BustedBy,
    CacheMetrics,
    Confidence,
    Coverage,
    Digest,
    DirectoryReport,
    DirectoryShare,
    DiveMetrics,
    Evidence,
    Finding,
    Fix,
    ImageReport,
    LayerReport,
    Location,
    NotRead,
    Place,
    Report,
    Risk,
    Severity,
    Skipped,
    SourceLine,
    Status,
    Step,
    Target,
    Timing,
    Tool,
    Validity,
    Verdict,
    Waste,
    WasteCause,
)
from imgscan.patches import (
    ImageComparison,
    PatchChange,
    PatchProof,
    ProofCheck,
    ProofOutcome,
    Rebuilds,
    ScenarioProof,
)

HOSTILE = "a|b<img src=x>@org/team `x` [y](z)\x1b[31m\u202eevil\n::error::"


def finding(**changes: Any) -> Finding:
    """A finding of a secret in a layer; `changes` replace fields."""
    location = Location(
        place=Place.FILE,
        layer=5,
        path="/app/backend/.env",
        line=2,
        dockerfile=SourceLine(file="Dockerfile", line=14),
        status=Status.DELETED,
    )
    fields: dict[str, Any] = {
        "rule_id": "secret-github-token",
        "severity": Severity.CRITICAL,
        "confidence": Confidence.HIGH,
        "evidence": Evidence.OBSERVED,
        "risk_id": "SEC-001",
        "message": "A GitHub token lies in /app/backend/.env",
        "fingerprint": "0123456789abcdef",
        "location": location,
        "fix": Fix(text="Revoke it, then keep the file out of the build context."),
        "places": (location,),
        "status": Status.DELETED,
        "validity": Validity.VALID,
        "excerpt": "ghp_…9Zab",
    }
    return Finding(**{**fields, **changes})


def timing(**changes: Any) -> Timing:
    """A touch-source scenario of three repeats that ran two of four steps again."""
    step = Step(stage="build", ordinal=2, instruction="RUN pnpm install", line=12, cached=False, seconds=6.0)
    fields: dict[str, Any] = {
        "name": "touch-source",
        "touched": "backend/src/index.ts",
        "seconds": (8.0, 8.4, 9.0),
        "median_s": 8.4,
        "spread_s": 1.0,
        "steps_total": 4,
        "steps_cached": 2,
        "steps": (step,),
        "busted_by": BustedBy(line=9, instruction="COPY . ."),
    }
    return Timing(**{**fields, **changes})


def layer(index: int, **changes: Any) -> LayerReport:
    """A layer of the user's."""
    fields: dict[str, Any] = {
        "index": index,
        "diff_id": Digest(f"sha256:{index:064x}"),
        "digest": None,
        "size_bytes": 10_000_000,
        "entries": 120,
        "whiteouts": 0,
        "reclaimable_bytes": 0,
        "from_base": False,
        "instruction": "COPY . .",
        "dockerfile": SourceLine(file="Dockerfile", line=9),
    }
    return LayerReport(**{**fields, **changes})


def directory(path: str, *shares: tuple[int, int, int]) -> DirectoryReport:
    """A directory by what layers ship of it: (layer, bytes, bytes in vain)."""
    size, vain = sum(share[1] for share in shares), sum(share[2] for share in shares)
    return DirectoryReport(
        path=path,
        size_bytes=size,
        visible_bytes=size - vain,
        reclaimable_bytes=vain,
        layers=tuple(
            DirectoryShare(layer=layer, size_bytes=bytes_, reclaimable_bytes=lost) for layer, bytes_, lost in shares
        ),
    )


def image(**changes: Any) -> ImageReport:
    """A base layer and one of the user's, with one wasted file."""
    fields: dict[str, Any] = {
        "size_bytes": 110_000_000,
        "visible_bytes": 102_000_000,
        "reclaimable_bytes": 8_000_000,
        "efficiency": 102 / 110,
        "base_layers": 1,
        "base_method": "from-image",
        "dive": DiveMetrics(efficiency=0.95, wasted_bytes=16_000_000, user_wasted_percent=0.8),
        "layers": (
            layer(0, size_bytes=100_000_000, from_base=True, instruction="ADD rootfs", dockerfile=None),
            layer(1, reclaimable_bytes=8_000_000),
        ),
        "waste": (
            Waste(path="/app/model.bin", bytes=8_000_000, cause=WasteCause.METADATA_ONLY, shipped_by=1, shadowed_by=2),
        ),
        "directories": (
            directory("/", (0, 100_000_000, 0), (1, 10_000_000, 8_000_000)),
            directory("/app", (1, 9_500_000, 8_000_000)),
            directory("/app/dist", (1, 1_500_000, 0)),
            directory("/usr", (0, 90_000_000, 0), (1, 500_000, 0)),
            directory("/usr/lib", (0, 70_000_000, 0)),
        ),
    }
    return ImageReport(**{**fields, **changes})


def risk(**changes: Any) -> Risk:
    """SEC-001 at its worst."""
    fields: dict[str, Any] = {
        "id": "SEC-001",
        "description": "Leaking secrets into Docker image layers",
        "category": "Security",
        "probability": 3,
        "impact": 3,
        "score": 9,
        "priority": "CRITICAL",
        "evidence": ("0123456789abcdef",),
        "mitigation": "Keep secrets out of the build context.",
        "verified": False,
        "because": "1 live-looking secret, 1 in the image",
        "inherent_probability": 2,
        "inherent_impact": 3,
        "inherent_score": 6,
    }
    return Risk(**{**fields, **changes})


def report(**changes: Any) -> Report:
    """A report with something in every part."""
    cache = CacheMetrics(
        source_hit_ratio=0.5,
        lockfile_hit_ratio=0.25,
        wasted_seconds_per_source_edit=6.0,
        busts=(
            Bust(
                scenario="touch-source",
                blamed=BustedBy(line=9, instruction="COPY . ."),
                step="RUN pnpm install",
                step_line=12,
                seconds=6.0,
            ),
        ),
    )
    fields: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "tool": Tool(name="imgscan", version="0.0.0", rule_packs=("imgscan (80 rules)",)),
        "target": Target(
            kind="build", ref="shop", image_id="sha256:1", platform="linux/amd64", dockerfile="Dockerfile"
        ),
        "complete": False,
        "verdict": Verdict.NO_GO,
        "reasons": ("2 findings of severity high or above",),
        "forbidding": ("0123456789abcdef", "1111111111111111"),
        "skipped": (Skipped(where="layer 3", reason="the gzip stream ends early"),),
        "image": image(),
        "findings": (
            finding(),
            finding(
                rule_id="cache-copy-before-install",
                severity=Severity.HIGH,
                evidence=Evidence.PROVEN,
                risk_id="PERF-001",
                message="COPY . . comes before pnpm install",
                fingerprint="1111111111111111",
                location=Location(
                    place=Place.DOCKERFILE,
                    path="Dockerfile",
                    line=9,
                    dockerfile=SourceLine(file="Dockerfile", line=9),
                ),
                places=(),
                status=None,
                validity=None,
                excerpt=None,
                fix=Fix(text="Copy the manifests first."),
            ),
        ),
        "coverage": Coverage(
            bytes=110_000_000, entries=12_345, not_read=(NotRead(where="/app/x.7z", bytes=12, reason="encrypted"),)
        ),
        "build": BuildInfo(builder="buildkit", engine="20.10.24", store="overlay2", cpus=2, scenarios=(timing(),)),
        "cache": cache,
        "risks": (risk(),),
        "budgets": (Budget(key="image-size", limit="100 MB", actual="110 MB", broken=True),),
    }
    return Report(**{**fields, **changes})


def rebuilds(*seconds: float, cached: int = 2, total: int = 4) -> Rebuilds:
    """The repeats of a rebuild."""
    return Rebuilds(
        seconds=seconds,
        median_s=median(seconds),
        spread_s=max(seconds) - min(seconds),
        steps_cached=cached,
        steps_total=total,
    )


def proof(text: str = "copy the manifests before the sources", name: str = "/app/log", **changes: Any) -> PatchProof:
    """A patch of two changes that makes a source edit cheap, and one of the lockfile no dearer; `text` stands wherever
    a text from outside can stand, `name` where one of a file can."""
    fields: dict[str, Any] = {
        "title": text,
        "outcome": ProofOutcome.PROVED,
        "changes": (
            PatchChange(kind="split-manifests", title=text, file="Dockerfile", line=9),
            PatchChange(kind="extend-ignore", title=text, file=".dockerignore"),
        ),
        "patch": f"--- a/Dockerfile\n+++ b/Dockerfile\n@@ -9,1 +9,1 @@\n-COPY . .\n+# {text}\n",
        "checks": (
            ProofCheck(name="it builds", ok=True, detail="12.0 s cold"),
            ProofCheck(name=f"an edit of {name} leaves npm ci cached", ok=True, detail="line 11 was cached"),
        ),
        "scenarios": (
            ScenarioProof(
                name="touch-source", touched=name, before=rebuilds(8.0, 8.4, 9.0), after=rebuilds(1.0, 1.1, 1.4, cached=4, total=5)
            ),
            ScenarioProof(
                name="touch-lockfile", touched=name, before=rebuilds(9.0, 9.4, 10.0), after=rebuilds(9.1, 9.2, 9.9, cached=1, total=5)
            ),
        ),
        "image": ImageComparison(
            paths=12_345,
            nondeterministic=(name,),
            nondeterministic_count=1,
            left_out=(name, "/app/a", "/app/b"),
            left_out_count=7,
        ),
    }  # fmt: skip
    return PatchProof(**{**fields, **changes})


def edit_costs(path: str = "backend/src/index.ts", instruction: str = "COPY . .") -> EditCosts:
    """Predictions and a history with something in every part."""
    blamed = BustedBy(line=9, instruction=instruction)
    steps = (
        ForecastStep(line=9, instruction=instruction, seconds=0.5, export_s=0.25, sure=True),
        ForecastStep(line=20, instruction="COPY --from=build /app /app", seconds=0.5, export_s=1.0, sure=False),
    )
    edit: dict[str, Any] = {"steps_total": 6, "steps_cached": 4, "steps": steps, "busted_by": blamed}
    return EditCosts(
        basis=Basis(source="measured", fixed_s=0.5, cold_s=42.0, export_s=1.25, spread=0.2),
        predictions=(
            Prediction(name="edit", touched=(path,), seconds=2.75, low_s=0.5, high_s=3.5, measured_s=2.5, **edit),
            Prediction(name="together", touched=(path, "README.md"), seconds=9.0, low_s=8.0, high_s=11.0, **edit),
        ),
        history=History(
            commits=3,
            free=1,
            unpriced=1,
            seconds=60.5,
            low_s=40.0,
            high_s=80.0,
            per_commit=(
                CommitCost(
                    commit="0" * 40, day="2026-01-02", files=2, seconds=30.0, low_s=20.0, high_s=40.0, steps_run=2
                ),
            ),
            per_day=(
                DayCost(day="2026-01-01", commits=1, seconds=0.5),
                DayCost(day="2026-01-02", commits=2, seconds=60.0),
            ),
            paths=(PathCost(path=path, commits=2, each_s=29.5, seconds=59.0),),
            instructions=(
                InstructionCost(line=12, instruction="RUN npm ci", commits=2, seconds=50.0, busted_by=blamed),
            ),
            savings=(
                Saving(rule_id="cache-copy-before-install", fingerprint="1" * 16, line=9, commits=2, seconds=50.0),
            ),
        ),
    )

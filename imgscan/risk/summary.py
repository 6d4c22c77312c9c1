"""The register in short: totals by priority, and what is recommended. In: risks and the verdict. Out: `RiskSummary`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from imgscan.model import Risk, RiskCounts, RiskSummary, Verdict
from imgscan.risk.verdict import forbids


def summarise(
    risks: Sequence[Risk], verdict: Verdict, standing: Collection[str] = (), *, builds: bool = True
) -> RiskSummary:
    """The totals of the risks that apply, by the catalogue's figures and by the evidence's, and the recommendation, for
    which those `standing` as they did before do not count. `builds` is False where the image could not be
    built: then there is nothing for anybody to answer for."""
    mine = [risk for risk in risks if risk.applies]
    return RiskSummary(
        inherent=_counts(risk.inherent_priority for risk in mine),
        residual=_counts(risk.priority for risk in mine),
        not_applicable=len(risks) - len(mine),
        waived=sum(1 for risk in mine if risk.waiver is not None),
        recommendation=_recommendation(mine, verdict, standing, builds=builds),
    )


def _counts(priorities: Iterable[str]) -> RiskCounts:
    found = list(priorities)
    return RiskCounts(
        identified=len(found),
        critical=found.count("CRITICAL"),
        high=found.count("HIGH"),
        medium=found.count("MEDIUM"),
        low=found.count("LOW"),
    )


def _recommendation(risks: Sequence[Risk], verdict: Verdict, standing: Collection[str], *, builds: bool) -> str:
    open_risks = [risk for risk in risks if forbids(risk, standing)]
    if open_risks:
        named = ", ".join(f"{risk.id} ({risk.priority.lower()})" for risk in open_risks)
        alone = len(open_risks) == 1
        what, they = ("mitigation of", "it is") if alone else ("mitigations of", "they are")
        waiver = ", or a named owner answers for the risk until a date (a waiver)" if builds else ""
        return (
            f"NO-GO. The change cannot proceed until the {what} {named} {they.split()[1]} in{waiver}. Once {they} in, "
            "the change is ready to be assessed again."
        )
    rest = [risk for risk in risks if risk.waiver is not None]
    waived = "".join(f" {r.id} is waived by {r.waiver.owner} until {r.waiver.expires}." for r in rest if r.waiver)
    if verdict is Verdict.NO_GO:
        return f"NO-GO for the other reasons given; no risk of the register stands against it.{waived}"
    watched = [risk.id for risk in risks if risk.priority == "MEDIUM" and risk.waiver is None]
    watch = f" Keep an eye on {', '.join(watched)}." if watched else ""
    before = [risk.id for risk in risks if forbids(risk) and risk.id in standing]
    if before:
        return f"GO. Nothing is new; {', '.join(before)} stood against the change before it, too.{waived}{watch}"
    return f"GO. No risk scores 6 or more without mitigation or waiver.{waived}{watch}"

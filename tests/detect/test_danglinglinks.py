"""Links of node_modules that lead nowhere in the finished image, and those that only look so."""

from __future__ import annotations

import io

import pytest
from fakes import layer
from tarmaker import archive, directory, header, member

from imgscan.detect.danglinglinks import detect
from imgscan.detect.layerfacts import FactsBuilder, LayerFacts, watched_paths
from imgscan.layers.blob import open_layer
from imgscan.layers.filesystem import stack
from imgscan.layers.listing import ReadingSearch, list_layer
from imgscan.model import Evidence, Finding, Severity

MODULES = b"app/backend/node_modules/"
SHARED = b"app/shared/"


def link(path: bytes, target: bytes) -> bytes:
    return header(path, flag=b"2", link=target)


def found(*layers: list[bytes], needs: dict[str, bool] | None = None, base: int = 0) -> list[Finding]:
    builder = FactsBuilder()
    listings, facts = [], []
    for parts in layers:
        stream = open_layer(io.BytesIO(archive(*parts)))
        listings.append(list_layer(stream, ReadingSearch(), observe=builder.observe))
        facts.append(builder.finish())
    stacked = stack(listings, watched=[watched_paths(one) for one in facts])
    reports = [layer(index, from_base=index < base) for index in range(len(layers))]
    return list(detect(facts, stacked, reports, (needs or {}).get))


TO_SHARED = link(MODULES + b"@x/shared", b"../../../shared")


@pytest.mark.parametrize(
    ("layers", "count"),
    [
        pytest.param(([TO_SHARED],), 1, id="target-was-never-copied"),
        pytest.param(([TO_SHARED, directory(SHARED)],), 0, id="target-in-the-same-layer"),
        pytest.param(([TO_SHARED], [member(SHARED + b"package.json", b"{}")]), 0, id="target-above-not-listed-itself"),
        pytest.param(([directory(SHARED)], [TO_SHARED]), 0, id="target-below"),
        pytest.param(([directory(SHARED), TO_SHARED], [header(b"app/.wh.shared")]), 1, id="target-deleted-later"),
        pytest.param(([TO_SHARED], [header(MODULES + b".wh.@x")]), 0, id="link-deleted-later"),
        pytest.param(([link(MODULES + b"zod", b"/srv/zod")],), 1, id="absolute"),
        pytest.param(
            ([link(MODULES + b"zod", b"../../../../../../srv/zod"), directory(b"srv/zod/")],), 0, id="past-root"
        ),
        pytest.param(([link(MODULES + b".bin/tsc", b"../typescript/bin/tsc")],), 0, id="programs-do-not-count"),
        pytest.param(
            ([link(b"app/node_modules/.pnpm/node_modules/zod", b"../zod@3/node_modules/zod")],), 0, id="store-of-pnpm"
        ),
        pytest.param(([link(b"app/current", b"../releases/7")],), 0, id="no-package"),
        pytest.param(
            ([link(MODULES + b"zod", b"../../lib/zod"), link(b"app/lib", b"/usr/lib")],), 0, id="by-way-of-a-link"
        ),
        pytest.param(([link(MODULES + b"zod", b"zod")],), 0, id="to-itself"),
    ],
)
def test_which_lead_nowhere(layers: tuple[list[bytes], ...], count: int) -> None:
    findings = found(*layers)
    assert len(findings) == count
    for finding in findings:
        assert finding.evidence is Evidence.OBSERVED
        assert finding.risk_id == "TECH-001"


@pytest.mark.parametrize(
    ("needs", "severity"),
    [
        pytest.param({"@x/shared": True}, Severity.HIGH, id="asked-for-at-run-time"),
        pytest.param({"@x/shared": False}, Severity.LOW, id="for-development-only"),
        pytest.param({}, Severity.MEDIUM, id="nobody-knows"),
    ],
)
def test_it_is_as_bad_as_the_manifests_say(needs: dict[str, bool], severity: Severity) -> None:
    (finding,) = found([TO_SHARED], needs=needs)
    assert finding.severity is severity
    assert "/app/backend/node_modules/@x/shared -> ../../../shared leads nowhere" in finding.message


@pytest.mark.parametrize(
    ("parts", "text", "pnpm"),
    [
        pytest.param([TO_SHARED], "lead to as well: /app/shared. Let", False, id="npm"),
        pytest.param(
            [link(MODULES + b"zod", b".pnpm/zod@3/node_modules/zod")],
            "/app/backend/node_modules/.pnpm/zod@3/node_modules/zod, or copy a tree",
            True,
            id="pnpm",
        ),
    ],
)
def test_the_fix_is_for_what_the_image_has(parts: list[bytes], text: str, pnpm: bool) -> None:
    (finding,) = found(parts)
    assert text in finding.fix.text
    assert "find /app/backend -xtype l" in finding.fix.text
    assert ("pnpm" in finding.fix.text.replace(".pnpm", "")) is pnpm


def test_base_images_are_not_the_users() -> None:
    assert found([TO_SHARED], base=1) == []


def test_facts_are_bounded() -> None:
    builder = FactsBuilder()
    parts = [link(b"node_modules/p%d" % number, b"nowhere") for number in range(20_010)]
    list_layer(open_layer(io.BytesIO(archive(*parts))), ReadingSearch(), observe=builder.observe)
    facts: LayerFacts = builder.finish()
    assert len(facts.links) == 20_000

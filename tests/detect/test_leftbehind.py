"""What is left behind: a path each for every row of the tables, and the paths that only look like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.leftbehind import detect
from imgscan.detect.pathtable import PathTable, layer_tables
from imgscan.model import Digest, Finding, LayerReport, Severity, SourceLine, Status

MIB = 1 << 20


def layer(index: int, *, from_base: bool = False, line: int | None = None) -> LayerReport:
    return LayerReport(
        index=index,
        diff_id=Digest("sha256:0"),
        digest=None,
        size_bytes=0,
        entries=0,
        whiteouts=0,
        reclaimable_bytes=0,
        from_base=from_base,
        instruction="RUN x",
        dockerfile=SourceLine(file="Dockerfile", line=line) if line else None,
    )


LAYERS = (layer(0, from_base=True), layer(1, line=7), layer(2, line=9))


def found(*entries: tuple[int, str, int, Status]) -> list[Finding]:
    return list(detect(entries, LAYERS))


CACHES = [
    ("/var/lib/apt/lists/mirror.example_main_Packages", "/var/lib/apt/lists"),
    ("/var/cache/apt/archives/curl.deb", "/var/cache/apt"),
    ("/var/cache/apk/APKINDEX.gz", "/var/cache/apk"),
    ("/root/.npm/_cacache/content-v2/x", "/root/.npm"),
    ("/home/node/.npm/_cacache/index", "/home/node/.npm"),
    ("/usr/local/share/.cache/yarn/v6/x", "/usr/local/share/.cache/yarn"),
    ("/root/.local/share/pnpm/store/v10/x", "/root/.local/share/pnpm/store"),
    ("/root/.cache/pip/http/a", "/root/.cache/pip"),
    ("/root/.cache/uv/wheels/a", "/root/.cache/uv"),
    ("/root/.cache/pypoetry/cache/a", "/root/.cache/pypoetry"),
    ("/usr/local/cargo/registry/cache/a.crate", "/usr/local/cargo/registry"),
    ("/root/.cache/go-build/0a/b", "/root/.cache/go-build"),
    ("/root/.composer/cache/repo/a", "/root/.composer/cache"),
    ("/root/.gradle/caches/8.0/a", "/root/.gradle/caches"),
    ("/root/.m2/repository/org/a.jar", "/root/.m2/repository"),
    ("/app/node_modules/.cache/babel/a", "/app/node_modules/.cache"),
]


@pytest.mark.parametrize(("path", "top"), CACHES, ids=[top for _, top in CACHES])
def test_caches(path: str, top: str) -> None:
    (finding,) = found((1, path, 2 * MIB, Status.VISIBLE))
    assert (finding.rule_id, finding.severity) == ("layer-left-behind-cache", Severity.MEDIUM)
    assert finding.location.path == top
    assert finding.location.dockerfile == SourceLine(file="Dockerfile", line=7)
    assert "2.10 MB in 1 file" in finding.message


SILENT = [
    pytest.param((0, "/var/lib/apt/lists/x", 9 * MIB, Status.VISIBLE), id="of-the-base"),
    pytest.param((1, "/var/lib/apt/lists/x", 9 * MIB, Status.DELETED), id="deleted-later"),
    pytest.param((1, "/var/lib/apt/lists/lock", 100, Status.VISIBLE), id="too-small"),
    pytest.param((1, "/opt/var/lib/apt/lists/x", 9 * MIB, Status.VISIBLE), id="not-at-the-root"),
    pytest.param((1, "/app/my.npm/x", 9 * MIB, Status.VISIBLE), id="part-of-a-name"),
    pytest.param((1, "/app/dist/index.js", 9 * MIB, Status.VISIBLE), id="application"),
    pytest.param((1, "/app/node_modules/lib/test/a.js", 9 * MIB, Status.VISIBLE), id="tests-of-a-dependency"),
    pytest.param((1, "/usr/lib/python3/test/a.py", 9 * MIB, Status.VISIBLE), id="tests-of-the-system"),
    pytest.param((1, "/app/node_modules/typescript-eslint-x/a.js", 9 * MIB, Status.VISIBLE), id="other-package"),
    pytest.param((1, "/app/typescript/a.ts", 9 * MIB, Status.VISIBLE), id="own-folder-of-that-name"),
]


@pytest.mark.parametrize("entry", SILENT)
def test_silent(entry: tuple[int, str, int, Status]) -> None:
    assert found(entry) == []


KINDS = [
    pytest.param("/app/node_modules/typescript/lib/tsc.js", "layer-dev-dependencies", id="typescript"),
    pytest.param("/app/node_modules/@types/node/index.d.ts", "layer-dev-dependencies", id="types"),
    pytest.param("/a/node_modules/.pnpm/eslint@9/node_modules/eslint/x.js", "layer-dev-dependencies", id="pnpm-store"),
    pytest.param("/a/node_modules/@nestjs/cli/x.js", "layer-dev-dependencies", id="one-package-of-a-scope"),
    pytest.param("/usr/lib/python3/site-packages/pytest/a.py", "layer-dev-dependencies", id="pytest"),
    pytest.param("/app/dist/index.js.map", "layer-junk", id="source-map"),
    pytest.param("/app/node_modules/x/a.js.map", "layer-junk", id="source-map-of-a-dependency"),
    pytest.param("/usr/src/app/__tests__/a.js", "layer-junk", id="tests-below-usr-src"),
    pytest.param("/usr/share/doc/curl/README", "layer-junk", id="documentation-of-the-system"),
    pytest.param("/srv/README.md", "layer-junk", id="readme"),
    pytest.param("/app/.git/objects/ab", "layer-left-behind-cache", id="history"),
]


@pytest.mark.parametrize(("path", "rule"), KINDS)
def test_kinds(path: str, rule: str) -> None:
    (finding,) = found((2, path, 2 * MIB, Status.VISIBLE))
    assert (finding.rule_id, finding.location.layer) == (rule, 2)


def test_history_is_worth_a_finding_whatever_it_weighs() -> None:
    assert [f.severity for f in found((1, "/app/.git/HEAD", 20, Status.VISIBLE))] == [Severity.MEDIUM]


def test_small_caches_are_low() -> None:
    assert [f.severity for f in found((1, "/root/.npm/a", 100_000, Status.VISIBLE))] == [Severity.LOW]


def test_grouped_by_layer_and_kind() -> None:
    entries = [(1, f"/root/.npm/{n}", MIB, Status.VISIBLE) for n in range(5)]
    entries += [(2, "/root/.npm/x", MIB, Status.VISIBLE), (1, "root/.cache/pip/x", MIB, Status.VISIBLE)]
    assert [(f.location.layer, f.location.path) for f in found(*entries)] == [
        (1, "/root/.npm"),
        (1, "/root/.cache/pip"),
        (2, "/root/.npm"),
    ]


def test_fingerprints_do_not_depend_on_layer_or_line() -> None:
    moved = (layer(0, from_base=True), layer(1), layer(2, line=80))
    here, there = (
        found((1, "/root/.npm/a", MIB, Status.VISIBLE)),
        list(detect([(2, "/root/.npm/a", MIB, Status.VISIBLE)], moved)),
    )
    assert here[0].fingerprint == there[0].fingerprint


SEGMENTS = st.sampled_from(
    [
        "app",
        "node_modules",
        ".npm",
        "typescript",
        "@types",
        "x",
        ".git",
        "var",
        "lib",
        "apt",
        "lists",
        "a.js.map",
        "",
        "..",
    ]
)


@given(st.lists(st.lists(SEGMENTS, max_size=6).map("/".join), max_size=8))
def test_the_memory_of_folders_changes_no_answer(paths: list[str]) -> None:
    shared = PathTable(layer_tables())
    for path in paths:
        fresh = PathTable(layer_tables())
        assert shared.hit_of("/" + path) == fresh.hit_of("/" + path)


def test_a_very_deep_path() -> None:
    assert found((1, "/d" * 40_000 + "/.npm/x", MIB, Status.VISIBLE))[0].rule_id == "layer-left-behind-cache"

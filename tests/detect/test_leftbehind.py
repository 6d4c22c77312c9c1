"""What is left behind: a path each for every row of the tables, and the paths that only look like one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgscan.detect.leftbehind import detect, group_paths
from imgscan.detect.pathtable import PathTable, layer_tables
from imgscan.model import Digest, Finding, LayerReport, Severity, SourceLine, Status, Waste, WasteCause

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
    return list(detect(group_paths(entries), LAYERS))


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
    ("/root/.cache/pypoetry/cache/a", "/root/.cache/pypoetry/cache"),
    ("/var/cache/zypp/packages/a.rpm", "/var/cache/zypp"),
    ("/var/cache/man/index.db", "/var/cache/man"),
    ("/root/.cache/node-gyp/24.0.0/include/node/v8.h", "/root/.cache/node-gyp"),
    ("/home/u/.cache/Cypress/14.0.0/Cypress/x", "/home/u/.cache/Cypress"),
    ("/root/.cache/deno/dl/release/x.zip", "/root/.cache/deno/dl"),
    ("/opt/conda/pkgs/x.conda", "/opt/conda/pkgs"),
    ("/app/target/release/deps/libx.rlib", "/app/target/release/deps"),
    ("/src/target/x86_64-unknown-linux-musl/release/build/a", "/src/target/x86_64-unknown-linux-musl/release/build"),
    ("/home/u/go/pkg/mod/cache/download/a.zip", "/home/u/go/pkg/mod"),
    ("/root/.ivy2/cache/org/a.jar", "/root/.ivy2/cache"),
    ("/root/.nuget/packages/a/a.dll", "/root/.nuget/packages"),
    ("/app/obj/Release/net9.0/a.dll", "/app/obj/Release"),
    ("/usr/local/bundle/cache/rack-3.gem", "/usr/local/bundle/cache"),
    ("/app/vendor/bundle/ruby/3.4.0/cache/rack-3.gem", "/app/vendor/bundle/ruby/3.4.0/cache"),
    ("/var/lib/gems/3.1.0/cache/rack-3.gem", "/var/lib/gems/3.1.0/cache"),
    ("/app/vendor/cache/rack-3.gem", "/app/vendor/cache/rack-3.gem"),
    ("/root/.cache/ccache/a/b", "/root/.cache/ccache"),
    ("/root/.cache/bazel/_bazel_root/x", "/root/.cache/bazel"),
    ("/app/.terraform/providers/x", "/app/.terraform/providers"),
    ("/app/.mypy_cache/3.12/a.json", "/app/.mypy_cache"),
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
    *(
        pytest.param((1, path, 9 * MIB, Status.VISIBLE), id=path)
        for path in (
            "/app/cache/data.bin",
            "/data/.cache/index.bin",
            "/srv/registry/a.crate",
            "/srv/npm/a.tgz",
            "/app/git/objects/ab",
            "/root/.cache/pypoetry/virtualenvs/app-py3.12/lib/python3.12/site-packages/flask/app.py",
            "/root/.cache/deno/npm/registry.example/a/index.js",
            "/deno-dir/remote/https/a",
            "/app/.yarn/cache/lodash.zip",
            "/app/target/app.jar",
            "/app/target/release/app",
            "/app/target/classes/App.class",
            "/srv/project/target/app.jar",
            "/app/obj/model.obj",
            "/usr/share/doc/curl/copyright",
            "/usr/local/lib/python3.12/test/test_x.py",
            "/root/.pyenv/versions/3.12.1/lib/python3.12/test/test_x.py",
            "/opt/venv/lib/python3.12/site-packages/numpy/tests/test_x.py",
            "/app/.venv/lib/python3.12/site-packages/numpy/tests/test_x.py",
            "/app/vendor/symfony/http/Tests/test/x.php",
            "/usr/local/lib/ruby/3.4.0/test/x.rb",
            "/usr/lib/jvm/java-21/lib/test/x",
            "/usr/share/nginx/html/docs/index.html",
            "/var/www/html/docs/index.html",
            "/app/public/docs/index.html",
            "/app/dist/docs/openapi.json",
            "/app/prompts/system.md",
            "/app/content/README.md",
            "/app/test.txt",
            "/app/contest/a.js",
            "/app/latest/a.js",
            "/app/node_modules/pkg/README.md",
            "/app/bin/core",
            "/core",
            "/app/core.js",
            "/app/part.1",
            "/srv/repo/pool/main/c/curl.deb",
            "/usr/lib/x/Dockerfile",
            "/var/lib/app.log.d/x",
            "/usr/lib/python3.12/__pycache__/abc.pyc",
            "/app/.dockerenv",
        )
    ),
]


@pytest.mark.parametrize("entry", SILENT)
def test_silent(entry: tuple[int, str, int, Status]) -> None:
    assert found(entry) == []


KINDS = [
    pytest.param("/app/node_modules/typescript/lib/tsc.js", "layer-dev-dependencies", id="typescript"),
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


ROWS = [
    ("/root/.cache/huggingface/hub/models--x/blobs/a", "model cache", Severity.LOW),
    ("/root/.cache/torch/hub/a.pth", "model cache", Severity.LOW),
    ("/root/.cache/ms-playwright/chromium-1/chrome", "browser downloads", Severity.LOW),
    ("/root/.cache/puppeteer/chrome/a", "browser downloads", Severity.LOW),
    ("/root/.yarn/berry/cache/a.zip", "yarn berry global cache", Severity.LOW),
    ("/root/.cache/something/a", "caches of other tools", Severity.LOW),
    ("/home/app/.cache/a", "caches of other tools", Severity.LOW),
    ("/tmp/build/a.o", "temporary files", Severity.LOW),
    ("/tmp/x.deb", "temporary files", Severity.LOW),
    ("/var/tmp/a.tar", "temporary files", Severity.LOW),
    ("/google-chrome.deb", "installers", Severity.LOW),
    ("/root/awscliv2.zip", "installers", Severity.LOW),
    ("/var/log/dpkg.log", "logs", Severity.INFO),
    ("/var/log/apt/term.log", "logs", Severity.INFO),
    ("/app/log/development.log", "logs", Severity.INFO),
    ("/var/log/lastlog", "login records", Severity.LOW),
    ("/app/core.4711", "crash dumps", Severity.LOW),
    ("/usr/bin/core.1", "crash dumps", Severity.LOW),
    ("/app/java_pid1.hprof", "crash dumps", Severity.LOW),
    ("/app/tests/a.py", "tests", Severity.INFO),
    ("/app/dist/a.spec.js", "tests", Severity.INFO),
    ("/var/task/tests/a.py", "tests", Severity.INFO),
    ("/app/docs/a.html", "documentation", Severity.INFO),
    ("/usr/share/man/man1/a.1.gz", "manual pages and documentation of packages", Severity.INFO),
    ("/usr/local/rustup/toolchains/x/share/doc/a.html", "manual pages and documentation of packages", Severity.INFO),
    ("/app/htmlcov/index.html", "test reports", Severity.INFO),
    ("/app/.nyc_output/a.json", "test reports", Severity.INFO),
    ("/root/.vscode-server/bin/a", "editor servers", Severity.LOW),
]


@pytest.mark.parametrize(("path", "kind", "severity"), ROWS, ids=[path for path, *_ in ROWS])
def test_rows(path: str, kind: str, severity: Severity) -> None:
    (finding,) = found((1, path, 2 * MIB, Status.VISIBLE))
    assert f": {kind} in /" in finding.message
    assert finding.severity is severity


@pytest.mark.parametrize(
    ("path", "severity"),
    [
        ("/app/.git/HEAD", Severity.MEDIUM),
        ("/app/.svn/entries", Severity.MEDIUM),
        ("/root/.bash_history", Severity.LOW),
        ("/usr/share/x/.psql_history", Severity.LOW),
        ("/app/Dockerfile", Severity.INFO),
        ("/app/compose.yaml", Severity.INFO),
        ("/app/.DS_Store", Severity.INFO),
        ("/app/.idea/workspace.xml", Severity.INFO),
        ("/app/src/.main.go.swp", Severity.INFO),
    ],
)
def test_worth_a_finding_whatever_it_weighs(path: str, severity: Severity) -> None:
    assert [f.severity for f in found((1, path, 20, Status.VISIBLE))] == [severity]


def patterns(table: str) -> Iterator[tuple[str, str]]:
    """Every row's name with a path that each of its patterns describes."""
    for row in layer_tables()[table]:
        made = [
            *(f"{folder.replace('*', 'any')}/x" for folder in row.get("folders", ())),
            *(name.replace("#", "17") for name in row.get("names", ())),
            *(f"x{suffix}" for suffix in row.get("suffixes", ())),
        ]
        yield from ((row["kind"], path if path.startswith("/") else f"/app/{path}") for path in made)


@pytest.mark.parametrize("table", ["caches", "junk"])
def test_no_pattern_is_hidden_by_another(table: str) -> None:
    for kind, path in patterns(table):
        hit = PathTable(layer_tables()).hit_of(path)
        assert hit is not None, path
        assert hit.kind.name == kind, path


def test_the_table_is_written_as_the_code_reads_it() -> None:
    tables = layer_tables()
    rows = [*tables["caches"], *tables["junk"]]
    known = {
        *("kind", "fix", "folders", "names", "suffixes", "always", "everywhere"),
        *("general", "copied", "severity", "spared", "unless_below"),
    }
    assert len({row["kind"] for row in rows}) == len(rows)
    for row in rows:
        assert set(row) <= known, row
        assert len(row["fix"]) >= 30
        assert all(len(suffix) >= 3 for suffix in row.get("suffixes", ()))
        assert all(not folder.endswith(("/", "*")) for folder in row.get("folders", ()))
    scoped = {name.rstrip("/") for name in (*tables["development"]["node"], *tables["development"]["python"])}
    assert set(tables["development"]["dependencies"]) <= scoped


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        pytest.param(["@types/node/index.d.ts"], 0, id="types-alone"),
        pytest.param(["@types/node/index.d.ts", "rimraf/a.js", "esbuild/bin/esbuild"], 0, id="only-what-comes-along"),
        pytest.param(["@types/node/index.d.ts", "eslint/a.js"], 1, id="beside-a-linter"),
        pytest.param(["jest/a.js"], 1, id="test-runner"),
    ],
)
def test_what_production_packages_bring_along_counts_only_beside_others(paths: list[str], expected: int) -> None:
    entries = [(1, f"/app/node_modules/{path}", 2 * MIB, Status.VISIBLE) for path in paths]
    assert [f.rule_id for f in found(*entries)] == ["layer-dev-dependencies"] * expected


@pytest.mark.parametrize(
    ("instruction", "line", "expected"),
    [
        pytest.param("COPY . .", 7, 1, id="context"),
        pytest.param("COPY --from=build /app /app", 7, 0, id="stage"),
        pytest.param("RUN python -m compileall /app", 7, 0, id="made"),
        pytest.param("COPY /app /app # buildkit", None, 0, id="history-does-not-say"),
    ],
)
def test_bytecode_counts_only_where_the_host_s_was_copied(instruction: str, line: int | None, expected: int) -> None:
    copied = replace(layer(1, line=line), instruction=instruction)
    entries = [(1, "/app/api/__pycache__/main.cpython-312.pyc", 2 * MIB, Status.VISIBLE)]
    assert len(list(detect(group_paths(entries), [copied]))) == expected


def test_folders_of_a_general_row_are_named_one_by_one_and_known_ones_are_their_own() -> None:
    entries = [
        (1, "/root/.cache/a/b/c/1", 3 * MIB, Status.VISIBLE),
        (1, "/root/.cache/a/b/2", MIB, Status.VISIBLE),
        (1, "/root/.cache/b/3", MIB, Status.VISIBLE),
        (1, "/root/.cache/pip/http/4", MIB, Status.VISIBLE),
        (1, "/root/.cache/fontconfig/5", MIB, Status.VISIBLE),
    ]
    assert [f.message for f in found(*entries)] == [
        "5.24 MB in 3 files: caches of other tools in /root/.cache/a, /root/.cache/b, left by line 7",
        "1.05 MB in 1 file: pip cache in /root/.cache/pip, left by line 7",
    ]


def test_a_copyright_file_is_not_documentation() -> None:
    (finding,) = found(
        (1, "/usr/share/doc/a/copyright", 9 * MIB, Status.VISIBLE), (1, "/usr/share/doc/a/x.gz", MIB, Status.VISIBLE)
    )
    assert finding.message.startswith("1.05 MB in 1 file")


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
        list(detect(group_paths([(2, "/root/.npm/a", MIB, Status.VISIBLE)]), moved)),
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
        "root",
        ".cache",
        "pypoetry",
        "virtualenvs",
        "tmp",
        "log",
        "lastlog",
        "usr",
        "share",
        "doc",
        "copyright",
        "core.1",
        "",
        "..",
    ]
)


@settings(deadline=None)
@given(st.lists(st.lists(SEGMENTS, max_size=6).map("/".join), max_size=8))
def test_the_memory_of_folders_changes_no_answer(paths: list[str]) -> None:
    shared = PathTable(layer_tables())
    for path in paths:
        fresh = PathTable(layer_tables())
        assert shared.hit_of("/" + path) == fresh.hit_of("/" + path)


def test_a_very_deep_path() -> None:
    assert found((1, "/d" * 40_000 + "/.npm/x", MIB, Status.VISIBLE))[0].rule_id == "layer-left-behind-cache"


MODES = Waste(path="/app/.git/HEAD", bytes=1, cause=WasteCause.METADATA_ONLY, shipped_by=1, shadowed_by=2)


@pytest.mark.parametrize(
    ("waste", "line"),
    [
        pytest.param([], 9, id="made-there"),
        pytest.param([MODES], 7, id="only-changed-in-mode-there"),
        pytest.param([replace(MODES, shipped_by=0)], 9, id="of-the-base"),
        pytest.param([MODES, replace(MODES, path="/app/.git/b", shipped_by=0)], 9, id="not-all-of-one"),
        pytest.param([replace(MODES, path="/app/.github")], 9, id="of-another-path"),
    ],
)
def test_it_is_told_of_the_layer_that_brought_it(waste: list[Waste], line: int) -> None:
    groups = group_paths([(2, "/app/.git/HEAD", 10 * MIB, Status.VISIBLE)])
    (finding,) = detect(groups, LAYERS, waste)
    assert finding.location.dockerfile == SourceLine(file="Dockerfile", line=line)
    assert finding.message.endswith(f"left by line {line}")
    assert finding.location.layer == 2

"""Go by its grammar, other languages by their usual spellings, and which files are read at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from setups import write_files

from imgscan.project.sources import golang, others
from imgscan.project.sources.read import language_of, read_sources
from imgscan.project.tree import read_tree

GO = "package main\nfunc main() {\n%s\n}\n"
GO_READS = {
    "getenv": ('os.Getenv("A")', [("A", None, False)]),
    "lookup": ('v, ok := os.LookupEnv("A")', [("A", None, False)]),
    "a helper with a default": ('getEnv("A", "x")', [("A", "x", False)]),
    "a helper that must": ('mustGetenv("A")', [("A", None, True)]),
    "another call": ('strings.ToLower("A")', []),
}


@pytest.mark.parametrize(("text", "expected"), GO_READS.values(), ids=GO_READS)
def test_go_reads(text: str, expected: list[tuple[str, str | None, bool]]) -> None:
    found = golang.read({"main.go": GO % text}, {}).reads
    assert [(each.name, each.default, each.required) for each in found] == expected


def test_go_reads_tags() -> None:
    text = 'package c\ntype C struct {\n  A string `env:"A,required"`\n  B int `env:"B" envDefault:"3"`\n}\n'
    found = golang.read({"c.go": text}, {}).reads
    assert [(each.name, each.default, each.required, each.line) for each in found] == [
        ("A", None, True, 3),
        ("B", "3", False, 4),
    ]


GO_BINDS = {
    "every address": ('http.ListenAndServe(":8080", nil)', (None, 8080, True)),
    "loopback": ('http.ListenAndServe("127.0.0.1:8080", nil)', ("127.0.0.1", 8080, True)),
    "a server": ('s := &http.Server{Addr: "localhost:9000"}', ("localhost", 9000, True)),
    "net": ('net.Listen("tcp", "[::]:1")', ("::", 1, True)),
    "unix": ('net.Listen("unix", "/x:1")', None),
    "made of a variable": ('http.ListenAndServe(":"+os.Getenv("PORT"), nil)', (None, None, True)),
    "unknown": ("http.ListenAndServe(addr, nil)", (None, None, False)),
}


@pytest.mark.parametrize(("text", "expected"), GO_BINDS.values(), ids=GO_BINDS)
def test_go_binds(text: str, expected: tuple[str | None, int | None, bool] | None) -> None:
    found = [(each.host, each.port, each.host_known) for each in golang.read({"main.go": GO % text}, {}).binds]
    assert found == ([expected] if expected else [])


def test_go_routes() -> None:
    text = GO % 'http.HandleFunc("GET /health", h)\nr.GET("/x", h)\nr.Group("/api")\nhttp.Handle("/static/", h)'
    found = [(each.path, each.method) for each in golang.read({"main.go": text}, {}).routes]
    assert found == [("/health", None), ("/x", "GET"), ("/api", "MOUNT"), ("/static/", None), ("/static/*", None)]


OTHERS = {
    "ruby": ("a.rb", "x = ENV['A'] || 'd'\ny = ENV.fetch('B')\nz = ENV.fetch('C') { 1 }", [("A", "d", False), ("B", None, True), ("C", None, False)]),
    "php": ("a.php", "<?php env('A', 'x'); getenv('B'); $_ENV['C'] ?? 'y'; $_SERVER['REQUEST_METHOD'];", [("A", "x", False), ("B", None, False), ("C", "y", False)]),
    "java": ("A.java", 'System.getenv("A"); @Value("${B:x}") String b;', [("A", None, False), ("B", "x", False)]),
    "spring": ("src/main/resources/application.yml", "url: jdbc:postgresql://${DB_HOST:localhost}/x\npw: ${DB_PASSWORD}", [("DB_HOST", "localhost", False), ("DB_PASSWORD", None, True)]),
    "rust": ("a.rs", 'env::var("A").unwrap_or_else(|_| "x".into()); std::env::var("B").unwrap()', [("A", "x", False), ("B", None, False)]),
    "csharp": ("A.cs", 'Environment.GetEnvironmentVariable("A") ?? "x"', [("A", "x", False)]),
    "elixir": ("a.exs", 'System.get_env("A") || "x"\nSystem.fetch_env!("B")', [("A", "x", False), ("B", None, True)]),
}  # fmt: skip


@pytest.mark.parametrize(("path", "text", "expected"), OTHERS.values(), ids=OTHERS)
def test_other_languages(path: str, text: str, expected: list[tuple[str, str | None, bool]]) -> None:
    found = others.read({path: text}, {}).reads
    assert sorted((each.name, each.default, each.required) for each in found) == sorted(expected)


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("src/index.ts", "javascript"),
        ("server.mjs", "javascript"),
        ("app/main.py", "python"),
        ("cmd/main.go", "golang"),
        ("config/application.yml", "others"),
        ("config/values.yml", None),
        ("src/index.test.ts", None),
        ("src/__tests__/a.ts", None),
        ("test/app.ts", None),
        ("test_main.py", None),
        ("conftest.py", None),
        ("main_test.go", None),
        ("dist/index.js", None),
        (".next/server/a.js", None),
        ("types/index.d.ts", None),
        ("public/app.min.js", None),
        ("README.md", None),
    ],
)
def test_which_files_are_read(path: str, language: str | None) -> None:
    assert language_of(path) == language


def test_packages_and_large_files_are_left_out(tmp_path: Path) -> None:
    write_files(
        tmp_path,
        {
            "node_modules/x/index.js": "process.env.NO",
            "big.js": "process.env.NO;" + " " * (600 << 10),
            "index.js": "process.env.YES;\n",
        },
    )
    assert [each.name for each in read_sources(read_tree(tmp_path)).reads] == ["YES"]


@given(
    st.text(max_size=200),
    st.sampled_from(["a.go", "a.rb", "a.php", "A.java", "a.rs", "A.cs", "a.ex", "application.yml"]),
)
def test_anything_is_read(text: str, path: str) -> None:
    module = golang if path.endswith(".go") else others
    module.read({path: text}, {})

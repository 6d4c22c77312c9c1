"""What reaches the build and should not: tables of contexts; no value of a secret in any finding."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from projects import make_project, read_project

from imgscan.model import Finding, Place, Severity
from imgscan.project.contextfiles import detect

SAMPLES = Path(__file__).parents[2] / "sample_images"
CONTENT = "tok" + "en=" + "v4lue" * 3
KEY = "-----BEGIN " + "PRIVATE KEY-----\nabc\n"
COPY_ALL = "FROM node:24\nWORKDIR /app\nCOPY . .\n"


def findings(
    root: Path, dockerfile: str, files: dict[str, str | int], rule: str = "context-", **build_args: str
) -> list[Finding]:
    project = make_project(root, dockerfile, files)
    found = detect(project.context, project.dockerfile, None, build_args)
    return [finding for finding in found if finding.rule_id.startswith(rule)]


NAMES = [
    pytest.param(".env", CONTENT, Severity.HIGH, id="env"),
    pytest.param("backend/.env.production", CONTENT, Severity.HIGH, id="nested-env"),
    pytest.param(".env.example", CONTENT, None, id="template"),
    pytest.param("b/.env.sample.local", CONTENT, None, id="template-with-a-suffix"),
    pytest.param(".env", "", None, id="empty"),
    pytest.param("id_rsa", KEY, Severity.HIGH, id="ssh-key"),
    pytest.param("id_rsa.pub", "ssh-rsa AAA", None, id="public-half"),
    pytest.param("server.pem", KEY, Severity.HIGH, id="pem-with-a-key"),
    pytest.param("ca.pem", "-----BEGIN " + "CERTIFICATE-----\n", None, id="pem-with-a-certificate"),
    pytest.param(".npmrc", "//r/:_authToken=" + CONTENT, Severity.HIGH, id="npmrc-with-a-token"),
    pytest.param(".npmrc", "engine-strict=true\n", None, id="npmrc-without"),
    pytest.param("store.p12", "\x00", Severity.HIGH, id="key-store"),
    pytest.param("terraform.tfstate", "{}", Severity.HIGH, id="terraform"),
    pytest.param("dump.sql", "insert", Severity.HIGH, id="dump"),
    pytest.param("migrations/0001_init.sql", "create", None, id="migration"),
    pytest.param("infra/kubeconfig", "x", Severity.HIGH, id="kubeconfig"),
    pytest.param(".aws/credentials", CONTENT, Severity.HIGH, id="aws"),
    pytest.param("tests/fixtures/id_rsa", KEY, Severity.LOW, id="test-key"),
    pytest.param("src/environment.ts", CONTENT, None, id="ordinary-source"),
    pytest.param("monkey.ts", CONTENT, None, id="a-word-that-ends-like-one"),
]


@pytest.mark.parametrize(("path", "content", "severity"), NAMES)
def test_secret_files(tmp_path: Path, path: str, content: str, severity: Severity | None) -> None:
    found = findings(tmp_path, COPY_ALL, {path: content, "a.js": "x"}, "context-secret-file")
    assert [(f.location.path, f.severity) for f in found] == ([(path, severity)] if severity else [])


@pytest.mark.parametrize(
    ("dockerfile", "severity", "line"),
    [
        pytest.param(COPY_ALL, Severity.HIGH, 3, id="into-the-image"),
        pytest.param("FROM a AS b\nCOPY . .\nFROM a\nCOPY --from=b /x /x\n", Severity.MEDIUM, 2, id="build-stage"),
        pytest.param("FROM a\nCOPY src src\n", Severity.MEDIUM, None, id="context-only"),
        pytest.param("FROM a\nCOPY b ./\n", Severity.HIGH, 2, id="by-its-folder"),
    ],
)
def test_how_far_a_secret_gets(tmp_path: Path, dockerfile: str, severity: Severity, line: int | None) -> None:
    (found,) = findings(tmp_path, dockerfile, {"b/.env": CONTENT, "src/a.js": "x"}, "context-secret-file")
    assert found.severity is severity
    assert (found.location.dockerfile.line if found.location.dockerfile else None) == line
    assert found.location.place is Place.CONTEXT


def test_ignored_files_are_fine(tmp_path: Path) -> None:
    files: dict[str, str | int] = {".dockerignore": "**/.env\n", "b/.env": CONTENT, ".env": CONTENT}
    assert findings(tmp_path, COPY_ALL, files) == []


IGNORE = [
    pytest.param(".env\n", {"b/.env": CONTENT}, ["b/.env"], id="root-anchored"),
    pytest.param(".env\nnode_modules\n", {"a.js": "x"}, [], id="nothing-nested"),
    pytest.param("*.pem\n", {"b/k.pem": KEY, "c/d/k.pem": KEY}, ["b/k.pem", "c/d/k.pem"], id="glob"),
    pytest.param("*.pem\n", {"b/k.pem": "certificate"}, [], id="no-key-in-it"),
    pytest.param("*\n**/.env\n!b\n", {"b/.env": CONTENT}, ["b/.env"], id="let-in-again-by-a-folder"),
    pytest.param("*\n!b\n**/.env\n", {"b/.env": CONTENT, "b/a.js": "x"}, [], id="allow-list-with-denials-last"),
]


@pytest.mark.parametrize(("ignore", "files", "expected"), IGNORE)
def test_ignore_misses(tmp_path: Path, ignore: str, files: dict[str, str | int], expected: list[str]) -> None:
    found = findings(tmp_path, COPY_ALL, {**files, ".dockerignore": ignore}, "context-ignore-misses")
    paths = [place.path for f in found for place in f.places if place.line is None]
    assert paths == expected
    if expected:
        assert found[0].location.path == expected[0]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            "# secrets\n.env\n.env.*\n!.env.example\n",
            "# secrets\n**/.env\n.env.*\n!**/.env.example\n",
            id="with-exception",
        ),
        pytest.param("a\n.env", "a\n**/.env", id="no-end-of-line"),
        pytest.param("  .env  \nc\n", "  **/.env  \nc\n", id="blanks-kept"),
        pytest.param("/.env\n", "/**/.env\n", id="leading-slash"),
    ],
)
def test_patch_applies(tmp_path: Path, before: str, after: str) -> None:
    (found,) = findings(tmp_path, COPY_ALL, {".dockerignore": before, "b/.env": CONTENT}, "context-ignore-misses")
    assert found.fix.patch is not None
    subprocess.run(["patch", "-p1"], cwd=tmp_path, input=found.fix.patch.encode(), check=True, capture_output=True)
    assert (tmp_path / ".dockerignore").read_text() == after
    again = read_project(tmp_path)
    assert [f for f in detect(again.context, again.dockerfile) if f.rule_id != "context-large"] == []


@pytest.mark.parametrize(
    ("dockerfile", "files", "severity"),
    [
        pytest.param(COPY_ALL, {"a.js": "x", ".env": CONTENT}, Severity.LOW, id="secrets-and-copy-all"),
        pytest.param("FROM a\nCOPY a.js /\n", {"a.js": "x", ".env": CONTENT}, Severity.LOW, id="secrets-not-copied"),
        pytest.param(COPY_ALL, {"a.js": "x", ".git/HEAD": "r"}, Severity.LOW, id="history"),
        pytest.param(COPY_ALL, {"a.js": "x", "node_modules/x.js": "y"}, Severity.LOW, id="modules"),
        pytest.param("FROM a\nCOPY a.js /\n", {"a.js": "x"}, Severity.INFO, id="nothing-there"),
        pytest.param("FROM a\nRUN x\n", {"a.js": "x"}, None, id="context-not-used"),
        pytest.param(COPY_ALL, {"a.js": "x", ".dockerignore": "b\n"}, None, id="there-is-one"),
    ],
)
def test_no_ignore_file(
    tmp_path: Path, dockerfile: str, files: dict[str, str | int], severity: Severity | None
) -> None:
    found = findings(tmp_path, dockerfile, files, "context-no-ignore-file")
    assert [f.severity for f in found] == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("dockerfile", "severity"),
    [
        pytest.param(COPY_ALL, Severity.HIGH, id="shipped"),
        pytest.param("FROM a AS b\nCOPY . .\nFROM a\nCOPY --from=b /x /x\n", Severity.MEDIUM, id="build-stage"),
        pytest.param("FROM a\nCOPY src src\n", Severity.LOW, id="context-only"),
    ],
)
def test_history(tmp_path: Path, dockerfile: str, severity: Severity) -> None:
    files: dict[str, str | int] = {".git/config": "x", "src/a.js": "y"}
    (found,) = findings(tmp_path, dockerfile, files, "context-git-directory")
    assert (found.severity, found.location.path) == (severity, ".git")


DELETED = [
    pytest.param("COPY . .\nRUN rm -f b/.env", [4], id="by-name"),
    pytest.param("COPY . .\nRUN rm -rf b", [4], id="by-its-folder"),
    pytest.param("COPY . .\nRUN rm -rf /app/b/.e*", [4], id="by-wildcard"),
    pytest.param("COPY . .\nRUN cd b && npm ci && rm .env", [4], id="after-cd"),
    pytest.param("COPY b/.env /run/x\nRUN cat /run/x; rm /run/x", [4], id="renamed"),
    pytest.param("COPY . .\nRUN rm -rf c", [], id="something-else"),
    pytest.param("RUN rm -f b/.env\nCOPY . .", [], id="deleted-before"),
    pytest.param("COPY . .\nRUN echo rm b/.env", [], id="only-said"),
    pytest.param('COPY . .\nRUN ["rm", "b/.env"]', [4], id="json-form"),
]


@pytest.mark.parametrize(("steps", "expected"), DELETED)
def test_copy_then_delete(tmp_path: Path, steps: str, expected: list[int]) -> None:
    files: dict[str, str | int] = {"b/.env": CONTENT, "c/a.js": "x", ".dockerignore": "x\n"}
    found = findings(tmp_path, f"FROM a\nWORKDIR /app\n{steps}\n", files, "context-copy-then-delete")
    assert [f.location.line for f in found] == expected


def test_a_deletion_in_a_stage_that_is_not_shipped_is_no_finding(tmp_path: Path) -> None:
    dockerfile = "FROM a AS b\nWORKDIR /app\nCOPY . .\nRUN rm .env\nFROM a\nCOPY --from=b /app /app\n"
    assert findings(tmp_path, dockerfile, {".env": CONTENT}, "context-copy-then-delete") == []


ARGS = [
    pytest.param(f"ARG NPM_TOKEN={CONTENT}", Severity.HIGH, id="arg-with-a-default"),
    pytest.param("ARG NPM_TOKEN", Severity.MEDIUM, id="arg-without-a-value"),
    pytest.param(f"ENV DB_PASSWORD={CONTENT}", Severity.HIGH, id="env"),
    pytest.param("ARG TOKEN\nENV API_KEY=$TOKEN", Severity.MEDIUM, id="env-from-arg"),
    pytest.param("ENV DB_PASSWORD_FILE=/run/secrets/db", None, id="path-of-a-secret-file"),
    pytest.param("ENV DB_PASSWORD=", None, id="empty"),
    pytest.param("ENV SECRET_KEY_BASE=dummy", None, id="placeholder"),
    pytest.param("ENV NEXT_PUBLIC_API_KEY=abcdef", None, id="public"),
    pytest.param("ENV KEYCLOAK_URL=x TOKENIZERS_PARALLELISM=false PWD=/x GPG_KEY=abc", None, id="other-names"),
    pytest.param("RUN --mount=type=secret,id=NPM_TOKEN npm ci", None, id="secret-mount"),
]


@pytest.mark.parametrize(("step", "severity"), ARGS)
def test_secret_names(tmp_path: Path, step: str, severity: Severity | None) -> None:
    found = findings(tmp_path, f"FROM a\n{step}\n", {"a.js": "x"}, "context-secret-in-arg")
    assert [f.severity for f in found][:1] == ([severity] if severity else [])
    assert CONTENT not in repr(found)


def test_one_finding_for_each_line(tmp_path: Path) -> None:
    dockerfile = f"FROM a\nENV A_TOKEN={CONTENT} B_PASSWORD={CONTENT}\n"
    (found,) = findings(tmp_path, dockerfile, {}, "context-secret-in-arg")
    assert "A_TOKEN, B_PASSWORD" in found.message


def test_build_argument_gives_the_value(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, "FROM a\nARG NPM_TOKEN\n", {}, "context-secret-in-arg", NPM_TOKEN=CONTENT)
    assert found.severity is Severity.HIGH
    assert CONTENT not in repr(found)


def test_large_context_names_the_largest_paths(tmp_path: Path) -> None:
    files: dict[str, str | int] = {"data/a.bin": 80 << 20, "data/b.bin": 60 << 20, "c/d/e.bin": 30 << 20, "f.js": 10}
    (found,) = findings(tmp_path, "FROM a\nCOPY f.js /\n", files, "context-large")
    assert [place.path for place in found.places][:2] == ["data", "c/d/e.bin"]
    assert found.severity is Severity.LOW


def test_a_link_out_of_the_context_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text(KEY)
    root = tmp_path / "project"
    root.mkdir()
    (root / "server.pem").symlink_to(outside)
    (found,) = findings(root, COPY_ALL, {"a.js": "x"}, "context-secret-file")
    assert found.location.path == "server.pem"
    assert found.severity is Severity.HIGH


@pytest.mark.parametrize("name", ["antone", "antone-as-planned", "go-service"])
def test_well_made_samples_have_nothing(name: str) -> None:
    path = "backend/Dockerfile" if name.startswith("antone") else "Dockerfile"
    project = read_project(SAMPLES / name, path)
    assert list(detect(project.context, project.dockerfile)) == []


NAMED = [
    pytest.param("COPY .netrc /root/\n", {".netrc": "password x"}, True, id="by-name"),
    pytest.param("COPY . /root/\n", {".netrc": "password x"}, False, id="with-its-folder"),
]


@pytest.mark.parametrize(("copy", "files", "named"), NAMED)
def test_a_file_that_a_copy_names_is_taken_out_of_it(
    tmp_path: Path, copy: str, files: dict[str, str | int], named: bool
) -> None:
    (found,) = findings(tmp_path, f"FROM node:24\n{copy}", files, "context-secret-file")
    assert ("Take .netrc out of line 2, which names it" in found.fix.text) is named
    assert (found.fix.patch is None) is named
    assert "reate .dockerignore with `.netrc`." in found.fix.text


STAGES = "FROM golang:1.25 AS b\nCOPY . .\nRUN {}\nFROM scratch\nCOPY --from=b /a /a\n"


@pytest.mark.parametrize(
    ("command", "severity", "use"),
    [
        pytest.param("go build .", Severity.LOW, "line 3 stamps the commit into the program", id="go-build"),
        pytest.param("make", Severity.LOW, "line 3 runs make, which may read the history", id="make"),
        pytest.param("go build -buildvcs=false .", Severity.MEDIUM, None, id="told-not-to"),
    ],
)
def test_a_history_that_the_build_reads(tmp_path: Path, command: str, severity: Severity, use: str | None) -> None:
    files: dict[str, str | int] = {"go.mod": "module a", ".git/HEAD": "r"}
    (found,) = findings(tmp_path, STAGES.format(command), files, "context-git-directory")
    assert found.severity is severity
    assert (use is not None and use in found.message and use in found.fix.text) is (use is not None)
    assert (found.fix.patch is None) is (use is not None)

"""From a failed build to what the user is told."""

from __future__ import annotations

import pytest
from fakes import finding
from streams import SETTINGS, replay

from imgscan.build.causes import CAUSES, find_cause
from imgscan.build.failure import MAX_LOG_LINES, explain_failure, log_lines, make_failure, unwrap_message
from imgscan.build.lines import make_steps
from imgscan.build.steps import Outcome
from imgscan.dockerfile.parse import parse
from imgscan.model import BuildFailure, Evidence, Location, Place, SourceLine

FAIL = (
    "FROM imgscan-fixture-busybox:1\nWORKDIR /\nRUN echo one\nWORKDIR /a\nRUN echo hello; echo bad >&2; exit 3\nRUN x\n"
)


def failure_of(name: str, text: str) -> BuildFailure:
    parser = replay(name)
    dockerfile = parse(text)
    steps = make_steps(parser.builder, parser.steps(), dockerfile, SETTINGS, str)
    return make_failure(parser.outcome, parser.steps(), steps, dockerfile, SETTINGS, str)


def test_a_run_that_fails() -> None:
    failure = failure_of("buildkit-fail", FAIL)
    assert failure.step == "RUN echo hello; echo bad >&2; exit 3"
    assert failure.line == 5
    assert failure.log == ("hello", "bad")
    assert "exit code: 3" in failure.message
    assert failure.cause is None


def test_the_same_by_the_classic_builder_and_podman() -> None:
    classic = failure_of("classic-fail", FAIL.replace("WORKDIR /a\n", ""))
    assert (classic.line, classic.log) == (4, ("hello", "bad"))
    podman = failure_of("podman-fail", FAIL.replace("WORKDIR /a\n", "").replace("WORKDIR /\n", ""))
    assert (podman.line, sorted(podman.log)) == (3, ["bad", "hello"])


def test_the_canceled_stage_is_not_blamed() -> None:
    text = (
        "FROM x AS a\nRUN sleep 5\nFROM x AS b\nRUN sleep 0.5; exit 4\nFROM x\nCOPY --from=a / /a\nCOPY --from=b / /b\n"
    )
    assert failure_of("buildkit-fail2", text).line == 4


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        pytest.param(
            "buildkit-copy-missing", "FROM x\nCOPY nothere /x\n", 2, "nothere is not in the build context", id="copy"
        ),
        pytest.param(
            "buildkit-copyfrom-missing",
            "FROM x AS a\nRUN echo hi\nFROM x\nCOPY --from=a /x /y\n",
            4,
            "/x is not in stage a",
            id="copy-from",
        ),
        pytest.param(
            "podman-copy-missing", "FROM x\nCOPY nope /\n", 2, "nope is not in the build context", id="podman"
        ),
        pytest.param(
            "buildkit-secret",
            "FROM x\nRUN --mount=type=secret,id=x cat /run/secrets/x\n",
            2,
            "buildx",
            id="secret",
        ),
    ],
)
def test_recorded_causes(name: str, text: str, line: int, words: str) -> None:
    failure = failure_of(name, text)
    assert failure.line == line
    assert words in (failure.cause or "")


def outcome_failure(outcome: Outcome, text: str) -> BuildFailure:
    return make_failure(outcome, (), (), parse(text), SETTINGS, str)


@pytest.mark.parametrize(
    ("outcome", "text", "step", "line", "words"),
    [
        pytest.param(
            Outcome(
                error="failed to solve: registry.example/app/x:1: failed to do request: dial tcp: no such host",
                failed="[internal] load metadata for registry.example/app/x:1",
            ),
            "FROM a AS b\nFROM registry.example/app/x:1\n",
            "FROM registry.example/app/x:1",
            2,
            "docker pull registry.example/app/x:1",
            id="registry-out-of-reach",
        ),
        pytest.param(
            Outcome(
                error="node:99: docker.io/library/node:99: not found",
                failed="[internal] load metadata for docker.io/library/node:99",
            ),
            "ARG V=99\nFROM node:$V\n",
            "FROM docker.io/library/node:99",
            2,
            "does not exist",
            id="no-such-base",
        ),
        pytest.param(
            Outcome(
                error="pull access denied, repository does not exist or may require authorization",
                failed="[internal] load metadata for docker.io/acme/app:latest",
            ),
            "FROM acme/app\n",
            "FROM docker.io/acme/app:latest",
            1,
            "docker login",
            id="denied",
        ),
        pytest.param(
            Outcome(
                error="failed to solve with frontend dockerfile.v0: failed to solve with frontend gateway.v0: failed to do"
                " request: dial tcp: lookup: no such host",
                failed="resolve image config for docker.io/docker/dockerfile:1",
            ),
            "# syntax=docker/dockerfile:1\nFROM x\n",
            "# syntax=docker/dockerfile:1",
            1,
            "remove the line",
            id="syntax-line",
        ),
        pytest.param(
            Outcome(error="failed to create LLB definition: dockerfile parse error line 3: unknown instruction: ECHO"),
            "FROM x\nRUN a\n",
            "reading the Dockerfile",
            3,
            "heredoc",
            id="heredoc-on-an-old-engine",
        ),
        pytest.param(
            Outcome(error="dockerfile parse error on line 2: Unknown flag: link"),
            "FROM x\nRUN a\n",
            "reading the Dockerfile",
            2,
            "--link",
            id="link-on-an-old-engine",
        ),
        pytest.param(
            Outcome(error="target stage nope could not be found"),
            "FROM x\n",
            "starting the build",
            None,
            "--target",
            id="target",
        ),
    ],
)
def test_failures_outside_the_steps(outcome: Outcome, text: str, step: str, line: int | None, words: str) -> None:
    failure = outcome_failure(outcome, text)
    assert (failure.step, failure.line) == (step, line)
    assert words in (failure.cause or "")


@pytest.mark.parametrize(
    ("outcome", "unreachable"),
    [
        pytest.param(
            Outcome(
                error='failed to do request: Head "https://registry-1.docker.io/v2/": dial tcp: no such host',
                failed="resolve image config for docker.io/docker/dockerfile:1",
            ),
            True,
            id="frontend",
        ),
        pytest.param(
            Outcome(error="net/http: TLS handshake timeout", failed="[internal] load metadata for r.example/a:1"),
            True,
            id="base-image",
        ),
        pytest.param(
            Outcome(error="docker.io/library/node:99: not found", failed="[internal] load metadata for node:99"),
            False,
            id="no-such-image",
        ),
        pytest.param(
            Outcome(error="pull access denied", failed="[internal] load metadata for docker.io/acme/app:latest"),
            False,
            id="denied",
        ),
        pytest.param(
            Outcome(error="dial tcp: no such host", failed="https://example.org/x.tgz"),
            False,
            id="a-download-of-its-own",
        ),
    ],
)
def test_a_registry_out_of_reach_is_told_from_a_fault(outcome: Outcome, unreachable: bool) -> None:
    assert outcome_failure(outcome, "# syntax=docker/dockerfile:1\nFROM x\n").unreachable is unreachable


@pytest.mark.parametrize(
    ("message", "log", "step", "words"),
    [
        pytest.param("", "sh: 1: corepack: not found", "RUN corepack enable", "no corepack", id="corepack"),
        pytest.param(
            "", "/bin/sh: corepack: command not found", "RUN corepack enable", "no corepack", id="corepack-bash"
        ),
        pytest.param(
            "", "ERR_PNPM_OUTDATED_LOCKFILE  Cannot install", "RUN pnpm i", "pnpm-lock.yaml does not fit", id="pnpm"
        ),
        pytest.param("", "ERR_PNPM_NO_LOCKFILE  Cannot", "RUN pnpm i", "does not reach this step", id="pnpm-no-lock"),
        pytest.param("", "sh: 1: tsc: not found", "RUN pnpm build", "development dependency", id="tsc"),
        pytest.param(
            "",
            "src/a.ts(1,2): error TS2307: Cannot find module '@a/b' or",
            "RUN tsc",
            "TypeScript does not find @a/b",
            id="ts",
        ),
        pytest.param("", "Error [ERR_MODULE_NOT_FOUND]: Cannot find", "RUN node x", "imports", id="esm"),
        pytest.param(
            "",
            "npm ERR! `npm ci` can only install packages when your package.json and package-lock.json are in sync",
            "RUN npm ci",
            "package-lock.json does not fit",
            id="npm-ci",
        ),
        pytest.param(
            "", "ERROR: No matching distribution found for nope==1", "RUN pip install", "pip finds no", id="pip"
        ),
        pytest.param("", "npm ERR! getaddrinfo EAI_AGAIN registry.example", "RUN npm ci", "--network host", id="dns"),
        pytest.param(
            "", "W: Temporary failure resolving 'deb.example'", "RUN apt-get update", "--network host", id="apt-dns"
        ),
        pytest.param("", "SSL: CERTIFICATE_VERIFY_FAILED", "RUN pip install x", "issuer", id="tls"),
        pytest.param("write /x: no space left on device", "", "RUN x", "disk is full", id="disk"),
        pytest.param("", "npm ERR! ENOSPC: no space left on device", "RUN x", "disk is full", id="disk-in-log"),
        pytest.param("no active sessions", "", "RUN --mount=type=ssh git clone", "SSH agent", id="ssh"),
        pytest.param("exit code: 137", "", "RUN x", "memory", id="memory"),
        pytest.param("exit code: 127", "/bin/sh: 1: make: not found", "RUN make", "program make", id="program"),
        pytest.param("", "E: Unable to locate package nope", "RUN apt-get install nope", "package index", id="apt"),
        pytest.param(
            "COPY failed: file not found in build context or excluded by .dockerignore: stat nope: file does not exist",
            "",
            "COPY nope /",
            "nope is not in the build context",
            id="classic-copy",
        ),
        pytest.param(
            "COPY failed: stat nope: file does not exist", "", "COPY --from=a /nope /", "stage a", id="classic-from"
        ),
        pytest.param(
            "lstat /var/lib/docker/overlay2/" + "0a" * 32 + "/merged/nope: no such file or directory",
            "",
            "COPY --from=a /nope /",
            "/nope is not in stage a",
            id="mount-path-of-the-engine",
        ),
        pytest.param(
            'failed to calculate checksum of ref a::b: "/nope": not found',
            "",
            "COPY nope /",
            "nope is not in the",
            id="28",
        ),
        pytest.param(
            "COPY failed: no source files were specified", "", "COPY a* /", "a file it names", id="classic-glob"
        ),
        pytest.param("dial tcp: lookup x: no such host", "", "ADD https://x.example/y /", "cannot fetch", id="add-url"),
        pytest.param(
            "the --mount option requires BuildKit. Refer to",
            "",
            "RUN --mount=type=cache x",
            "--builder buildkit",
            id="mount",
        ),
    ],
)
def test_causes(message: str, log: str, step: str, words: str) -> None:
    assert words in (find_cause(message, log, step) or "")


def test_unknown_failures_have_no_cause() -> None:
    assert find_cause("exit code: 1", "something odd", "RUN ./build.sh") is None


def test_no_cause_leaves_a_hole() -> None:
    holes = {"relative", "image", "path", "stage", "flag", "word", "module", "package", "program", "target"}
    for cause in CAUSES:
        assert cause.message or cause.log or cause.step
        assert set(__import__("re").findall(r"\{(\w+)\}", cause.why)) <= holes


def test_a_download_of_an_older_buildkit_is_its_add() -> None:
    outcome = Outcome(error="failed to load cache key: dial tcp: no such host", failed="https://x.example/y")
    failure = outcome_failure(outcome, "FROM x\nADD https://x.example/y /\n")
    assert (failure.step, failure.line) == ("ADD https://x.example/y /", 2)
    assert "cannot fetch" in (failure.cause or "")


def test_messages_are_unwrapped() -> None:
    wrapped = "failed to solve with frontend dockerfile.v0: failed to create LLB definition: it"
    assert unwrap_message(wrapped) == "it"
    assert unwrap_message('building at STEP "RUN echo \\"x\\": y": it') == "it"
    assert unwrap_message("failed to solve: rpc error: code = Unknown desc = it\n") == "it"


def test_log_lines_drop_noise_colours_and_carriage_returns() -> None:
    log = "\n".join(
        [
            "npm notice New major version",
            "npm warn deprecated x@1",
            "Progress: resolved 1, reused 0",
            "Get:1 http://deb.example stable InRelease",
            "\x1b[91mnpm ERR! code E404\x1b[0m",
            "10%\r50%\rnpm ERR! 404 Not Found",
            "npm ERR!",
            "npm ERR! A complete log of this run can be found in: /root/.npm/_logs/x.log",
            "",
        ]
    )
    assert log_lines(log) == ("npm ERR! code E404", "npm ERR! 404 Not Found")


def test_log_lines_prefer_errors_and_keep_the_order() -> None:
    lines = [f"compiling {n}" for n in range(500)]
    lines[3] = "error TS2307: first"
    lines[250] = "error TS2307: second"
    shown = log_lines("\n".join(lines))
    assert len(shown) == MAX_LOG_LINES
    assert shown[:2] == ("error TS2307: first", "error TS2307: second")
    assert shown[-1] == "compiling 499"


def test_a_long_line_is_cut() -> None:
    (line,) = log_lines("x" * 10_000)
    assert len(line) == 400


def failure(line: int | None) -> BuildFailure:
    return BuildFailure(step="RUN pnpm install", line=line, message="exit 1", log=(), cause="generic")


def tech(line: int, rule: str = "tech-workspace-file-missing", evidence: Evidence = Evidence.DERIVED) -> object:
    location = Location(
        place=Place.DOCKERFILE, path="Dockerfile", line=line, dockerfile=SourceLine(file="Dockerfile", line=line)
    )
    return finding(rule_id=rule, evidence=evidence, message=f"cause at {line}", location=location, places=(location,))


TWO_STAGES = parse("FROM x AS a\nCOPY package.json ./\nRUN pnpm install\nFROM x\nCOPY a b\nRUN pnpm install\n")


@pytest.mark.parametrize(
    ("found", "line", "cause"),
    [
        pytest.param([tech(3), tech(2)], 3, "cause at 3", id="its-own-line-first"),
        pytest.param([tech(2)], 3, "cause at 2", id="earlier-in-the-stage"),
        pytest.param([tech(2)], 6, "generic", id="another-stage"),
        pytest.param([tech(6)], 3, "generic", id="later"),
        pytest.param([tech(3, rule="cache-copy-before-install")], 3, "generic", id="another-family"),
        pytest.param([tech(3, evidence=Evidence.PATTERN)], 3, "generic", id="only-a-pattern"),
        pytest.param([tech(3)], None, "generic", id="no-line"),
    ],
)
def test_the_project_s_own_files_explain_more(found: list[object], line: int | None, cause: str) -> None:
    explained = explain_failure(failure(line), found, TWO_STAGES)  # type: ignore[arg-type]
    assert explained.cause == cause
    assert explained.rule_id == (None if cause == "generic" else "tech-workspace-file-missing")


@pytest.mark.parametrize(
    ("last", "cause"),
    [
        pytest.param("COPY --from=a /n /n", "cause at 3", id="the-stage-it-copies-from"),
        pytest.param("COPY --from=0 /n /n", "cause at 3", id="by-number"),
        pytest.param("COPY --from=busybox /n /n", "generic", id="an-image"),
        pytest.param("COPY n /n", "generic", id="the-context"),
    ],
)
def test_a_failed_copy_is_explained_by_the_stage_it_copies_from(last: str, cause: str) -> None:
    stages = parse(f"FROM x AS a\nCOPY package.json ./\nRUN pnpm install\nFROM x\n{last}\n")
    assert explain_failure(failure(5), [tech(3)], stages).cause == cause  # type: ignore[list-item]


def test_everything_is_cleaned() -> None:
    outcome = Outcome(error="exit: hush", failed="hush", log="hush\n")
    made = make_failure(outcome, (), (), None, SETTINGS, lambda text: text.replace("hush", "***"))
    assert "hush" not in repr(made)

"""One image in every form: through the engine, saved, converted, written by other tools. Layers, waste and findings are
the same in all of them.

What may differ is listed in `comparable`, and nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import nastyimage
import pytest
from builds import BUILDX, Builds, save
from engines import ensure_base
from forms import CHANGED_DIFF_IDS, COMPRESSIONS, ENGINES, FILES, TOOLS, WITHOUT_HEALTHCHECK, Workshop

from imgscan.cli.main import run

pytestmark = [pytest.mark.engine, pytest.mark.company]

BUILDERS = ("buildkit", "classic", *(["buildx"] if BUILDX else []))
PLATFORMS = {"linux/amd64": "amd64", "linux/arm64": "arm64", "linux/arm/v7": "arm"}
EXPORTS = {
    "gzip": "tar=true",
    "zstd": "compression=zstd,force-compression=true",
    "uncompressed": "compression=uncompressed,force-compression=true",
    "directory": "tar=false",
}
OPTIONS = ["--no-config", "--exit-zero", "--quiet"]
"""Of every scan; nor does one take another's results, which are kept by layer (IMGSCAN_NO_CACHE, for all tests)."""


class Original:
    """The image in its engine, the report on it there, and the workshop for its other forms."""

    def __init__(self, made: Builds, builder: str, folder: Path) -> None:
        self.engine = made.engine
        self.name = made.build(
            nastyimage.dockerfile(made.marker),
            nastyimage.context_files(),
            builder=builder,
            build_args=nastyimage.build_args(),
        )
        self.id: str = self.engine.inspect_image(self.name)["Id"]
        self.folder = folder
        self.shop = Workshop(folder, save(self.engine, self.name, folder / "saved.tar"), self.name)
        self.report = scan(self.name, folder)

    def close(self) -> None:
        self.shop.close()


@pytest.fixture(scope="module", params=BUILDERS)
def original(
    request: pytest.FixtureRequest, made: Builds, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Original]:
    """The image as each of the builders makes it."""
    with closing(Original(made, request.param, tmp_path_factory.mktemp(request.param))) as original:
        yield original


@pytest.fixture(scope="module")
def by_buildkit(made: Builds, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    """The image as BuildKit makes it, for what does not depend on that."""
    with closing(Original(made, "buildkit", tmp_path_factory.mktemp("by-buildkit"))) as original:
        yield original


def scan(target: str, folder: Path) -> dict[str, Any]:
    """The JSON report of `imgscan scan`."""
    out = folder / "report.json"
    out.unlink(missing_ok=True)
    assert run(["scan", target, *OPTIONS, "--format", f"json={out}"]) == 0
    return read_report(out)


def scan_apart(
    target: str, folder: Path, *, stdin: Path | None = None, docker_host: str = "", cache: Path | None = None
) -> dict[str, Any]:
    """The same by a process of its own: of what comes by a pipe, of another engine, with the results in a cache."""
    out = folder / "report.json"
    out.unlink(missing_ok=True)
    command = [sys.executable, "-m", "imgscan", "scan", target, *OPTIONS, "--format", f"json={out}"]
    env = {**os.environ, "DOCKER_HOST": docker_host or "unix:///nowhere"}
    if cache is not None:
        env |= {"IMGSCAN_NO_CACHE": "", "XDG_CACHE_HOME": str(cache)}
    with subprocess.Popen(["cat", stdin or os.devnull], stdout=subprocess.PIPE) as pipe:
        done = subprocess.run(command, stdin=pipe.stdout, capture_output=True, text=True, check=False, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    return read_report(out)


def read_report(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    assert not [place for place, secret in nastyimage.SECRETS.items() if secret in text]
    report: dict[str, Any] = json.loads(text)
    return report


def comparable(report: dict[str, Any], form: str = "") -> dict[str, Any]:
    """A report without what differs by right from form to form:

    - what the image is called and where it lies (`target`);
    - the digests of its blobs, which compression changes and docker save does not tell;
    - attestations, and findings in nothing else: BuildKit makes them for the containerd store alone, and no tool that
      copies the image by its configuration takes them along;
    - by form: diffIDs that a converter changes (estargz appends to the archives); the missing health check, for which
      OCI's configuration has no field, so that converters drop it.
    """
    image = dict(report["image"])
    image["layers"] = [{**layer, "digest": None} for layer in image["layers"]]
    if form in CHANGED_DIFF_IDS:
        image["layers"] = [{**layer, "diff_id": None} for layer in image["layers"]]
    findings = [without_attestations(finding) for finding in report["findings"]]
    if form in WITHOUT_HEALTHCHECK:
        findings = [finding for finding in findings if finding["rule_id"] != "config-no-healthcheck"]
    kept = {name: report[name] for name in ("complete", "skipped", "coverage", "verdict")}
    return {**kept, "image": image, "findings": [finding for finding in findings if finding["places"]]}


def without_attestations(finding: dict[str, Any]) -> dict[str, Any]:
    return {**finding, "places": [place for place in finding["places"] if place["place"] != "attestation"]}


def check(report: dict[str, Any], original: Original, form: str = "") -> None:
    found, wanted = comparable(report, form), comparable(original.report, form)
    for part, content in wanted.items():
        assert found[part] == content, part


def test_the_image_is_as_nasty_as_it_is_meant_to_be(original: Original) -> None:
    report = original.report
    assert (report["complete"], report["skipped"]) == (True, [])
    places = {
        (place["place"], place["path"], place["status"])
        for finding in report["findings"]
        if finding["rule_id"] == "secret-github-token"
        for place in finding["places"]
    }
    assert {
        ("file", "/app/config.ini", "visible"),
        ("file", "/app/.env", "deleted"),
        ("file", "/app/settings", "overwritten"),
        ("file", "/app/first", "visible"),
        ("env", "ENV GITHUB_TOKEN", None),
        ("label", "LABEL org.example.token", None),
    } <= places
    secrets = [finding for finding in report["findings"] if finding["rule_id"] == "secret-github-token"]
    assert len(secrets) == len(nastyimage.SECRETS)
    waste = {(item["path"], item["cause"]) for item in report["image"]["waste"]}
    assert {
        ("/gone", "deleted"),
        ("/chmod", "metadata-only"),
        ("/flip/dir", "type-changed"),
        ("/flip/file", "type-changed"),
        ("/to-symlink", "type-changed"),
        ("/twin-of-it", "duplicate"),
        ("/white space/not utf-8 \\xff\\xfe", "deleted"),
    } <= waste
    # A file that gets a link in a later layer is copied there; containerd leaves out the name it had before.
    assert waste & {("/copied-up", "metadata-only"), ("/copied-up-link", "duplicate")}


def test_a_layer_may_come_twice(by_buildkit: Original) -> None:
    layers = [layer["diff_id"] for layer in by_buildkit.report["image"]["layers"]]
    assert len(set(layers)) < len(layers)


@pytest.mark.parametrize("letters", [64, 12])
def test_by_id(letters: int, original: Original) -> None:
    check(scan(original.id if letters == 64 else original.id[7:19], original.folder), original)


def test_saved_by_name(original: Original) -> None:
    check(scan(str(original.shop.saved), original.folder), original)


def test_saved_by_id(original: Original, tmp_path: Path) -> None:
    check(scan(str(save(original.engine, original.id, tmp_path / "by-id.tar")), tmp_path), original)


def test_saved_together_with_another(original: Original, tmp_path: Path) -> None:
    path = save(original.engine, ensure_base(original.engine), tmp_path / "two.tar", original.name)
    check(scan(f"{path}:{original.name}", tmp_path), original)


@pytest.mark.parametrize("form", TOOLS)
def test_another_tool_s(form: str, original: Original) -> None:
    check(scan(TOOLS[form](original.shop), original.folder), original, form)


@pytest.mark.parametrize("form", ENGINES)
def test_another_engine_s(form: str, original: Original) -> None:
    found = ENGINES[form](original.shop, original.engine.host)
    if isinstance(found, str):
        check(scan(found, original.folder), original)
    else:
        check(scan_apart(found.target, original.folder, docker_host=found.docker_host), original)


@pytest.mark.parametrize("form", FILES)
def test_another_layout(form: str, by_buildkit: Original) -> None:
    check(scan(FILES[form](by_buildkit.shop), by_buildkit.folder), by_buildkit, form)


@pytest.mark.parametrize("compression", ["plain", "gzip", "zstd"])
def test_standard_input(compression: str, by_buildkit: Original) -> None:
    shop = by_buildkit.shop
    data = Path(shop.write(f"stdin.{compression}", COMPRESSIONS[compression](shop.saved.read_bytes())))
    check(scan_apart("-", by_buildkit.folder, stdin=data), by_buildkit)


def test_results_that_were_kept_are_those_of_any_form(by_buildkit: Original, tmp_path: Path) -> None:
    """Each form is scanned with what those before it left, first the engine's."""
    shop, cache = by_buildkit.shop, tmp_path / "cache"
    cache.mkdir()
    check(scan_apart(shop.name, tmp_path, docker_host=by_buildkit.engine.host, cache=cache), by_buildkit)
    assert any(path.name.startswith("layers") for path in cache.rglob("*"))
    for form in ("save-gzip", "oci-zstd", "oci-mixed", "oci-directory-gzip"):
        check(scan_apart(FILES[form](shop), tmp_path, cache=cache), by_buildkit, form)
    kept = b"".join(path.read_bytes() for path in cache.rglob("*") if path.is_file())
    assert not [place for place, secret in nastyimage.SECRETS.items() if secret.encode() in kept]


if BUILDX:

    @pytest.fixture(scope="module")
    def for_platforms(made: Builds) -> str:
        """An image for three platforms, each with a file of its own."""
        files = {f"app-{name}": f"for {name}\n".encode() * size for size, name in enumerate(PLATFORMS.values(), 10)}
        return made.build(
            "FROM scratch\nARG TARGETARCH\nCOPY app-$TARGETARCH /app\n",
            files,
            builder="buildx",
            platforms=[*PLATFORMS],
        )

    @pytest.mark.parametrize("form", EXPORTS)
    def test_what_buildx_exports(form: str, made: Builds, tmp_path: Path) -> None:
        original = Original(made, "buildx", tmp_path)
        output = f"--output=type=oci,{EXPORTS[form]},dest={tmp_path / form}"
        made.run_buildx(
            nastyimage.dockerfile(made.marker),
            nastyimage.context_files(),
            output,
            build_args=nastyimage.build_args(),
        )
        check(scan(str(tmp_path / form), tmp_path), original)

    def test_what_was_attested_is_searched(made: Builds, tmp_path: Path) -> None:
        original = Original(made, "buildx", tmp_path)
        places = {
            place["place"]
            for finding in original.report["findings"]
            if finding["rule_id"] == "secret-github-token"
            for place in finding["places"]
        }
        assert "attestation" in places
        saved = scan(str(original.shop.saved), tmp_path)
        assert saved["findings"] == original.report["findings"]

    def test_of_several_platforms_the_engine_s_is_taken(made: Builds, for_platforms: str, tmp_path: Path) -> None:
        archive = save(made.engine, for_platforms, tmp_path / "saved.tar")
        host = made.engine.info.platform
        with closing(Workshop(tmp_path, archive, for_platforms)) as shop:
            streamed = shop.through_tcp(made.engine.host)
            reports = [
                scan(for_platforms, tmp_path),
                scan_apart(streamed.target, tmp_path, docker_host=streamed.docker_host),
                scan(str(archive), tmp_path),
                scan(f"{archive}:{host}", tmp_path),
            ]
        assert {report["target"]["platform"] for report in reports} == {host}
        assert len({report["image"]["size_bytes"] for report in reports}) == 1
        assert all(report["image"] | {"layers": ()} == reports[0]["image"] | {"layers": ()} for report in reports)

    def test_another_platform_of_an_archive(made: Builds, for_platforms: str, tmp_path: Path) -> None:
        archive = save(made.engine, for_platforms, tmp_path / "saved.tar")
        reports = {platform: scan(f"{archive}:{platform}", tmp_path) for platform in PLATFORMS}
        assert {report["target"]["platform"] for report in reports.values()} == set(PLATFORMS)
        assert len({report["image"]["size_bytes"] for report in reports.values()}) == len(PLATFORMS)

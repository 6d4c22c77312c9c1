"""Other tools on the same image: where each comes from, what it is given to read, how it is run, what it reported.

Kingfisher is fetched as a Python wheel, gitleaks and trufflehog as Debian packages, into the cache folder; nothing is
installed. dive and trivy are used where they are on PATH. None verifies what it finds: nothing is sent anywhere.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.packages import BenchError

HERE: Final = Path(__file__).resolve().parent
DEBIAN: Final = ("gitleaks", "trufflehog")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What there is to read, and where a report may be written. `layers` is a folder with one folder for each layer."""

    image: str
    archive: Path
    layers: Path
    report: Path
    scratch: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a tool reported: the number of findings (None: it looks for no secrets), and the bytes that it says it has
    read (None: it doesn't say)."""

    findings: int | None
    read_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A tool, run in one way. `reads` says what it is given, `covers` what of that it looks at by its own words;
    `command` gives the whole command, `account` makes sense of its report and its standard error."""

    name: str
    reads: str
    covers: str
    fetch: Callable[[Path], Path]
    command: Callable[[Path, Target], list[str]]
    account: Callable[[bytes, bytes], Account]
    to_stdout: bool = False
    """The report is its standard output."""
    compiles: bool = False
    """It keeps its compiled rules between runs, and is run once beforehand so that it has them, as imgscan is."""
    needs_layers: bool = False


def _on_path(name: str) -> Callable[[Path], Path]:
    def find(_: Path) -> Path:
        found = shutil.which(name)
        if found is None:
            raise BenchError(f"{name} is not on PATH")
        return Path(found)

    return find


def _wheel(version: str) -> Callable[[Path], Path]:
    """Kingfisher of this version; its wheel holds one program and no dependency."""

    def fetch(cache: Path) -> Path:
        folder = cache / f"kingfisher-{version}"
        program = folder / "kingfisher/bin/kingfisher"
        if not program.is_file():
            work = folder.with_suffix(".new")
            shutil.rmtree(work, ignore_errors=True)
            _run(
                [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                 "--only-binary", ":all:", "--target", str(work), f"kingfisher-bin=={version}"],
                f"pip could not fetch kingfisher-bin {version}",
            )  # fmt: skip
            shutil.rmtree(folder, ignore_errors=True)
            work.rename(folder)
        program.chmod(0o755)
        return program

    return fetch


def _debian(name: str) -> Callable[[Path], Path]:
    def fetch(cache: Path) -> Path:
        folder = cache / "debian-sid"
        if not (folder / "packages").is_file():
            command = [str(HERE / "unpack_debian.sh"), str(folder), *DEBIAN]
            _run(command, "the Debian packages could not be fetched")
        return folder / "usr/bin" / name

    return fetch


def _run(command: Sequence[str], failure: str) -> None:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise BenchError(f"{failure}: {(run.stderr or run.stdout).strip()[-400:]}")


KINGFISHER: Final = ("--no-validate", "--no-update-check", "--max-file-size", "100000", "--format", "json", "--output")
"""No limit to a file's size: by default it leaves out files, and so layers, of more than 256 MB."""


def _kingfisher_image(program: Path, target: Target) -> list[str]:
    return [str(program), "scan", "docker", target.image, *KINGFISHER, str(target.report)]


def _kingfisher_archive(program: Path, target: Target) -> list[str]:
    options = ["--no-limits", "--no-validate", "--no-update-check", "--format", "json", "--output", str(target.report)]
    return [str(program), "scan", "docker", "--archive", str(target.archive), *options]


def _kingfisher_layers(program: Path, target: Target) -> list[str]:
    return [str(program), "scan", str(target.layers), *KINGFISHER, str(target.report)]


def _kingfisher_export(program: Path, target: Target) -> list[str]:
    script = str(HERE / "export_layers.sh")
    return [script, target.image, str(program), "scan", ".", *KINGFISHER, str(target.report)]


def _trufflehog(program: Path, target: Target) -> list[str]:
    return [str(program), "docker", "--image", f"file://{target.archive}", "--no-verification", "--no-update", "--json"]


def _gitleaks(program: Path, target: Target) -> list[str]:
    options = ["--no-banner", "--report-format", "json", "--report-path", str(target.report), "--exit-code", "0"]
    return [str(program), "dir", str(target.layers), *options]


def _dive(program: Path, target: Target) -> list[str]:
    return [str(program), target.image, "--json", str(target.report)]


def _trivy(program: Path, target: Target) -> list[str]:
    return [
        str(program), "image", "--scanners", "secret", "--offline-scan", "--skip-db-update", "--skip-version-check",
        "--cache-dir", str(target.scratch / "peer" / "trivy"), "--format", "json", "--output", str(target.report),
        target.image,
    ]  # fmt: skip


def _of_kingfisher(report: bytes, _: bytes) -> Account:
    content = json.loads(report)
    return Account(findings=len(content["findings"]), read_bytes=int(content["metadata"]["summary"]["bytes_scanned"]))


def _of_trufflehog(report: bytes, log: bytes) -> Account:
    read = re.search(rb'"bytes": ?(\d+)', log)
    findings = sum(b'"DetectorType"' in line for line in report.splitlines())
    return Account(findings=findings, read_bytes=int(read[1]) if read else None)


def _of_gitleaks(report: bytes, log: bytes) -> Account:
    read = re.search(rb"scanned ~(\d+) bytes", log)
    return Account(findings=len(json.loads(report)), read_bytes=int(read[1]) if read else None)


def _of_trivy(report: bytes, _: bytes) -> Account:
    results = json.loads(report).get("Results") or ()
    return Account(findings=sum(len(result.get("Secrets") or ()) for result in results))


def _of_dive(report: bytes, _: bytes) -> Account:
    json.loads(report)
    return Account(findings=None)


PEERS: Final[tuple[Peer, ...]] = (
    Peer(
        name="kingfisher 1.112.0 (exported)",
        reads="the image in the engine: docker save, tar, then a scan of every layer's folder, all of it timed",
        covers="every file of every layer",
        fetch=_wheel("1.112.0"), command=_kingfisher_export, account=_of_kingfisher, compiles=True,
    ),
    Peer(
        name="kingfisher 1.112.0 (layers)", reads="every layer, unpacked beforehand (not timed)",
        covers="every file of every layer",
        fetch=_wheel("1.112.0"), command=_kingfisher_layers, account=_of_kingfisher, compiles=True, needs_layers=True,
    ),
    Peer(
        name="kingfisher 1.112.0 (image)", reads="the image in the engine, exported to disk and unpacked by itself",
        covers="what its limits for unpacking let through",
        fetch=_wheel("1.112.0"), command=_kingfisher_image, account=_of_kingfisher, compiles=True,
    ),
    Peer(
        name="kingfisher 2.14.0 (image)", reads="the image in the engine, exported to disk and unpacked by itself",
        covers="what its limits for unpacking let through; reports nothing below node_modules",
        fetch=_wheel("2.14.0"), command=_kingfisher_image, account=_of_kingfisher, compiles=True,
    ),
    Peer(
        name="kingfisher 2.14.0 (archive)", reads="the saved archive (made beforehand, not timed), unpacked by itself",
        covers="every file of every layer; reports nothing below node_modules",
        fetch=_wheel("2.14.0"), command=_kingfisher_archive, account=_of_kingfisher, compiles=True,
    ),
    Peer(
        name="trufflehog", reads="the saved archive (made beforehand, not timed)",
        covers="every layer, without files of some extensions",
        fetch=_debian("trufflehog"), command=_trufflehog, account=_of_trufflehog, to_stdout=True,
    ),
    Peer(
        name="gitleaks", reads="every layer, unpacked beforehand (not timed)",
        covers="text files, without node_modules, lock files and others on its allow list",
        fetch=_debian("gitleaks"), command=_gitleaks, account=_of_gitleaks, needs_layers=True,
    ),
    Peer(
        name="dive", reads="the image in the engine", covers="names and sizes of files, no content: waste alone",
        fetch=_on_path("dive"), command=_dive, account=_of_dive,
    ),
    Peer(
        name="trivy", reads="the image in the engine", covers="text files, without those on its allow list",
        fetch=_on_path("trivy"), command=_trivy, account=_of_trivy,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A peer with its program."""

    peer: Peer
    program: Path


def make_ready(names: Sequence[str] | None, cache: Path) -> tuple[list[Ready], dict[str, str]]:
    """The peers that can be had, of those whose name begins with one of `names` (None: all), and why the others
    cannot."""
    ready, missing = [], {}
    for peer in PEERS:
        if names is None or any(peer.name.startswith(name) for name in names):
            try:
                ready.append(Ready(peer=peer, program=peer.fetch(cache / "peers")))
            except BenchError as error:
                missing[peer.name] = str(error)
    return ready, missing


def own_environment(scratch: Path, home: Path) -> Mapping[str, str]:
    """The environment with a tool's temporary files in `scratch`, and what it keeps between runs in `home`."""
    folders = {"TMPDIR": scratch, "XDG_CACHE_HOME": home / "cache", "HOME": home}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    return {**os.environ, **{name: str(folder) for name, folder in folders.items()}}


def unpack_layers(archive: Path, folder: Path) -> None:
    """Every regular file of every layer of a saved archive, below a folder for each layer; links are left out.

    Raises BenchError for an archive without manifest.json.
    """
    with tarfile.open(archive) as outer:
        try:
            member = outer.extractfile("manifest.json")
        except KeyError:
            member = None
        if member is None:
            raise BenchError(f"{archive} has no manifest.json")
        manifest: list[dict[str, Any]] = json.load(member)
        for number, name in enumerate(manifest[0]["Layers"]):
            with tarfile.open(fileobj=outer.extractfile(name), mode="r:*") as layer:
                layer.extractall(folder / f"{number:02}", filter=_regular_files)  # noqa: S202 - by the filter


def _regular_files(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    return tarfile.data_filter(member, folder) if member.isfile() else None

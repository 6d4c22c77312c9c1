"""The npm packages of the benchmark's image: package-lock.json -> a tree of files on disk, and measured shares of it.

They are fetched once, by npm as this system has it set up, and kept in the cache folder. A share takes whole folders,
chosen by a hash of their path, so that files of every kind and size come in their proportion.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent / "node"
CA_BUNDLES: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
NPM_CI: Final = ("npm", "ci", "--ignore-scripts", "--omit=optional", "--legacy-peer-deps", "--no-audit", "--no-fund")


class BenchError(Exception):
    """Something the benchmark needs is missing; the text says what, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile:
    """A file or symbolic link of node_modules. `path` counts from there; `share` in [0, 1) is its folder's place in the
    order in which folders are taken."""

    path: str
    size_bytes: int
    share: float
    target: str | None = None


def cache_folder() -> Path:
    """Where packages and peers are kept between runs: `$XDG_CACHE_HOME/imgscan/bench`, by default below `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "imgscan" / "bench"


def install(cache: Path) -> Path:
    """The folder node_modules as the lock file says, fetched if the cache hasn't got it. Raises BenchError."""
    lock = (HERE / "package-lock.json").read_bytes()
    done = cache / f"packages-{hashlib.sha256(lock).hexdigest()[:12]}"
    if done.is_dir():
        return done / "node_modules"
    if shutil.which("npm") is None:
        raise BenchError("no npm on PATH to fetch the image's packages with; install npm, or a Node that brings it")
    work = done.with_suffix(".new")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / name, work / name)
    sys.stderr.write("fetching the npm packages of the image, once\n")
    run = subprocess.run(NPM_CI, cwd=work, env=_npm_environment(), capture_output=True, text=True, check=False)
    if run.returncode:
        raise BenchError("npm ci failed:\n" + run.stderr[-2000:])
    work.rename(done)
    return done / "node_modules"


def _npm_environment() -> dict[str, str]:
    """Node brings certificates of its own; behind a proxy it must be told of the system's."""
    environment = dict(os.environ)
    bundle = next((file for file in CA_BUNDLES if Path(file).is_file()), None)
    if bundle is not None:
        environment.setdefault("NODE_EXTRA_CA_CERTS", bundle)
    return environment


def list_packages(root: Path) -> tuple[PackageFile, ...]:
    """Every file and link below `root` in the order of their paths."""
    return tuple(sorted(_walk(root), key=lambda file: file.path))


def _walk(root: Path) -> Iterator[PackageFile]:
    for folder, folders, names in os.walk(root):
        relative = os.path.relpath(folder, root)
        share = folder_share(relative)
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]  # noqa: PTH114, PTH118
        for name in names + links:
            full = os.path.join(folder, name)  # noqa: PTH118  # pathlib takes four times as long for 45,000 files
            target = os.readlink(full) if os.path.islink(full) else None  # noqa: PTH114, PTH115
            size = 0 if target is not None else os.path.getsize(full)  # noqa: PTH202
            yield PackageFile(path=os.path.normpath(f"{relative}/{name}"), size_bytes=size, share=share, target=target)


def folder_share(folder: str) -> float:
    """A number in [0, 1), evenly spread over folders and the same for one folder on every machine."""
    return int.from_bytes(hashlib.sha256(folder.encode("utf-8", "surrogateescape")).digest()[:6]) / 2**48


def share_for(files: tuple[PackageFile, ...], wanted_bytes: int) -> float:
    """The share of folders whose files come nearest to `wanted_bytes` (1.0 when all do not suffice)."""
    folders: dict[float, int] = {}
    for file in files:
        folders[file.share] = folders.get(file.share, 0) + file.size_bytes
    nearest, distance, total = 0.0, wanted_bytes, 0
    for share in sorted(folders):
        # Below this share lie the folders that were counted before it.
        if abs(wanted_bytes - total) <= distance:
            nearest, distance = share, abs(wanted_bytes - total)
        total += folders[share]
    return 1.0 if abs(wanted_bytes - total) <= distance else nearest

"""The canary build: markers where secrets would lie, in a copy; built; searched for in the image.

In: a fresh copy and the builds of the project. Out: a proof. Only files are marked, no build argument: what a build
needs to work (a registry's token) it keeps.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from imgscan.detect.secretnames import secret_name
from imgscan.detect.secrets.findings import LocatedHit
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.detect.secrets.userrules import user_pack
from imgscan.errors import ImgscanError
from imgscan.frozen import frozen
from imgscan.layers.attribution import attribute
from imgscan.lazyre import lazy_re
from imgscan.progress import Progress
from imgscan.project.tree import ProjectTree, read_tree
from imgscan.scan import Means, locate_hits, scan_image
from imgscan.source import open_image
from imgscan.verify.bench import Bench
from imgscan.verify.images import NoImageError
from imgscan.verify.proofs import Proofs

_MARK: Final = "imgscan-canary-"
_RULE: Final = f"""\
- id: canary
  title: A marker of a canary build
  severity: high
  pattern: '{_MARK}[0-9a-f]{{32}}'
  prefixes: ['{_MARK}']
"""
_ASSIGNMENT: Final = lazy_re(r"^(\s*(?:export\s+)?[A-Za-z_][\w.-]*\s*=\s*)(\S.*)$")
_CREDENTIAL: Final = lazy_re(r"(?i)^(\s*[^#;\n]*(?:_auth|token|password|passwd|secret)\w*\s*[=:]\s*)(\S+)")
_SETTINGS: Final = frozenset({".npmrc", ".yarnrc", ".yarnrc.yml", "pip.conf", ".pypirc", ".netrc", "settings.xml"})
_MANIFESTS: Final = ("package.json", "pyproject.toml", "requirements.txt", "go.mod", "Cargo.toml", "composer.json")
_MOST_PLANTED: Final = 40
_MOST_MARKED: Final = 500


@frozen
class Marked:
    """Which marker stands in which file of the copy; `planted` are those that the project itself does not have."""

    files: Mapping[str, str]
    planted: frozenset[str]


def mark_copy(copy: Path) -> Marked:
    """Put a marker of its own into every file that holds credentials by its name, and plant a `.env` wherever there is
    none beside a manifest: a working copy has them sooner or later."""
    tree = read_tree(copy)
    files: dict[str, str] = {}
    for path in list(tree.files)[:_MOST_MARKED]:
        name = secret_name(path)
        text = tree.text(path)
        if name is None or text is None or (name.content and not any(word in text for word in name.content)):
            continue
        marker = _MARK + secrets.token_hex(16)
        (copy / path).write_text(with_marker(path, text, marker), encoding="utf-8", errors="surrogateescape")
        files[marker] = path
    planted = frozenset(_plant(copy, tree, files))
    return Marked(files=files, planted=planted)


def with_marker(path: str, text: str, marker: str) -> str:
    """The text of a file with every value that may be secret replaced; one that is no list of values becomes the marker
    alone."""
    pattern = _CREDENTIAL if path.rpartition("/")[2] in _SETTINGS else _ASSIGNMENT
    lines = text.splitlines()
    marked = [pattern.sub(rf"\g<1>{marker}", line) for line in lines]
    if marked != lines:
        return "\n".join(marked) + "\n"
    return f"# {marker}\n{text}" if pattern is _CREDENTIAL else f"{marker}\n"


def _plant(copy: Path, tree: ProjectTree, files: dict[str, str]) -> Iterator[str]:
    folders = {""} | {path.rpartition("/")[0] for path in tree.named(*_MANIFESTS)}
    for folder in sorted(folders)[:_MOST_PLANTED]:
        path = f"{folder}/.env" if folder else ".env"
        if path in tree.files or path in tree.links or path in tree.folders:
            continue
        marker = _MARK + secrets.token_hex(16)
        (copy / path).write_text(f"APP_SECRET={marker}\n", encoding="utf-8")
        files[marker] = path
        yield path


def prove_canary(
    bench: Bench, copy: Path, builds: Mapping[str, Mapping[str, Any]], proofs: Proofs, progress: Progress
) -> None:
    """Mark, build and search every image of the project; `builds` by service, with contexts in the copy."""
    with proofs.timed():
        marked = mark_copy(copy)
        rule = bench.work / "canary.yml"
        rule.write_text(_RULE, encoding="utf-8")
        scanner = SecretScanner([user_pack(rule, ())], backend="re2", cache=None)
        for name, build in builds.items():
            try:
                tag = bench.images.build(name, build, copy, throwaway=True, suffix="-canary").tag
                hits = _search(bench, tag, scanner, progress)
            except (NoImageError, ImgscanError) as error:
                proofs.unverified("canary", str(error), name)
                continue
            _judge(name, marked, hits, proofs)


def _search(bench: Bench, tag: str, scanner: SecretScanner, progress: Progress) -> list[LocatedHit]:
    with closing(open_image(tag, engine=bench.engine)) as reader:
        scan = scan_image(reader, Means(scanner=scanner, progress=progress))
    return list(locate_hits(scan, attribute(scan.image).layers))


def _judge(name: str, marked: Marked, hits: list[LocatedHit], proofs: Proofs) -> None:
    found: dict[str, str] = {}
    for item in hits:
        for marker in re.findall(rf"{_MARK}[0-9a-f]{{32}}", item.hit.secret.decode("utf-8", "replace")):
            path = marked.files.get(marker)
            if path is not None:
                found.setdefault(path, f"{item.location.place}: {item.location.path or item.location.layer}")
    if not found:
        count, planted = len(marked.files), len(marked.planted)
        told = f"none of {count} marked files ({planted} of them planted) is in the image, its configuration or history"
        proofs.passed("canary", told, name)
        return
    shown = "; ".join(
        f"{path}{' (planted)' if path in marked.planted else ''} in {place}"
        for path, place in sorted(found.items())[:8]
    )
    proofs.failed("canary", f"{len(found)} of {len(marked.files)} marked files are in the image: {shown}", name)

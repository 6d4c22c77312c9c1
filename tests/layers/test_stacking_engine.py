"""Random stacks that a real engine built: our visible tree is the one it exports, our bytes are those of an
independent count.

IMGSCAN_STACKS says how many (20 without it), IMGSCAN_STACK_SEED where to begin; a failure names its seed.
"""

from __future__ import annotations

import os
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builds import Builds, save
from engines import ensure_base
from stacks import (
    SYMLINK_MODE,
    Naive,
    Seen,
    content_bytes,
    differences,
    exported_tree,
    is_engines,
    make_stack,
    saved_layers,
    stack_naively,
)

from imgscan.detect.secrets.scanner import SecretScanner, load_scanner
from imgscan.directories import LEAST_SHARE
from imgscan.engine import Engine
from imgscan.escape import path_text
from imgscan.layers.directories import DEEPEST
from imgscan.layers.filesystem import stack
from imgscan.model import Status
from imgscan.progress import silent
from imgscan.scan import ImageScan, Means, scan_image
from imgscan.source import open_image

pytestmark = [pytest.mark.engine, pytest.mark.company]

FIRST = int(os.environ.get("IMGSCAN_STACK_SEED", "0"))
COUNT = int(os.environ.get("IMGSCAN_STACKS", "20"))
BUILDERS = ("buildkit", "buildkit", "buildkit", "classic")


@pytest.fixture(scope="module")
def scanner() -> SecretScanner:
    return load_scanner()


def scan(target: str, engine: Engine, scanner: SecretScanner) -> ImageScan:
    with closing(open_image(target, engine=engine)) as reader:
        return scan_image(reader, Means(scanner=scanner, progress=silent(), jobs=1))


def export(engine: Engine, tag: str) -> bytes:
    """The file system of a container that never ran."""
    api: Any = engine.api
    container = api.create_container(tag, ["none"], network_disabled=True)["Id"]
    try:
        return b"".join(api.export(container))
    finally:
        engine.remove_container(container)


def our_tree(found: ImageScan, naive: Naive) -> dict[bytes, Seen]:
    """The visible entries in the oracle's words. What a hard link shares its content with may be visible no more, so
    kind and size come from the layer that holds both: the target has to be a name there."""
    tree: dict[bytes, Seen] = {}
    for layer, entry in found.stacked.visible():
        kind = str(entry.kind)
        mode = SYMLINK_MODE if kind == "symlink" else stat.S_IMODE(entry.mode)
        if kind == "hardlink":
            assert entry.target is not None
            linked = naive.shipped[layer, entry.target]
            mode = mode if linked.kind != "symlink" else SYMLINK_MODE
            tree[entry.path] = replace(linked, mode=mode, content=(layer, entry.target))
        elif kind == "file":
            tree[entry.path] = Seen(kind="file", mode=mode, size_bytes=entry.size_bytes, content=(layer, entry.path))
        else:
            target = (entry.target or b"") if kind == "symlink" else b""
            tree[entry.path] = Seen(kind=kind, mode=mode, target=target)
    return tree


def users(tree: dict[bytes, Seen]) -> dict[bytes, Seen]:
    return {path: entry for path, entry in tree.items() if not is_engines(path)}


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_a_random_stack(seed: int, made: Builds, scanner: SecretScanner, tmp_path: Path) -> None:
    engine = made.engine
    builder = BUILDERS[seed % len(BUILDERS)]
    dockerfile = make_stack(seed).dockerfile(ensure_base(engine), made.marker)
    tag = made.build(dockerfile, builder=builder)
    archive = save(engine, tag, tmp_path / "image.tar")
    naive = stack_naively(saved_layers(archive))
    exported = users(exported_tree(export(engine, tag)))
    # The oracles agree with each other, or the test says nothing.
    assert differences(users(naive.tree), exported) == [], dockerfile
    for target in (tag, str(archive)):
        found = scan(target, engine, scanner)
        where = f"seed {seed}, {builder}, {target}\n{dockerfile}"
        assert found.skipped == (), where
        check_tree(found, naive, exported, where)
        check_bytes(found, naive, exported, where)
        check_fates(found, naive, where)
        check_directories(found, naive, where)
    made.remove(tag)


def check_tree(found: ImageScan, naive: Naive, exported: dict[bytes, Seen], where: str) -> None:
    tree = our_tree(found, naive)
    paths = [entry.path for _, entry in found.stacked.visible()]
    assert paths == sorted(set(paths)), where
    assert differences(users(tree), exported) == [], where


def check_bytes(found: ImageScan, naive: Naive, exported: dict[bytes, Seen], where: str) -> None:
    stacked = found.stacked
    assert stacked.size_bytes == naive.size_bytes, where
    assert stacked.reclaimable_bytes == stacked.size_bytes - stacked.visible_bytes, where
    # Once by the layers' bytes that lost their last name, once by what the kernel still shows.
    assert stacked.reclaimable_bytes == sum(naive.lost.values()), where
    assert stacked.reclaimable_bytes == naive.size_bytes - content_bytes(exported), where
    by_layers: dict[tuple[int, int | None], int] = {}
    for item in stacked.waste:
        if item.cause.value != "duplicate":
            key = item.shipped_by, item.shadowed_by
            by_layers[key] = by_layers.get(key, 0) + item.bytes
    assert by_layers == naive.lost, where


def check_directories(found: ImageScan, naive: Naive, where: str) -> None:
    """Every directory that is reported has the bytes of the files whose content a layer ships in it."""
    alive = {entry.content for entry in naive.tree.values() if entry.kind == "file"}
    expected: dict[bytes, list[int]] = {}
    told: set[object] = set()
    for (_, path), shipped in naive.shipped.items():
        if shipped.kind != "file" or shipped.content in told:
            continue
        told.add(shipped.content)
        for depth in range(path.count(b"/") + 1):
            figures = expected.setdefault(b"/".join(path.split(b"/")[:depth]), [0, 0])
            figures[0] += shipped.size_bytes
            figures[1] += 0 if shipped.content in alive else shipped.size_bytes
    directories = found.stacked.directories
    assert {d.path: [d.size_bytes, d.reclaimable_bytes] for d in directories} == {
        f"/{path_text(path)}": figures
        for path, figures in expected.items()
        if figures[0] * LEAST_SHARE >= naive.size_bytes and path.count(b"/") < DEEPEST
    }, where


def check_fates(found: ImageScan, naive: Naive, where: str) -> None:
    # Not `found.stacked`: a scan remembers the fate of those files only that it has something to say of.
    stacked = stack([layer.listing for layer in found.layers])
    fates = {
        (layer, path): stacked.status_of(layer, path)
        for (layer, path), shipped in naive.shipped.items()
        if shipped.kind == "file"
    }
    hidden = {key: (by, status is Status.OVERWRITTEN) for key, (status, by) in fates.items() if by is not None}
    assert hidden == naive.fates, where
    assert all((status is Status.VISIBLE) == (by is None) for status, by in fates.values()), where

"""Bytes of layers where the engine counts blocks of its disk, out of a containerd store made for the test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from imagemaker import CONTENT, Made, content_store, gzipped, sha, small_layer
from tarmaker import archive, directory, hardlink, member

from imgscan.build.storedhistory import history_of
from imgscan.engine import Engine
from imgscan.enginerecords import EngineInfo

BASE = small_layer(b"passwd", b"root")
IMAGE = Made(
    layers=(
        BASE,
        archive(directory(b"app/"), member(b"app/x", b"y" * 700), member(b"app/v", b"w"), hardlink(b"app/z", b"app/x")),
        archive(directory(b"empty/")),
    ),
    history=[
        {"created_by": "ADD x / "},
        {"created_by": "CMD x", "empty_layer": True},
        {"created_by": "COPY . ."},
        {"created_by": "WORKDIR /empty"},
    ],
)
BLOCKS = [{"CreatedBy": "COPY . .", "Size": 12_288}]
EXACT = [
    {"CreatedBy": "WORKDIR /empty", "Size": 0},
    {"CreatedBy": "COPY . .", "Size": 701},
    {"CreatedBy": "CMD x", "Size": 0},
    {"CreatedBy": "ADD x / ", "Size": 4},
]


@dataclass
class FakeEngine:
    """An engine with one image: its record, and a history with sizes of a disk."""

    info: EngineInfo
    record: dict[str, Any]
    host: str = "unix:///var/run/docker.sock"

    def inspect_image(self, ref: str) -> dict[str, Any]:
        return self.record

    def history(self, ref: str) -> list[dict[str, Any]]:
        return BLOCKS


def told(root: Path, record: dict[str, Any], *, store: str = "containerd:overlayfs", newest: int = 9) -> Any:
    info = EngineInfo(kind="docker", version="", api_version="", store=store, cpus=1, platform="", root_dir=str(root))
    return history_of(cast(Engine, FakeEngine(info, record)), "app:1", newest)


def test_sizes_are_those_of_the_files(tmp_path: Path) -> None:
    assert told(tmp_path, content_store(tmp_path, IMAGE)) == EXACT


def test_the_engine_is_asked_where_it_counts_bytes(tmp_path: Path) -> None:
    assert told(tmp_path, content_store(tmp_path, IMAGE), store="overlay2") == BLOCKS


def test_older_layers_are_not_read(tmp_path: Path) -> None:
    damaged = replace(IMAGE, layers=(BASE[:700], *IMAGE.layers[1:]))
    assert told(tmp_path, content_store(tmp_path, damaged), newest=2)[:2] == EXACT[:2]


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(replace(IMAGE, history=None), id="no-history"),
        pytest.param(replace(IMAGE, history=IMAGE.history[1:] if IMAGE.history else None), id="a-line-too-few"),
        pytest.param(replace(IMAGE, layers=(*IMAGE.layers[:2], IMAGE.layers[2][:300])), id="cut-off"),
    ],
)
def test_what_does_not_fit_is_left_to_the_engine(image: Made, tmp_path: Path) -> None:
    assert told(tmp_path, content_store(tmp_path, image)) == BLOCKS


def test_a_store_that_is_elsewhere(tmp_path: Path) -> None:
    record = content_store(tmp_path / "other", IMAGE)
    assert told(tmp_path, record) == BLOCKS


def test_a_blob_that_is_cut_off(tmp_path: Path) -> None:
    record = content_store(tmp_path, IMAGE)
    path = tmp_path / CONTENT / "blobs" / "sha256" / sha(gzipped(IMAGE.layers[2]))
    path.write_bytes(path.read_bytes()[:40])
    assert told(tmp_path, record) == BLOCKS

"""The cache model on pairs of builds that engines made: those that once taught something, and some that say much."""

from __future__ import annotations

from pathlib import Path

import pytest
from cacherecords import Draw, Pair, ask_again, observed, read_line, record_line

from imgscan.build.cachemodel.records import BaseImage, CacheBuilder
from imgscan.build.request import Builder
from imgscan.build.steps import RawStep

RECORDED = (Path(__file__).parent / "cachepairs.jsonl").read_text(encoding="utf-8").splitlines()


def name(line: str) -> str:
    builder, seed = read_line(line)[0].builder, read_line(line)[0].seed
    return f"{builder.kind}-{builder.version[0]}-{'containerd' if builder.merges else 'driver'}-{seed}"


@pytest.mark.parametrize("line", RECORDED, ids=name)
def test_what_was_observed_is_predicted(line: str, tmp_path: Path) -> None:
    (pair,) = ask_again([line], tmp_path / "context")
    assert pair.wrong() == []
    assert pair.unknown() < len(pair.predicted)
    assert pair.observed


def test_a_line_is_read_as_it_was_written() -> None:
    builder = CacheBuilder(kind=Builder.BUILDKIT, version=(28, 5), merges=True)
    bases = {"x:1": BaseImage(layers="l", config="c", env=(("A", "b"),), shell=("/bin/sh", "-c"), triggers=("RUN a",))}
    draw = Draw(seed=7, nonce="abc", builder=builder, bases=bases)
    raw = (RawStep(platform="", stage="s0", ordinal=2, total=3, text="RUN a", cached=True, ran=False),)
    pair = Pair(what="nothing", predicted={}, observed={}, dockerfiles=("", ""))
    assert read_line(record_line(draw, pair, raw)) == (draw, list(raw))
    assert read_line(record_line(draw, None, ())) == (draw, None)
    assert (
        draw.projects()[0].dockerfile()
        == Draw(seed=7, nonce="abc", builder=builder, bases=bases).projects()[0].dockerfile()
    )
    assert observed([]) == {}

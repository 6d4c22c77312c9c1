"""Decompressors: whichever module inflates gzip, the same bytes, ends and errors come out."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from isal import isal_zlib

from imgscan.layers.codec import new_gzip, zstd_pair

MODULES = [pytest.param(zlib, id="zlib"), pytest.param(isal_zlib, id="isal")]


def inflate(module: Any, data: bytes, step: int, most: int) -> tuple[bytes, bool, bytes]:
    decoder = new_gzip(module)
    out = bytearray()
    at = 0
    while not decoder.eof:
        piece = b""
        if decoder.needs_input:
            piece = data[at : at + step]
            at += step
            if not piece:
                break
        got = decoder.decompress(piece, most)
        assert len(got) <= most
        out += got
    return bytes(out), decoder.eof, (decoder.unused_data + data[at:]) if decoder.eof else b""


@pytest.mark.parametrize("module", MODULES)
@given(st.binary(max_size=5000), st.binary(max_size=20), st.integers(1, 700), st.integers(1, 700))
def test_a_member_and_what_follows_it(module: Any, data: bytes, rest: bytes, step: int, most: int) -> None:
    assert inflate(module, gzip.compress(data) + rest, step, most) == (data, True, rest)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("at", [-1, -5, -8, 12, 30], ids=["length", "crc", "crc-start", "body", "later"])
def test_damage_is_an_error(module: Any, at: int) -> None:
    data = bytearray(gzip.compress(bytes(range(256)) * 20, mtime=0))
    data[at] ^= 0x41
    with pytest.raises(Exception, match=r"(?i)error|incorrect|invalid"):
        assert inflate(module, bytes(data), 64, 4096)[0] == bytes(range(256)) * 20


@pytest.mark.parametrize("module", MODULES)
def test_a_cut_member_has_no_end(module: Any) -> None:
    data = gzip.compress(b"x" * 5000)
    assert not inflate(module, data[:-4], 64, 100)[1]


def test_our_own_blocks_come_back() -> None:
    compress, decompress = zstd_pair()
    assert decompress(compress(b"abc" * 1000)) == b"abc" * 1000

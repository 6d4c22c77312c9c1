"""Platforms: spellings, and which of several fits."""

from __future__ import annotations

import pytest

from imgscan.errors import InputError
from imgscan.source.platforms import best, own_platform, parse_platform, read_platform


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("linux/amd64", "linux/amd64"),
        ("Linux/x86_64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/i386", "linux/386"),
        ("windows/amd64", "windows/amd64"),
    ],
)
def test_one_spelling(text: str, normal: str) -> None:
    assert str(parse_platform(text)) == normal
    assert str(read_platform(text)) == normal


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "a/b/c/d", "linux/amd 64", "linux//v7"])
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(InputError, match="no platform"):
        parse_platform(text)


@pytest.mark.parametrize(
    ("wanted", "offers", "chosen"),
    [
        pytest.param("linux/amd64", ["linux/arm64", "linux/amd64"], "linux/amd64", id="exact"),
        pytest.param("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], "linux/arm/v6", id="nearest-older-variant"),
        pytest.param("linux/arm/v6", ["linux/arm/v7", "linux/arm/v5"], "linux/arm/v5", id="never-a-newer-one"),
        pytest.param("linux/arm/v5", ["linux/arm/v7"], None, id="too-new"),
        pytest.param("linux/arm", ["linux/arm64"], None, id="arm-is-not-arm64"),
        pytest.param("linux/arm64", ["linux/arm64/v8"], "linux/arm64", id="v8-is-the-default"),
        pytest.param("linux/amd64", ["linux/amd64/v2"], None, id="amd64-level-too-high"),
        pytest.param("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2"], "linux/amd64/v2", id="amd64-level-below"),
        pytest.param("linux/amd64", ["windows/amd64"], None, id="os"),
        pytest.param("linux/riscv64", ["linux/riscv64"], "linux/riscv64", id="any-architecture"),
        pytest.param("linux/amd64", [], None, id="nothing"),
    ],
)
def test_what_fits(wanted: str, offers: list[str], chosen: str | None) -> None:
    found = best([read_platform(offer) for offer in offers], parse_platform(wanted))
    assert (str(found) if found else None) == chosen


def test_an_image_that_says_nothing() -> None:
    assert read_platform(None) is None
    assert read_platform("unknown") is None
    assert best([None], own_platform()) is None


def test_own_platform_is_of_linux() -> None:
    assert str(own_platform()).startswith("linux/")

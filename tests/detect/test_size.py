"""What is too large or shipped in vain: a table of images by their layers and waste."""

from __future__ import annotations

import pytest

from imgscan.detect.size import detect
from imgscan.model import (
    Digest,
    DiveMetrics,
    Finding,
    ImageReport,
    LayerReport,
    Severity,
    SourceLine,
    Status,
    Waste,
    WasteCause,
)

MIB = 1 << 20


def layer(
    index: int, instruction: str, size: int = 0, *, from_base: bool = False, line: int | None = None
) -> LayerReport:
    return LayerReport(
        index=index,
        diff_id=Digest("sha256:0"),
        digest=None,
        size_bytes=size,
        entries=3,
        whiteouts=0,
        reclaimable_bytes=0,
        from_base=from_base,
        instruction=instruction,
        dockerfile=SourceLine(file="Dockerfile", line=line) if line else None,
    )


def image(*waste: Waste, sizes: tuple[int, ...] = (0, 0, 0, 0)) -> ImageReport:
    layers = (
        layer(0, "base", sizes[0], from_base=True),
        layer(1, "COPY data /data", sizes[1], line=4),
        layer(2, "RUN make", sizes[2], line=5),
        layer(3, "RUN tidy", sizes[3], line=6),
    )
    return ImageReport(
        size_bytes=sum(sizes),
        visible_bytes=sum(sizes),
        reclaimable_bytes=0,
        efficiency=1.0,
        base_layers=1,
        base_method="from",
        dive=DiveMetrics(efficiency=1.0, wasted_bytes=0, user_wasted_percent=0.0),
        layers=layers,
        waste=waste,
    )


def waste(cause: WasteCause, size: int, shipped: int, shadowed: int | None, path: str = "/data/a") -> Waste:
    return Waste(path=path, bytes=size, cause=cause, shipped_by=shipped, shadowed_by=shadowed)


def rules(found: list[Finding]) -> list[str]:
    return [finding.rule_id for finding in found]


TABLE = [
    pytest.param([waste(WasteCause.DELETED, 2 * MIB, 1, 3)], ["layer-deleted-late"], id="deleted"),
    pytest.param([waste(WasteCause.OPAQUE, 2 * MIB, 1, 3)], ["layer-deleted-late"], id="opaque"),
    pytest.param([waste(WasteCause.DELETED, MIB - 1, 1, 3)], [], id="too-little"),
    pytest.param(
        [waste(WasteCause.DELETED, MIB // 2, 1, 3, f"/{n}") for n in range(3)], ["layer-deleted-late"], id="sum"
    ),
    pytest.param([waste(WasteCause.DELETED, 9 * MIB, 0, 3)], [], id="of-the-base"),
    pytest.param([waste(WasteCause.METADATA_ONLY, 2 * MIB, 1, 3)], ["layer-metadata-copy"], id="chmod"),
    pytest.param([waste(WasteCause.METADATA_ONLY, 2 * MIB, 0, 3)], [], id="chmod-of-little-of-the-base"),
    pytest.param([waste(WasteCause.METADATA_ONLY, 9 * MIB, 0, 3)], ["layer-metadata-copy"], id="chmod-of-the-base"),
    pytest.param([waste(WasteCause.OVERWRITTEN, 2 * MIB, 1, 2)], ["layer-overwritten"], id="overwritten"),
    pytest.param([waste(WasteCause.TYPE_CHANGED, 2 * MIB, 1, 2)], ["layer-overwritten"], id="type-changed"),
    pytest.param([waste(WasteCause.DUPLICATE, 2 * MIB, 2, None)], ["layer-duplicate-files"], id="duplicate"),
    pytest.param(
        [waste(WasteCause.DUPLICATE, MIB // 2, 2, None, f"/a/node_modules/{n}") for n in range(4)],
        ["layer-duplicate-files"],
        id="duplicates-in-node-modules-are-one",
    ),
    pytest.param(
        [waste(WasteCause.DUPLICATE, 9 * MIB, 2, None, "/root/.npm/_cacache/a")], [], id="duplicate-in-a-cache"
    ),
    pytest.param([waste(WasteCause.DUPLICATE, 9 * MIB, 2, None, "/usr/share/perl/x.pl")], [], id="of-a-package"),
    pytest.param(
        [waste(WasteCause.DUPLICATE, 2 * MIB, 1, None, "/usr/local/x")], ["layer-duplicate-files"], id="copied-to-usr"
    ),
    pytest.param(
        [waste(WasteCause.DUPLICATE, 2 * MIB, 2, None, "/usr/src/app/x")], ["layer-duplicate-files"], id="below-usr-src"
    ),
    pytest.param([waste(WasteCause.DELETED, 2 * MIB, 77, 78)], [], id="layers-that-are-not-there"),
]


@pytest.mark.parametrize(("items", "expected"), TABLE)
def test_waste(items: list[Waste], expected: list[str]) -> None:
    assert rules(list(detect(image(*items)))) == expected


def test_deleted_late_names_both_lines_and_the_way_out() -> None:
    (found,) = detect(image(waste(WasteCause.DELETED, 2 * MIB, 1, 3)))
    assert "2.10 MB shipped by line 4, removed by line 6: still downloaded" in found.message
    assert ".dockerignore" in found.fix.text
    assert [place.layer for place in found.places] == [1, 3]
    (made,) = detect(image(waste(WasteCause.DELETED, 2 * MIB, 2, 3)))
    assert "in the same RUN" in made.fix.text


def test_metadata_copy_is_placed_where_the_change_is() -> None:
    (found,) = detect(image(waste(WasteCause.METADATA_ONLY, 2 * MIB, 1, 3)))
    assert found.location.dockerfile == SourceLine(file="Dockerfile", line=6)
    assert "COPY --chmod" in found.fix.text


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        pytest.param((900 * MIB, 10 * MIB, 0, 0), [], id="a-large-base"),
        pytest.param((0, 10 * MIB, 200 * MIB, 0), ["layer-oversized-layer"], id="at-the-limit"),
        pytest.param((0, 10 * MIB, 200 * MIB - 1, 0), [], id="below"),
    ],
)
def test_oversized_layers(sizes: tuple[int, int, int, int], expected: list[str]) -> None:
    assert rules(list(detect(image(sizes=sizes)))) == expected


def test_oversized_files_of_the_users_layers() -> None:
    entries = [
        (0, "/base.bin", 90 * MIB, Status.VISIBLE),
        (1, "data/a.bin", 60 * MIB, Status.DELETED),
        (2, "/b.bin", 70 * MIB, Status.VISIBLE),
        (2, "/c.bin", 49 * MIB, Status.VISIBLE),
    ]
    found = list(detect(image(), entries))
    assert [(f.rule_id, f.location.path, f.status) for f in found] == [
        ("layer-oversized-file", "/b.bin", Status.VISIBLE),
        ("layer-oversized-file", "/data/a.bin", Status.DELETED),
    ]


def test_a_large_file_of_an_installed_package_is_only_told() -> None:
    entries = [
        (2, "/usr/lib/libLLVM.so", 90 * MIB, Status.VISIBLE),
        (2, "/usr/lib/gone.so", 80 * MIB, Status.DELETED),
        (1, "/usr/local/bin/app", 70 * MIB, Status.VISIBLE),
        (2, "/opt/model.bin", 60 * MIB, Status.VISIBLE),
    ]
    assert [f.severity for f in detect(image(), entries)] == [Severity.INFO, Severity.LOW, Severity.LOW, Severity.LOW]


def test_names_from_the_image_are_made_visible() -> None:
    (found,) = detect(image(waste(WasteCause.DELETED, 2 * MIB, 1, 3, "/a\x1b[2J\nb")))
    assert "\x1b" not in found.message
    assert "\n" not in found.message

"""What is too large or shipped in vain: a table of images by their layers and waste."""

from __future__ import annotations

from dataclasses import replace

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


STEPS = ("COPY pkgs /tmp/pkgs", "RUN cp /tmp/pkgs/a.deb /var", "RUN chmod -R u+r /tmp", "RUN touch /tmp/pkgs/a.deb")


def built(*waste: Waste, steps: tuple[str, ...] = STEPS) -> ImageReport:
    layers = [layer(at, step, line=at + 3) for at, step in enumerate(steps, start=1)]
    return replace(image(*waste), layers=(layer(0, "base", from_base=True), *layers))


def test_one_finding_for_what_is_changed_again_and_again() -> None:
    changes = [waste(WasteCause.METADATA_ONLY, 2 * MIB, at, at + 1, "/tmp/pkgs/a.deb") for at in (1, 2, 3)]
    (found,) = detect(built(*changes))
    assert "6.29 MB are in the image again and again: line 5, line 6, line 7 change only mode" in found.message
    assert "of what line 4 shipped. /tmp/pkgs/a.deb (6.29 MB)." in found.message
    assert "COPY --chmod=…` or `COPY --chown=…` in line 4" in found.fix.text
    assert [place.layer for place in found.places] == [2, 3, 4, 1]


CHMOD = waste(WasteCause.METADATA_ONLY, MIB // 8, 1, 3, "/tmp/pkgs/a.deb")
GONE = [
    pytest.param(
        (*STEPS[:3], "RUN rm -rf /tmp/pkgs"),
        waste(WasteCause.DELETED, 2 * MIB, 1, 4, "/tmp/pkgs"),
        "shipped by line 4, removed by line 7",
        "`RUN --mount=type=bind,source=pkgs,target=/tmp/pkgs …`, instead of copying it (line 4)",
        id="a-step-uses-it",
    ),
    pytest.param(
        ("COPY --from=b /x /tmp/pkgs", "RUN dpkg -i /tmp/pkgs/a.deb && rm -rf /tmp/pkgs"),
        waste(WasteCause.DELETED, 2 * MIB, 1, 2, "/tmp/pkgs"),
        "shipped by line 4, removed by line 5",
        "Mount what line 5 uses for that step, `RUN --mount=type=bind,from=b,source=/x,target=/tmp/pkgs …`",
        id="the-step-that-removes-it-uses-it",
    ),
    pytest.param(
        (STEPS[0], "RUN make", "RUN rm -rf /tmp/pkgs"),
        waste(WasteCause.DELETED, 2 * MIB, 1, 3, "/tmp/pkgs"),
        "shipped by line 4, removed by line 6",
        "Exclude the files in .dockerignore, or copy less (line 4)",
        id="nothing-uses-it",
    ),
    pytest.param(
        (*STEPS[:3], "RUN rm /tmp/pkgs/a.deb"),
        waste(WasteCause.DELETED, 2 * MIB, 3, 4, "/tmp/pkgs/a.deb"),
        "shipped by line 4, removed by line 7",
        "`RUN --mount=type=bind,source=pkgs,target=/tmp/pkgs/a.deb …`",
        id="a-chmod-in-between",
    ),
    pytest.param(
        (*STEPS[:3], "RUN mv /tmp/pkgs/a.deb /tmp/b.deb"),
        waste(WasteCause.DELETED, 2 * MIB, 3, 4, "/tmp/pkgs/a.deb"),
        "shipped by line 4, moved by line 7",
        "Bring the files to where they are to be at once (line 4)",
        id="moved",
    ),
]


@pytest.mark.parametrize(("steps", "gone", "message", "fix"), GONE)
def test_what_is_gone_is_told_of_who_brought_it(steps: tuple[str, ...], gone: Waste, message: str, fix: str) -> None:
    found = [one for one in detect(built(gone, CHMOD, steps=steps)) if one.rule_id == "layer-deleted-late"]
    assert [message in one.message for one in found] == [True]
    assert fix in found[0].fix.text


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

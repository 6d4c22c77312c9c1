"""Claims: bounded, the same in any order, and careful with what they cannot compare."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.packages import claims
from imgscan.detect.packages.claims import (
    CLAIM_BYTES,
    MOST_CLAIMS,
    ClaimsBuilder,
    FileSums,
    Owner,
    Owners,
    PackageClaims,
    Sum,
    claim,
)

FITS = FileSums(path=b"a", sha256=b"1234567")
LARGE = FileSums(path=b"a", sha256=b"1234567", md5=b"", sha1=b"")


def built(*records: bytes, system: bool = True) -> PackageClaims:
    builder = ClaimsBuilder()
    for record in records:
        builder.add(record, system=system)
    return builder.finish()


@given(records=st.lists(st.integers(0, 50).map(lambda n: claim(b"%d" % n)), max_size=60).flatmap(st.permutations))
def test_the_order_does_not_count(records: list[bytes]) -> None:
    assert built(*records).packed == built(*sorted(records)).packed == b"".join(sorted(set(records)))


def test_more_than_is_kept() -> None:
    records = [number.to_bytes(CLAIM_BYTES) for number in range(MOST_CLAIMS + 10)]
    forwards = built(b"".join(records))
    chunks = [records[at : at + 1000] for at in range(0, len(records), 1000)]
    backwards = built(*(b"".join(chunk) for chunk in reversed(chunks)))
    assert len(forwards.packed) == MOST_CLAIMS * CLAIM_BYTES
    assert not forwards.complete
    assert backwards == forwards
    assert Owners([forwards]).owner(b"not/among/them", []) is Owner.UNKNOWN


def test_a_database_that_could_not_be_read() -> None:
    builder = ClaimsBuilder()
    builder.add(claim(b"usr/share/x"), system=True)
    builder.miss()
    found = Owners([builder.finish()])
    assert found.owner(b"usr/share/x", []) is Owner.PACKAGE
    assert found.owner(b"usr/share/y", []) is Owner.UNKNOWN


@pytest.mark.parametrize(
    ("stated", "path", "sums", "owner"),
    [
        pytest.param(claim(b"a", Sum.SHA256, b"12345678"), b"a", [FITS], Owner.PACKAGE, id="fits"),
        pytest.param(claim(b"a", Sum.SHA256, b"22345678"), b"a", [FITS], Owner.CHANGED, id="differs"),
        pytest.param(claim(b"a", Sum.MD5, b"22345678"), b"a", [LARGE], Owner.PACKAGE, id="cannot-be-compared"),
        pytest.param(claim(b"etc/a", Sum.MD5, b"22345678"), b"etc/a", [LARGE], Owner.UNKNOWN, id="nor-below-etc"),
        pytest.param(claim(b"a"), b"a", [], Owner.PACKAGE, id="not-stated"),
        pytest.param(
            claim(b"a", Sum.SHA256, b"12345678"),
            b"a",
            [FITS, FileSums(path=b"a", sha256=b"7654321")],
            Owner.CHANGED,
            id="one-of-two-files-of-a-path",
        ),
    ],
)
def test_content_goes_before_names(stated: bytes, path: bytes, sums: list[FileSums], owner: Owner) -> None:
    assert Owners([built(stated)]).owner(path, sums) is owner


def test_any_layers_statement_counts() -> None:
    """A later layer updates the package: the file of the lower one is a package's all the same."""
    old, new = built(claim(b"a", Sum.SHA256, b"1234567")), built(claim(b"a", Sum.SHA256, b"new-one"))
    assert Owners([old, new]).owner(b"a", [FITS]) is Owner.PACKAGE


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        (b"/bin/sh", b"usr/bin/sh"),
        (b"lib64/x", b"usr/lib64/x"),
        (b"./usr/x", b"usr/x"),
        (b".env", b".env"),
        (b"library/x", b"library/x"),
    ],
)
def test_paths_of_a_merged_system(path: bytes, normal: bytes) -> None:
    assert claims.normal_path(path) == normal

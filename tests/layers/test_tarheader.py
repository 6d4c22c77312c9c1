"""What is remembered of earlier headers and names changes nothing: against a reader that looks at each by itself."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import example, given
from hypothesis import strategies as st
from tarmaker import BLOCK, MAGIC, base256, checksummed, header, octal

from imgscan.layers.tar import clean_path
from imgscan.layers.tarheader import (
    FORMAT_GNU,
    FORMAT_STAR,
    FORMAT_USTAR,
    FORMAT_V7,
    HeaderFields,
    TarFormatError,
    header_fields,
    parse_number,
)

CHECKSUM = slice(148, 156)


def text(block: bytes, start: int, end: int) -> bytes:
    return block[start:end].partition(b"\0")[0]


def check_sum(block: bytes) -> None:
    try:
        stated = parse_number(block[CHECKSUM]) if not block[148] & 0x80 else None
    except TarFormatError:
        stated = None
    if stated is None:
        raise TarFormatError("there is no header: the checksum is no number")
    blank = block[:148] + b" " * 8 + block[156:]
    if stated not in (sum(blank), sum(byte - 256 if byte > 127 else byte for byte in blank)):
        raise TarFormatError("the header's checksum is wrong")


def is_number(field: bytes) -> bool:
    try:
        parse_number(field)
    except TarFormatError:
        return False
    return True


def prefix_of(block: bytes, form: int) -> bytes:
    if form == FORMAT_STAR:
        parse_number(block[476:488])
        parse_number(block[488:500])
        return text(block, 345, 476)
    prefix = text(block, 345, 500) if form != FORMAT_V7 else b""
    if form == FORMAT_GNU:
        times = all(not block[at] or is_number(block[at : at + 12]) for at in (345, 357))
        return prefix if not times and prefix.isascii() else b""
    return prefix


def read_by_itself(block: bytes) -> HeaderFields:
    """A header, field by field, as Go's archive/tar reads it."""
    check_sum(block)
    mode, uid, gid = (parse_number(block[at : at + 8]) for at in (100, 108, 116))
    size = parse_number(block[124:136])
    parse_number(block[136:148])
    form = FORMAT_V7
    if block[257:263] == b"ustar\0":
        form = FORMAT_STAR if block[508:] == b"tar\0" else FORMAT_USTAR
    elif block[257:265] == b"ustar  \0":
        form = FORMAT_GNU
    if form != FORMAT_V7:
        parse_number(block[329:337])
        parse_number(block[337:345])
    name, prefix = text(block, 0, 100), prefix_of(block, form)
    return prefix + b"/" + name if prefix else name, text(block, 157, 257), size, mode, uid, gid, block[156], form


def outcome(read: Callable[[bytes], HeaderFields], block: bytes) -> HeaderFields | str:
    try:
        return read(block)
    except TarFormatError as error:
        return str(error)


def fields(width: int) -> st.SearchStrategy[bytes]:
    """A number field as somebody may write it."""
    good = [octal(0, width), octal(0o644, width), b"1".rjust(width - 1) + b" ", bytes(width), base256(-5, width)]
    bad = [b"9" * width, b"+1".ljust(width, b"\0"), b"1_1".ljust(width, b"\0"), b"\x80" + b"\xff" * (width - 1)]
    return st.sampled_from(good + bad) | st.binary(min_size=width, max_size=width)


TEXTS = st.sampled_from([b"", b"a", b"usr/lib/x", b"\0hidden", b"\xff\xfe", b"long/" * 20, b"a\0b"])
NUMBERS = ((100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (329, 8), (337, 8), (345, 12), (357, 12), (476, 12))
CHANGES = st.one_of(
    st.sampled_from(NUMBERS).flatmap(lambda at: st.tuples(st.just(at[0]), fields(at[1]))),
    st.tuples(st.sampled_from([0, 157, 256, 265, 345, 357]), TEXTS.map(lambda data: data + b"\0")),
    st.tuples(st.just(156), st.sampled_from([b"0", b"2", b"5", b"x", b"\0", b"Q"])),
    st.tuples(st.sampled_from([257, 508]), st.sampled_from([*MAGIC.values(), b"tar\0"])),
    st.tuples(st.integers(0, BLOCK - 1), st.binary(min_size=1, max_size=3)),
)
SUMS = st.sampled_from(["right", "signed", "stale", "no number", "spaces"])
STEPS = st.lists(st.tuples(st.lists(CHANGES, max_size=2), SUMS), min_size=1, max_size=8)


def changed(block: bytes, changes: list[tuple[int, bytes]], how: str) -> bytes:
    for at, data in changes:
        block = (block[:at] + data + block[at + len(data) :])[:BLOCK]
    if how == "no number":
        return block[:148] + b"12345x\0 " + block[156:]
    if how == "stale":
        return block
    block = checksummed(block, signed=how == "signed")
    return block[:148] + b" %s \0" % block[149:154] + block[156:] if how == "spaces" else block


@given(st.sampled_from(list(MAGIC)), TEXTS, STEPS)
@example("ustar", b"a", [([(345, b"b")], "right"), ([(345, b"c")], "right"), ([], "stale"), ([(0, b"z")], "stale")])
@example("ustar", b"a", [([], "right"), ([(300, b"\xff" * 3)], "signed"), ([], "right")])
@example("ustar", b"a", [([(0, b"\xff" * 256), (257, b"\xff" * 255), (157, b"\xff" * 100)], "right")])
def test_headers_that_are_much_alike(form: str, name: bytes, steps: list[tuple[list[tuple[int, bytes]], str]]) -> None:
    """Each block is the one before but for a few bytes, and comes twice."""
    block = header(name, form=form)
    for changes, how in steps:
        block = changed(block, changes, how)
        expected = outcome(read_by_itself, block)
        assert outcome(header_fields, block) == expected
        assert outcome(header_fields, block) == expected


def test_more_headers_than_are_remembered() -> None:
    """Ends, sums and times of which no two are equal, in two rounds."""
    blocks = [
        header(b"f%d" % number, size=number, prefix=b"p%d" % number, fields={136: octal(number, 12)})
        for number in range(6_000)
    ]
    for number in [*range(6_000), *range(0, 6_000, 7)]:
        assert header_fields(blocks[number])[:3] == (b"p%d/f%d" % (number, number), b"", number)
        wrong = blocks[number][:-1] + b"\1"
        assert outcome(header_fields, wrong) == "the header's checksum is wrong"


PARTS = st.sampled_from([b"", b".", b"..", b"a", b"b", b".a", b"..b", b"c.", b"\xff"])
RAW_NAMES = st.lists(st.lists(PARTS, max_size=5).map(b"/".join), min_size=1, max_size=8)


def cleaned(name: bytes) -> bytes:
    """Part by part, without a look at other names."""
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            del parts[-1:]
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts)


@given(RAW_NAMES)
def test_names_of_the_same_folders(names: list[bytes]) -> None:
    for name in [*names, *names]:
        assert clean_path(name) == cleaned(name)


def test_more_folders_than_are_remembered() -> None:
    for number in [*range(3_000), *range(0, 3_000, 7)]:
        assert clean_path(b"./%d/../%d//x" % (number, number)) == b"%d/x" % number
    assert clean_path(b"y/" * 5_000 + b"../x") == b"y/" * 4_999 + b"x"

"""Ignore rules against moby/patternmatcher 0.6: its own test vectors, the expressions it compiles to, and its oddities."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgscan.dockerfile.ignore import IgnoreRules, go_clean, is_ignored, may_match_below, parse_ignore, translate
from imgscan.errors import InputError

WHEEL = "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl"

# TestMatches: pattern, path, whether it is ignored.
MATCHES = [
    ("**", "file", True),
    ("**", "file/", True),
    ("**/", "file", True),
    ("**/", "file/", True),
    ("**", "/", True),
    ("**/", "/", True),
    ("**", "dir/file", True),
    ("**/", "dir/file", True),
    ("**", "dir/file/", True),
    ("**/", "dir/file/", True),
    ("**/**", "dir/file", True),
    ("**/**", "dir/file/", True),
    ("dir/**", "dir/file", True),
    ("dir/**", "dir/file/", True),
    ("dir/**", "dir/dir2/file", True),
    ("dir/**", "dir/dir2/file/", True),
    ("**/dir", "dir", True),
    ("**/dir", "dir/file", True),
    ("**/dir2/*", "dir/dir2/file", True),
    ("**/dir2/*", "dir/dir2/file/", True),
    ("**/dir2/**", "dir/dir2/dir3/file", True),
    ("**/dir2/**", "dir/dir2/dir3/file/", True),
    ("**file", "file", True),
    ("**file", "dir/file", True),
    ("**/file", "dir/file", True),
    ("**file", "dir/dir/file", True),
    ("**/file", "dir/dir/file", True),
    ("**/file*", "dir/dir/file", True),
    ("**/file*", "dir/dir/file.txt", True),
    ("**/file*txt", "dir/dir/file.txt", True),
    ("**/file*.txt", "dir/dir/file.txt", True),
    ("**/file*.txt*", "dir/dir/file.txt", True),
    ("**/**/*.txt", "dir/dir/file.txt", True),
    ("**/**/*.txt2", "dir/dir/file.txt", False),
    ("**/*.txt", "file.txt", True),
    ("**/**/*.txt", "file.txt", True),
    ("a**/*.txt", "a/file.txt", True),
    ("a**/*.txt", "a/dir/file.txt", True),
    ("a**/*.txt", "a/dir/dir/file.txt", True),
    ("a/*.txt", "a/dir/file.txt", False),
    ("a/*.txt", "a/file.txt", True),
    ("a/*.txt**", "a/file.txt", True),
    ("a[b-d]e", "ae", False),
    ("a[b-d]e", "ace", True),
    ("a[b-d]e", "aae", False),
    ("a[^b-d]e", "aze", True),
    (".*", ".foo", True),
    (".*", "foo", False),
    ("abc.def", "abcdef", False),
    ("abc.def", "abc.def", True),
    ("abc.def", "abcZdef", False),
    ("abc?def", "abcZdef", True),
    ("abc?def", "abcdef", False),
    ("**/foo/bar", "foo/bar", True),
    ("**/foo/bar", "dir/foo/bar", True),
    ("**/foo/bar", "dir/dir2/foo/bar", True),
    ("abc/**", "abc", False),
    ("abc/**", "abc/def", True),
    ("abc/**", "abc/def/ghi", True),
    ("**/.foo", ".foo", True),
    ("**/.foo", "bar.foo", False),
    ("a(b)c/def", "a(b)c/def", True),
    ("a(b)c/def", "a(b)c/xyz", False),
    ("a.|)$(}+{bc", "a.|)$(}+{bc", True),
    (WHEEL, WHEEL, True),
    ("dist/*.whl", WHEEL, True),
    ("a\\\\", "a\\", True),
    ("a\\*b", "a*b", True),
]
# TestMatches with several patterns, and the tests of single functions above it.
MULTIPLE = [
    (["**", "!util/docker/web"], "util/docker/web/foo", False),
    (["**", "!util/docker/web", "util/docker/web/foo"], "util/docker/web/foo", True),
    (["**", f"!{WHEEL}"], WHEEL, False),
    (["**", "!dist/*.whl"], WHEEL, False),
    (["*"], "fileutils.go", True),
    (["*.go"], "fileutils.go", True),
    (["!fileutils.go", "*.go"], "fileutils.go", True),
    (["docs", "!docs/README.md"], "docs/README.md", False),
    (["docs/", "!docs/README.md"], "docs/README.md", False),
    (["docs/*", "!docs/README.md"], "docs/README.md", False),
    (["*.go", "!fileutils.go"], "fileutils.go", False),
    (["*.go"], ".", False),
    ([], "/any/path/there", False),
    (["docs", "config", ""], "config", True),
    (["docs", "  !docs/README.md"], "docs/README.md", False),
    (["docs", "!docs/README.md  "], "docs/README.md", False),
]
# matchTests, those that are no errors: the tests of filepath.Match, with parents counting.
GLOBS = [
    ("abc", "abc", True),
    ("*", "abc", True),
    ("*c", "abc", True),
    ("a*", "a", True),
    ("a*", "abc", True),
    ("a*", "ab/c", True),
    ("a*/b", "abc/b", True),
    ("a*/b", "a/c/b", False),
    ("a*b*c*d*e*/f", "axbxcxdxe/f", True),
    ("a*b*c*d*e*/f", "axbxcxdxexxx/f", True),
    ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", False),
    ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", False),
    ("a*b?c*x", "abxbbxdbxebxczzx", True),
    ("a*b?c*x", "abxbbxdbxebxczzy", False),
    ("ab[c]", "abc", True),
    ("ab[b-d]", "abc", True),
    ("ab[e-g]", "abc", False),
    ("ab[^c]", "abc", False),
    ("ab[^b-d]", "abc", False),
    ("ab[^e-g]", "abc", True),
    ("a\\*b", "a*b", True),
    ("a\\*b", "ab", False),
    ("a?b", "a☺b", True),
    ("a[^a]b", "a☺b", True),
    ("a???b", "a☺b", False),
    ("a[^a][^a][^a]b", "a☺b", False),
    ("[a-ζ]*", "α", True),
    ("*[a-ζ]", "A", False),
    ("a?b", "a/b", False),
    ("a*b", "a/b", False),
    ("[\\]a]", "]", True),
    ("[\\-]", "-", True),
    ("[x\\-]", "x", True),
    ("[x\\-]", "-", True),
    ("[x\\-]", "z", False),
    ("[\\-x]", "x", True),
    ("[\\-x]", "-", True),
    ("[\\-x]", "a", False),
    ("*x", "xxx", True),
]
# matchTests and TestSingleExclamationError: what is refused.
BAD = [
    "[]a]",
    "[-]",
    "[x-]",
    "[-x]",
    "\\",
    "[a-b-c]",
    "[",
    "[^",
    "[^bc",
    "a[",
    "!",
    "! ",
    "!/",
    "[z-a]",
    "[Local-Only]/",
]
# compileTests: pattern, how it is compared, the expression.
COMPILED = [
    ("*", "regex", "^[^/]*$"),
    ("file*", "regex", "^file[^/]*$"),
    ("*file", "regex", "^[^/]*file$"),
    ("a*/b", "regex", "^a[^/]*/b$"),
    ("**", "suffix", None),
    ("**/**", "regex", "^(.*/)?.*$"),
    ("dir/**", "prefix", None),
    ("**/dir", "suffix", None),
    ("**/dir2/*", "regex", "^(.*/)?dir2/[^/]*$"),
    ("**/dir2/**", "regex", "^(.*/)?dir2/.*$"),
    ("**file", "suffix", None),
    ("**/file*txt", "regex", "^(.*/)?file[^/]*txt$"),
    ("**/**/*.txt", "regex", r"^(.*/)?(.*/)?[^/]*\.txt$"),
    ("a[b-d]e", "regex", "^a[b-d]e$"),
    (".*", "regex", r"^\.[^/]*$"),
    ("abc.def", "exact", None),
    ("abc?def", "regex", "^abc[^/]def$"),
    ("**/foo/bar", "suffix", None),
    ("a(b)c/def", "exact", None),
    ("a.|)$(}+{bc", "exact", None),
    (WHEEL, "exact", None),
]


def rules(*lines: str) -> IgnoreRules:
    return parse_ignore("\n".join(lines))


@pytest.mark.parametrize(("pattern", "path", "ignored"), MATCHES + GLOBS)
def test_upstream_vectors(pattern: str, path: str, ignored: bool) -> None:
    assert is_ignored(rules(pattern), path) is ignored


@pytest.mark.parametrize(("patterns", "path", "ignored"), MULTIPLE)
def test_upstream_vectors_of_several_patterns(patterns: list[str], path: str, ignored: bool) -> None:
    assert is_ignored(rules(*patterns), path) is ignored


@pytest.mark.parametrize(("pattern", "kind", "regex"), COMPILED)
def test_upstream_expressions(pattern: str, kind: str, regex: str | None) -> None:
    found = translate(pattern)
    assert found[0] == kind
    assert regex is None or found[1] == regex


@pytest.mark.parametrize("pattern", BAD)
def test_refused(pattern: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_ignore(f"# c\n\nok\n{pattern}\n", "x/.dockerignore")
    assert caught.value.what.startswith("x/.dockerignore:4: ")


@pytest.mark.parametrize(
    ("lines", "path", "ignored"),
    [
        pytest.param(["a", "!a/b", "a/b/c"], "a/b/c/d", True, id="last-wins"),
        pytest.param(["a", "!a/b", "a/b/c"], "a/b/x", False, id="re-included"),
        pytest.param(["a", "!a/b", "a"], "a/b", True, id="ignored-again-by-parent"),
        pytest.param(["*", "!a/b"], "a/b/c", False, id="below-a-re-included"),
        pytest.param(["!a", "a"], "a", True, id="exception-first"),
        pytest.param(["node_modules"], "x/node_modules", False, id="anchored-at-the-root"),
        pytest.param(["**/node_modules"], "x/y/node_modules/z", True, id="any-depth"),
        pytest.param(["/a"], "a", True, id="leading-slash"),
        pytest.param(["//a//b/./c/../d"], "a/b/d", True, id="cleaned"),
        pytest.param(["../a"], "a", False, id="outside"),
        pytest.param(["."], "a", False, id="dot"),
        pytest.param(["a/"], "a", True, id="trailing-slash"),
        pytest.param(["\\#a"], "#a", True, id="escaped-hash"),
        pytest.param(["#a"], "#a", False, id="comment"),
        pytest.param([" #a"], "#a", True, id="comment-only-in-the-first-column"),
        pytest.param(["\\!a"], "!a", True, id="escaped-exclamation-mark"),
        pytest.param(["a", "! a"], "a", False, id="blank-behind-exclamation-mark"),
        pytest.param(["a b"], "a b", True, id="blank-inside"),
        pytest.param(["  a  "], "a", True, id="blanks-around"),
        pytest.param(["a\r"], "a", True, id="carriage-return"),
        pytest.param(["a\x1c"], "a", False, id="no-space-for-go"),
        pytest.param(["a\u00a0"], "a", True, id="no-break-space"),
        pytest.param(["A"], "a", False, id="case-counts"),
        pytest.param(["*.txt"], "a\nb.txt", True, id="line-feed-in-a-name"),
        pytest.param(["a/**/b"], "a/x\ny/b", False, id="no-line-feed-for-two-stars"),
        pytest.param(["?"], "é", True, id="one-character"),
        pytest.param(["?"], "\udcff", True, id="one-bad-byte"),
        pytest.param(["??"], "\udcff\udcfe", True, id="two-bad-bytes"),
        pytest.param(["\udcff"], "\udcff", True, id="bad-byte-exactly"),
        pytest.param(["\udcff"], "\udcfe", False, id="another-bad-byte"),
        pytest.param(["a[!b]"], "a!", True, id="exclamation-mark-is-no-negation-in-a-class"),
        pytest.param(["a[^b]c"], "a/c", True, id="negated-class-takes-a-slash"),
        pytest.param(["[[:digit:]]x"], "7x", True, id="named-class"),
        pytest.param(["\\d"], "7", True, id="escaped-letter-is-an-expression"),
        pytest.param(["a{2}[b]"], "aab", True, id="braces-stay-operators"),
        pytest.param(["?|c*"], "x/y", True, id="bar-stays-an-operator"),
        pytest.param(["x^?"], "x^y", False, id="caret-stays-an-operator"),
        pytest.param(["a+b?"], "a+bc", True, id="plus-is-escaped"),
        pytest.param(["***"], "a/b", True, id="three-stars"),
        pytest.param(["**a**"], "x/ay/z", True, id="stars-without-slashes"),
        pytest.param(["**a**"], "x/ya/z", False, id="two-stars-end-at-a-slash"),
        pytest.param(["a**"], "ab/c", True, id="prefix"),
    ],
)
def test_rules(lines: list[str], path: str, ignored: bool) -> None:
    assert is_ignored(rules(*lines), path) is ignored


def test_byte_order_mark_and_lines() -> None:
    found = parse_ignore("\ufeff# c\n\n  !a/b \nc\r\n", ".dockerignore")
    assert [(p.text, p.negated, p.line) for p in found.patterns] == [("a/b", True, 3), ("c", False, 4)]
    assert found.file == ".dockerignore"


def test_too_long_a_line() -> None:
    with pytest.raises(InputError, match=r"^\.dockerignore:2: the line is longer"):
        parse_ignore(f"a\n{'x' * 70_000}\n")


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a//b", "a/b"), ("./a", "a"), ("a/..", "."), ("", "."), ("//a", "/a"), ("/..", "/"), ("a/../../b", "../b")],
)
def test_go_clean(path: str, expected: str) -> None:
    assert go_clean(path) == expected


@pytest.mark.parametrize(
    ("pattern", "directory", "expected"),
    [
        pytest.param("src", "node_modules", False, id="other-name"),
        pytest.param("src/a", "src", True, id="below"),
        pytest.param("src", "src", False, id="itself"),
        pytest.param("src/*", "src", True, id="star-below"),
        pytest.param("src/*", "src/a", False, id="star-too-deep"),
        pytest.param("*.md", "docs", False, id="star-at-the-root"),
        pytest.param("*/*.md", "docs", True, id="star-one-down"),
        pytest.param("**/x", "docs/a", True, id="any-depth"),
        pytest.param("docs/**", "docs/a", True, id="prefix"),
        pytest.param("docs/**", "other", False, id="prefix-elsewhere"),
        pytest.param("a[^b]c", "a", True, id="class-may-be-a-slash"),
    ],
)
def test_may_match_below(pattern: str, directory: str, expected: bool) -> None:
    assert may_match_below(rules(pattern).patterns[0], directory) is expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("/".join(["**"] * 500) + "/x?y", id="two-stars"),
        pytest.param("*a" * 400 + "b", id="stars"),
        pytest.param("\n".join(f"**/x{i}*" for i in range(2_000)), id="many"),
        pytest.param("\n".join(f"**/x{i}*\n!**/y{i}*" for i in range(100)), id="many-alternating"),
        pytest.param("[" + "a-z" * 5_000 + "]*", id="large-class"),
    ],
)
def test_hostile_patterns_take_linear_time(text: str) -> None:
    started = time.process_time()
    found = parse_ignore(text)
    for path in ("a" * 255 + "/" + "/".join(["aab"] * 500), "/".join(["x"] * 1500)):
        is_ignored(found, path)
    assert time.process_time() - started < 20


ALPHABET = st.text(alphabet="ab/*?[]\\!^-. é#", max_size=12)


@settings(max_examples=300, deadline=None)
@given(st.lists(ALPHABET, max_size=4), st.text(alphabet="ab/é.*-", min_size=1, max_size=12))
def test_any_text_is_taken_or_refused(lines: list[str], path: str) -> None:
    try:
        found = rules(*lines)
    except InputError as error:
        assert error.what.startswith(".dockerignore:")  # noqa: PT017 - one of two outcomes
        return
    assert is_ignored(found, path) in (True, False)


@settings(max_examples=300, deadline=None)
@given(ALPHABET, st.lists(st.sampled_from(["a", "b", "ab", "é", ".", "a.b"]), min_size=2, max_size=4))
def test_what_matches_below_may_match_below(line: str, parts: list[str]) -> None:
    try:
        found = rules(line)
    except InputError:
        return
    path = "/".join(parts)
    for pattern, run in zip(found.patterns, found.runs, strict=True):
        if run.matches(path):
            assert all(may_match_below(pattern, "/".join(parts[:depth])) for depth in range(1, len(parts)))

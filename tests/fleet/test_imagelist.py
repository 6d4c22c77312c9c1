"""Lists of images are read as written, and told with the line where they are broken."""

from __future__ import annotations

import pytest
from fleetsources import told
from hypothesis import given
from hypothesis import strategies as st

from imgscan.errors import InputError
from imgscan.escape import plain
from imgscan.fleet.imagelist import MAX_BYTES, read_list, read_toml_list
from imgscan.fleet.listing import ListOptions
from imgscan.fleet.tags import TagRules

PLAIN = b"""\xef\xbb\xbf# The images of the shop
registry://registry.example/pay/app:1  team=payments   # the old one

nginx:1.25
\t./saved.tar\tplatform=linux/amd64,linux/arm64 team=web\r
registry://registry.example/a#b
"""


def test_a_plain_list() -> None:
    entries = read_list(PLAIN, "images.txt")
    assert [(one.source, one.where, dict(one.options)) for one in entries] == [
        ("registry://registry.example/pay/app:1", "images.txt, line 2", {"team": "payments", "teams": ()}),
        ("nginx:1.25", "images.txt, line 4", {}),
        (
            "./saved.tar",
            "images.txt, line 5",
            {"team": "web", "teams": (), "platforms": ("linux/amd64", "linux/arm64")},
        ),
        # A comment has a blank before it.
        ("registry://registry.example/a#b", "images.txt, line 6", {}),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"a\nb c\n", "line 2: `c` means nothing"),
        (b"a team=\n", "line 1: `team=` means nothing"),
        (b"a team=x team=y\n", "line 1: `team=y` means nothing"),
        (b"a tean=x\n", "line 1: `tean=x` means nothing"),
        (b"a\n\nb\x00\n", "line 3 is no line"),
        (b"a\n\x1b[31mb\n", "line 2 is no line"),
        (b"a\n" + b"b" * 5000, "line 2 is no line"),
        (b"a\nb\n\xff\xfe\n", "line 3 is not UTF-8"),
        (b"a\n-\n", "line 2: a list holds no other list"),
        (b"k8s:-\n", "line 1: standard input is no source"),
        (b"list:x.txt\n", "line 1: a list holds no other list"),
        (b"x" * (MAX_BYTES + 1), "larger than"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_broken_line(text: bytes, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_list(text, "images.txt")
    assert words in caught.value.what
    assert caught.value.what.startswith("images.txt")
    assert caught.value.what.isprintable()


TOML = b"""
# Everything of the shop.
[[image]]
ref = "registry://registry.example/pay/app:1"
team = "payments and fraud"
platform = ["linux/amd64", "linux/arm64"]

[[source]]
source = "registry://registry.example/web/*"
team = "web"
tag = "1.*"
exclude-tag = ["*-rc*", "*-dev"]
exclude-repository = "web/old/**"
semver = ">=1"
prereleases = true
newest = 3
since = "30d"
platform = "all"
dangling = true
names-from = "registry"

[[image]]
ref = "nginx:1.25"
"""


def test_a_list_in_toml() -> None:
    first, second, source = read_toml_list(TOML, "images.toml")
    assert (first.where, second.where, source.where) == (
        "images.toml, line 3 ([[image]] 1)",
        "images.toml, line 22 ([[image]] 2)",
        "images.toml, line 8 ([[source]] 1)",
    )
    assert (first.single, second.single, source.single) == (True, True, False)
    base = ListOptions(team="all", teams=(("x", "y"),), tags=TagRules(include=("a",), exclude=("b",)))
    options = first.options_over(base)
    assert (options.team, options.teams, options.platforms) == (
        "payments and fraud",
        (),
        ("linux/amd64", "linux/arm64"),
    )
    assert options.tags == base.tags
    assert second.options_over(base) == base
    assert source.options_over(base) == ListOptions(
        team="web",
        teams=(),
        platforms=("all",),
        not_repositories=("web/old/**",),
        dangling=True,
        names_from="registry",
        tags=TagRules(
            include=("1.*",),
            exclude=("*-rc*", "*-dev"),
            semver=">=1",
            prereleases=True,
            newest=3,
            since_s=30 * 86_400.0,
        ),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[image]]\nref = 1\n", "line 1 ([[image]] 1): `ref`: Expected `str`, got `int`"),
        ("[[image]]\nref='a'\n\n[[image]]\nreef='b'\n", "line 4 ([[image]] 2): Object contains unknown field `reef`"),
        ("[[image]]\nref='a'\nteem='b'\n", "line 1 ([[image]] 1): Object contains unknown field `teem`"),
        ("[[source]]\nsource='a'\nnewest='b'\n", "line 1 ([[source]] 1): `newest`: Expected `int"),
        ("[[source]]\nsource='a'\nsince='b'\n", "line 1 ([[source]] 1): 'b' is no age"),
        ("[[source]]\nsource='a'\nnames-from='b'\n", "line 1 ([[source]] 1): `names-from`: Invalid enum value"),
        ("[[images]]\nref='a'\n", "unknown field `images`"),
        ("image = 'a'\n", "Expected `array`"),
        ("[[image]]\nref='-'\n", "a list holds no other list"),
        ("[[image]]\nref=\n", "is no TOML"),
        ("[" * 5000, "is no TOML"),
        ("a = " + "[" * 50_000, "is no TOML"),
    ],
    ids=lambda value: value[:40],
)
def test_a_broken_table(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_toml_list(text.encode(), "images.toml")
    assert words in caught.value.what
    assert caught.value.what.startswith("images.toml")


@pytest.mark.parametrize(
    "fields",
    [
        {"semver": "'one'"},
        {"newest": "0"},
        {"tag": "'!a'"},
        {"exclude-repository": "['']"},
        {"platform": "'amd64'"},
        {"team": "'" + "x" * 61 + "'"},
    ],
    ids=str,
)
def test_an_option_that_means_nothing(fields: dict[str, str]) -> None:
    text = "\n[[source]]\nsource = 'registry://registry.example/'\n" + "\n".join(
        f"{k} = {v}" for k, v in fields.items()
    )
    (entry,) = read_toml_list(text.encode(), "images.toml")
    with pytest.raises(InputError, match=r"images.toml, line 2 \(\[\[source\]\] 1\): "):
        entry.options_over(ListOptions())


WORDS = st.from_regex(r"[a-z0-9./:@_-]{1,20}", fullmatch=True).filter(
    lambda word: word != "-" and not word.startswith("list:")
)
TEAMS = st.one_of(st.none(), st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True))


@given(st.lists(st.tuples(WORDS, TEAMS, st.sampled_from(["", " ", "\t", " # c", "\r"])), max_size=8))
def test_what_is_written_is_read(lines: list[tuple[str, str | None, str]]) -> None:
    text = "\n".join(word + (f" team={team}" if team else "") + end for word, team, end in lines)
    entries = read_list(text.encode(), "x")
    assert [(one.source, dict(one.options).get("team")) for one in entries] == [(word, team) for word, team, _ in lines]


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_anything(data: bytes) -> None:
    for read in (read_list, read_toml_list):
        with told() as error:
            assert all(entry.source for entry in read(data, "x"))
        assert all(what == plain(what) for what in error)

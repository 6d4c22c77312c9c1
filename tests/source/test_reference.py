"""References to images in registries: the grammar, Docker Hub's short names, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.errors import InputError
from imgscan.source.reference import Reference, check_name, is_digest, is_loopback, parse_host, parse_reference

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "host", "repository", "tag", "digest"),
    [
        pytest.param("alpine", "docker.io", "library/alpine", "latest", None, id="hub-official"),
        pytest.param("alpine:3.20", "docker.io", "library/alpine", "3.20", None, id="hub-tag"),
        pytest.param("user/app", "docker.io", "user/app", "latest", None, id="hub-user"),
        pytest.param("docker.io/alpine", "docker.io", "library/alpine", "latest", None, id="hub-by-name"),
        pytest.param("docker.io/user/app:1", "docker.io", "user/app", "1", None, id="hub-by-name-user"),
        pytest.param("index.docker.io/user/app", "docker.io", "user/app", "latest", None, id="hub-index"),
        pytest.param("registry-1.docker.io/library/x", "docker.io", "library/x", "latest", None, id="hub-api"),
        pytest.param("host/app", "docker.io", "host/app", "latest", None, id="a-bare-word-is-no-host"),
        pytest.param("localhost/app", "localhost", "app", "latest", None, id="localhost"),
        pytest.param("localhost:5000/a/b/c:x", "localhost:5000", "a/b/c", "x", None, id="port"),
        pytest.param("ghcr.io/org/app:v1", "ghcr.io", "org/app", "v1", None, id="host"),
        pytest.param("GHCR.io/org/app", "ghcr.io", "org/app", "latest", None, id="hosts-have-no-case"),
        pytest.param("Host/app", "host", "app", "latest", None, id="capitals-make-a-host"),
        pytest.param("127.0.0.1:5000/app", "127.0.0.1:5000", "app", "latest", None, id="address"),
        pytest.param("[::1]:5000/app:1", "[::1]:5000", "app", "1", None, id="ipv6"),
        pytest.param("[2001:db8::1]/app", "[2001:db8::1]", "app", "latest", None, id="ipv6-without-port"),
        pytest.param(f"r.example/app@{DIGEST}", "r.example", "app", None, DIGEST, id="digest"),
        pytest.param(f"r.example/app:1@{DIGEST}", "r.example", "app", "1", DIGEST, id="tag-and-digest"),
        pytest.param(f"alpine@{DIGEST}", "docker.io", "library/alpine", None, DIGEST, id="hub-digest"),
        pytest.param("r.example/a__b/c---d/e.f_g", "r.example", "a__b/c---d/e.f_g", "latest", None, id="separators"),
        pytest.param("r.example/app:" + "x" * 128, "r.example", "app", "x" * 128, None, id="longest-tag"),
    ],
)
def test_parts(text: str, host: str, repository: str, tag: str | None, digest: str | None) -> None:
    for written in (text, f"registry://{text}"):
        found = parse_reference(written)
        assert (found.host, found.repository, found.tag, found.digest) == (host, repository, tag, digest)
        assert found.wanted == (digest or tag)
        # A bare word that only its capitals made a host is none any more once they are gone.
        assert host == "host" or parse_reference(str(found)) == found
    assert parse_reference(text).api_host == ("registry-1.docker.io" if host == "docker.io" else host)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        pytest.param("", "no repository", id="empty"),
        pytest.param("r.example/", "no repository", id="host-only"),
        *(
            pytest.param(f"registry://{host}", "no repository", id=f"no-slash-{host}")
            for host in ("127.0.0.1:5000", "localhost:5000", "r.example", "r.example:5000", "[::1]:5000")
        ),
        pytest.param("r.example/App", "capital", id="capitals"),
        pytest.param("r.example/a//b", "small letters", id="empty-part"),
        pytest.param("r.example/c-_d", "small letters", id="mixed-separators"),
        pytest.param("r.example/../x", "small letters", id="dots"),
        pytest.param("r.example/a/../../v2/_catalog", "small letters", id="climbing"),
        pytest.param("r.example/a?x=1", "small letters", id="query"),
        pytest.param("r.example/a#x", "small letters", id="fragment"),
        pytest.param("r.example/a%2fb", "small letters", id="percent"),
        pytest.param("r.example/a b", "small letters", id="space"),
        pytest.param("r.example/a\r\nX: y", "", id="line-break"),
        pytest.param("r.example/app:", "a tag has", id="empty-tag"),
        pytest.param("r.example/app:-x", "a tag has", id="tag-begins-with-dash"),
        pytest.param("r.example/app:" + "x" * 129, "a tag has", id="tag-too-long"),
        pytest.param("r.example/app:a:b", "a tag has", id="two-tags"),
        pytest.param("r.example/app:1\n", "a tag has", id="line-break-behind-tag"),
        pytest.param("r.example/app@sha256:12", "the digest", id="short-digest"),
        pytest.param("r.example/app@md5:" + "0" * 32, "the digest", id="unknown-algorithm"),
        pytest.param(f"r.example/app@{DIGEST.upper()}", "the digest", id="capital-digest"),
        pytest.param("r.example:0/app", "no host name", id="port-0"),
        pytest.param("r.example:65536/app", "no host name", id="port-too-large"),
        pytest.param("r.example:5a/app", "no host name", id="port-no-number"),
        pytest.param("-r.example/app", "no host name", id="host-begins-with-dash"),
        pytest.param("r..example/app", "no host name", id="host-empty-label"),
        pytest.param("[::g]/app", "no host name", id="bad-ipv6"),
        pytest.param("[1.2.3.4]/app", "no host name", id="ipv4-in-brackets"),
        pytest.param("r.example/" + "a" * 250, "255", id="too-long"),
        pytest.param("r.éxample/app", "no host name", id="not-ascii"),
        pytest.param("r.example/ап", "small letters", id="not-ascii-name"),
    ],
)
def test_what_is_refused(text: str, cause: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_reference(text)
    assert cause in caught.value.cause
    assert "registry://" in caught.value.next_step


@pytest.mark.parametrize("text", ["app", "app:1", "a/b", "Host/b", "localhost:5000/b:1", "0123456789ab", DIGEST])
def test_names_that_an_engine_may_have(text: str) -> None:
    check_name(text)


@pytest.mark.parametrize(
    ("text", "cause"),
    [("App", "no capital letters"), ("app:", "a tag has"), ("a b", "small letters"), ("app@sha256:12", "the digest")],
)
def test_names_that_no_engine_has(text: str, cause: str) -> None:
    with pytest.raises(InputError, match="no name of an image") as caught:
        check_name(text)
    assert cause in caught.value.cause


@pytest.mark.parametrize("check", [parse_reference, check_name])
@pytest.mark.parametrize("text", ["user:{}@r.example/app", "user:{}@r.example:5000/app:1", "{}@host/x@y/z"])
def test_passwords_are_refused_and_not_repeated(text: str, check: Callable[[str], object]) -> None:
    password = "pass" + "word" + "9"
    with pytest.raises(InputError) as caught:
        check(text.format(password))
    error = caught.value
    assert password not in f"{error.what}{error.cause}{error.next_step}"
    assert "docker login" in error.next_step


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_an_input_error(text: str) -> None:
    try:
        found = parse_reference(text)
    except InputError:
        return
    assert re.fullmatch(r"[a-z0-9._/-]+", found.repository)
    assert not re.search(r"[/@?#\s%]", found.host)


LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
PART = st.from_regex(r"[a-z0-9]+((\.|_|__|-{1,3})[a-z0-9]+){0,2}", fullmatch=True)


@given(
    host=st.lists(LABEL, min_size=2, max_size=3).map(".".join),
    port=st.none() | st.integers(1, 65535),
    path=st.lists(PART, min_size=1, max_size=3).map("/".join),
    tag=st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    digest=st.none() | st.just(DIGEST),
)
def test_every_valid_reference_comes_apart(
    host: str, port: int | None, path: str, tag: str | None, digest: str | None
) -> None:
    where = host if port is None else f"{host}:{port}"
    text = f"{where}/{path}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    if len(f"{where}/{path}") > 255 or where in ("index.docker.io", "docker.io"):
        return
    expected = Reference(host=where, repository=path, tag=tag or (None if digest else "latest"), digest=digest)
    assert parse_reference(text) == expected


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("LOCALHOST", True),
        ("127.0.0.1:5000", True),
        ("127.8.9.1", True),
        ("[::1]:5000", True),
        ("128.0.0.1", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
        ("r.example", False),
        ("[2001:db8::1]", False),
    ],
)
def test_loopback(host: str, here: bool) -> None:
    assert is_loopback(host) is here


def test_hosts_of_options() -> None:
    assert parse_host("R.example:5000") == "r.example:5000"
    for text in ("", "http://r.example", "r.example/x", "r.example:0", "a b"):
        with pytest.raises(InputError, match="HOST"):
            parse_host(text)


def test_digests_that_can_be_checked() -> None:
    assert is_digest(DIGEST)
    assert is_digest("sha512:" + "a" * 128)
    assert not is_digest("sha256:" + "a" * 63)
    assert not is_digest("")

"""The registry API over a server that misbehaves: logins, redirects, retries, and what hostile answers may not do."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from webserver import Asked, Reply, Server, serving

from imgscan.errors import EngineError, InputError
from imgscan.source.backoff import Effects
from imgscan.source.config import MAX_JSON_BYTES
from imgscan.source.credentials import Credentials, Login
from imgscan.source.reference import parse_reference
from imgscan.source.registryclient import RegistryClient
from imgscan.source.registryhttp import Transport

USER, PASSWORD = "us" + "er", "pass" + "word" + "-7"
LOGIN = Login(credentials=Credentials(origin="config.json", username=USER, password=PASSWORD))
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
NOBODY = Login()
MANIFEST = b'{"schemaVersion": 2}'


class World(Effects):
    """Effects that only write down what they are asked for."""

    __slots__ = ("waits",)
    waits: list[float]

    @classmethod
    def new(cls) -> World:
        waits: list[float] = []
        world = cls(sleep=waits.append, jitter=lambda: 1.0)
        object.__setattr__(world, "waits", waits)
        return world


@contextmanager
def asking(
    host: str, login: Login = NOBODY, *, insecure: bool = False, world: World | None = None
) -> Iterator[RegistryClient]:
    transport = Transport()
    reference = parse_reference(f"{host}/team/app:1")
    try:
        yield RegistryClient(reference, login, transport, insecure=insecure, effects=world or World.new())
    finally:
        transport.close()


def denied(challenge: str, code: str = "UNAUTHORIZED") -> Reply:
    body = json.dumps({"errors": [{"code": code, "message": "authentication required"}]}).encode()
    return Reply(status=401, headers={"WWW-Authenticate": challenge}, body=body)


def manifest_of(server: Server, login: Login = NOBODY, **more: Any) -> bytes:
    with asking(server.host, login, **more) as client:
        found = client.manifest("1")
    assert found is not None
    return found.data


def authorizations(server: Server, path: str = "/v2/team/app/manifests/1") -> list[str | None]:
    return [asked.headers.get("authorization") for asked in server.asked if asked.path == path]


def test_a_public_image_needs_no_login_and_gets_none() -> None:
    with serving(lambda asked: Reply(body=MANIFEST)) as server:
        assert manifest_of(server, LOGIN) == MANIFEST
    assert authorizations(server) == [None]
    asked = server.asked[-1]
    assert asked.headers["accept-encoding"] == "identity"
    assert "oci.image.index" in asked.headers["accept"]
    assert asked.headers["user-agent"].startswith("imgscan/")


def test_basic() -> None:
    def respond(asked: Asked) -> Reply:
        if asked.headers.get("authorization") != BASIC:
            return denied('Basic realm="r"')
        return Reply(body=MANIFEST)

    with serving(respond) as server, asking(server.host, LOGIN) as client:
        for _ in range(2):
            assert client.manifest("1") is not None
    # What was asked for once is sent at once from then on.
    assert authorizations(server) == [None, BASIC, BASIC]


class TokenServer:
    """A registry and its realm in one: gives the tokens t1, t2, …, and takes those that are valid."""

    def __init__(self, **challenge: str) -> None:
        self.valid: set[str] = set()
        self.given = 0
        self.challenge = challenge
        self.answer: Callable[[str], Any] = lambda token: {"token": token}
        self.host = ""

    def respond(self, asked: Asked) -> Reply:
        if asked.path == "/token":
            return self.token(asked)
        if asked.headers.get("authorization", "").removeprefix("Bearer ") in self.valid:
            return Reply(body=MANIFEST)
        parameters = {"realm": f"http://{self.host}/token", "service": "reg", **self.challenge}
        return denied("Bearer " + ",".join(f'{name}="{value}"' for name, value in parameters.items()))

    def token(self, asked: Asked) -> Reply:
        self.given += 1
        token = f"t{self.given}"
        self.valid.add(token)
        return Reply(body=json.dumps(self.answer(token)).encode())


@contextmanager
def token_server(**challenge: str) -> Iterator[tuple[TokenServer, Server]]:
    tokens = TokenServer(**challenge)
    with serving(tokens.respond) as server:
        tokens.host = server.host
        yield tokens, server


def test_an_anonymous_token() -> None:
    with token_server(scope="repository:team/app:pull") as (_, server):
        assert manifest_of(server) == MANIFEST
    (asked,) = [asked for asked in server.asked if asked.path == "/token"]
    assert asked.query == {"service": ["reg"], "scope": ["repository:team/app:pull"]}
    assert "authorization" not in asked.headers


def test_a_token_for_a_user_and_a_challenge_without_scope() -> None:
    with token_server() as (_, server):
        assert manifest_of(server, LOGIN) == MANIFEST
    (asked,) = [asked for asked in server.asked if asked.path == "/token"]
    assert asked.query == {"service": ["reg"], "scope": ["repository:team/app:pull"], "account": [USER]}
    assert (asked.method, asked.headers["authorization"]) == ("GET", BASIC)
    assert authorizations(server) == [None, "Bearer t1"]


def test_the_query_of_a_realm_is_kept() -> None:
    with token_server() as (tokens, server):
        tokens.challenge = {"realm": f"http://{server.host}/token?tenant=a%26b", "scope": "one two"}
        manifest_of(server)
    (asked,) = [asked for asked in server.asked if asked.path == "/token"]
    assert (asked.query["tenant"], asked.query["scope"]) == (["a&b"], ["one", "two"])


def test_an_identity_token_is_posted() -> None:
    identity = "identity" + "token"
    with token_server() as (tokens, server):
        tokens.answer = lambda token: {"access_token": token, "expires_in": 60}
        assert manifest_of(server, Login(credentials=Credentials(origin="x", identity_token=identity))) == MANIFEST
    (asked,) = [asked for asked in server.asked if asked.path == "/token"]
    assert (asked.method, asked.query) == ("POST", {})
    assert f"refresh_token={identity}".encode() in asked.body
    assert b"grant_type=refresh_token" in asked.body
    assert b"service=reg" in asked.body
    assert "authorization" not in asked.headers


def test_a_registry_token_is_sent_as_it_is() -> None:
    with token_server() as (tokens, server):
        tokens.valid.add("own")
        assert manifest_of(server, Login(credentials=Credentials(origin="x", registry_token="own"))) == MANIFEST
    assert authorizations(server) == ["Bearer own"]


def test_an_expired_token_is_renewed() -> None:
    with token_server() as (tokens, server), asking(server.host, LOGIN) as client:
        client.manifest("1")
        tokens.valid.clear()
        assert client.manifest("1") is not None
    assert authorizations(server) == [None, "Bearer t1", "Bearer t1", "Bearer t2"]


def refused(server: Server, login: Login = NOBODY, **more: Any) -> EngineError:
    with pytest.raises(EngineError) as caught:
        manifest_of(server, login, **more)
    error = caught.value
    assert PASSWORD not in f"{error.what}{error.cause}{error.next_step}"
    return error


def test_no_way_in_ends_at_once() -> None:
    """A registry that takes no token at all is not asked for ever."""
    with token_server() as (tokens, server):
        tokens.token = lambda asked: Reply(body=b'{"token": "useless"}')  # type: ignore[method-assign]
        error = refused(server, LOGIN)
    assert f"docker login {server.host}" == error.next_step
    assert "config.json" in error.cause
    assert "authentication required" in error.cause
    assert len(server.asked) <= 5


@pytest.mark.parametrize(
    ("challenge", "login", "cause"),
    [
        pytest.param('Basic realm="r"', LOGIN, "is wrong", id="wrong-password"),
        pytest.param('Basic realm="r"', Login(), "no login for", id="no-login"),
        pytest.param('Basic realm="r"', Login(problem="the helper is broken"), "the helper is broken", id="problem"),
        pytest.param("Negotiate", LOGIN, "is wrong", id="unknown-scheme"),
        pytest.param('Bearer service="x"', LOGIN, "is wrong", id="no-realm"),
        pytest.param('Basic realm="', LOGIN, "is wrong", id="broken-header"),
    ],
)
def test_why_there_is_no_way_in(challenge: str, login: Login, cause: str) -> None:
    with serving(lambda asked: denied(challenge)) as server:
        error = refused(server, login)
    assert error.exit_code == 3
    assert cause in error.cause
    assert error.next_step == f"docker login {server.host}"


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_realm_that_refuses(status: int) -> None:
    with token_server() as (tokens, server):
        tokens.token = lambda asked: Reply(status=status)  # type: ignore[method-assign]
        assert "docker login" in refused(server, LOGIN).next_step


def test_words_that_repeat_a_secret_are_left_out() -> None:
    echo = json.dumps({"errors": [{"code": "DENIED", "message": f"{USER}:{PASSWORD} {BASIC}"}]}).encode()

    def respond(asked: Asked) -> Reply:
        return Reply(
            status=403 if "authorization" in asked.headers else 401,
            body=echo,
            headers={"WWW-Authenticate": "Basic realm=x"},
        )

    with serving(respond) as server:
        error = refused(server, LOGIN)
    assert BASIC.split()[1] not in error.cause


@pytest.mark.parametrize(
    "realm",
    [
        pytest.param("file:///etc/passwd", id="file"),
        pytest.param("ftp://r.example/token", id="ftp"),
        pytest.param("//r.example/token", id="no-scheme"),
        pytest.param("/token", id="path"),
        pytest.param("https://", id="no-host"),
        pytest.param("https://r.example:99999/t", id="no-port"),
        pytest.param("https://a:b@r.example/t", id="user-in-realm"),
        pytest.param("https://r.example/t#x", id="fragment"),
        pytest.param("https://r.example/a b", id="space"),
        pytest.param("http://r.example/token", id="plain-http-elsewhere"),
    ],
)
def test_realms_that_get_nothing(realm: str) -> None:
    with serving(lambda asked: denied(f'Bearer realm="{realm}"')) as server:
        error = refused(server, LOGIN)
    assert "logins checked" in error.what
    # Nothing was asked but the registry itself, and no password went there.
    assert set(authorizations(server)) == {None}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{}", id="no-token"),
        pytest.param(b"[]", id="a-list"),
        pytest.param(b'{"token": 5}', id="a-number"),
        pytest.param(b'{"token": "a\\r\\nX: y"}', id="line-break"),
        pytest.param(b'{"token": "' + b"x" * 100_000 + b'"}', id="endless"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"\xff", id="no-text"),
    ],
)
def test_tokens_that_are_none(body: bytes) -> None:
    with token_server() as (tokens, server):
        tokens.token = lambda asked: Reply(body=body)  # type: ignore[method-assign]
        assert "gives no token" in refused(server).what


def test_a_realm_does_not_take_the_password_along() -> None:
    with serving(lambda asked: Reply(body=b'{"token": "t"}')) as other, token_server() as (tokens, server):
        tokens.token = lambda asked: Reply(  # type: ignore[method-assign]
            status=307, headers={"Location": f"http://{other.host}/token"}
        )
        refused(server, LOGIN)
    assert other.asked == []


def redirecting(to: Callable[[], str], *, status: int = 307) -> Callable[[Asked], Reply]:
    def respond(asked: Asked) -> Reply:
        if asked.path == "/v2/":
            return Reply()
        if "authorization" not in asked.headers:
            return denied("Basic realm=x")
        return Reply(status=status, headers={"Location": to(), "Set-Cookie": "a=b; Path=/"})

    return respond


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_storage_elsewhere_gets_no_login(status: int) -> None:
    with serving(lambda asked: Reply(body=MANIFEST)) as storage:
        to = lambda: f"http://{storage.host}/blob?signature=x"  # noqa: E731
        with serving(redirecting(to, status=status)) as server:
            assert manifest_of(server, LOGIN) == MANIFEST
    (asked,) = storage.asked
    assert asked.query == {"signature": ["x"]}
    assert "authorization" not in asked.headers
    assert "cookie" not in asked.headers


def test_a_redirect_on_the_registry_itself_keeps_the_login() -> None:
    def respond(asked: Asked) -> Reply:
        if "authorization" not in asked.headers:
            return denied("Basic realm=x")
        if asked.path == "/elsewhere":
            return Reply(body=MANIFEST)
        return Reply(status=307, headers={"Location": "/elsewhere"})

    with serving(respond) as server:
        assert manifest_of(server, LOGIN) == MANIFEST


@pytest.mark.parametrize(
    "location",
    [
        pytest.param("", id="none"),
        pytest.param("file:///etc/passwd", id="file"),
        pytest.param("gopher://r.example/", id="gopher"),
        pytest.param("http://a:b@r.example/", id="user"),
        pytest.param("http://r.example:99999/", id="port"),
        pytest.param("http://[::1/x", id="broken-address"),
    ],
)
def test_redirects_to_nowhere(location: str) -> None:
    with serving(lambda asked: Reply(status=307, headers={"Location": location})) as server:
        assert "no web address" in refused(server).what


def test_redirects_in_circles() -> None:
    with serving(lambda asked: Reply(status=307, headers={"Location": asked.path})) as server:
        assert "in circles" in refused(server).what
    assert len(server.asked) < 12


def test_the_body_of_a_redirect_is_not_read() -> None:
    sent = itertools.count()
    body = (b" " * 65536 for _ in sent)
    with serving(lambda asked: Reply(status=307, headers={"Location": "file:///"}, body=body)) as server:
        assert "no web address" in refused(server).what
    assert next(sent) < 500


def test_a_stale_link_to_storage_is_asked_for_again() -> None:
    """Storage refuses a link that has expired; the registry gives a fresh one. No login is tried on the storage."""
    good = itertools.count()
    with (
        serving(lambda asked: Reply(body=MANIFEST) if next(good) else Reply(status=403)) as storage,
        serving(redirecting(lambda: f"http://{storage.host}/blob")) as server,
    ):
        assert manifest_of(server, LOGIN) == MANIFEST
    assert [asked.headers.get("authorization") for asked in storage.asked] == [None, None]


def flaky(*replies: Reply) -> Callable[[Asked], Reply]:
    """The replies in turn for anything but the probe, the last one for ever."""
    left = list(replies)
    return lambda asked: Reply() if asked.path == "/v2/" else left.pop(0) if len(left) > 1 else left[0]


GOOD = Reply(body=MANIFEST)


@pytest.mark.parametrize(
    ("replies", "waits"),
    [
        pytest.param([Reply(status=503), Reply(status=500), GOOD], [0.5, 1.0], id="server-errors"),
        pytest.param([Reply(status=429, headers={"Retry-After": "3"}), GOOD], [3.0], id="too-many-requests"),
        pytest.param([Reply(status=429), GOOD], [0.5], id="without-retry-after"),
        pytest.param([Reply(body=MANIFEST, length=500), GOOD], [0.5], id="cut-in-the-middle"),
    ],
)
def test_what_may_be_over_is_tried_again(replies: list[Reply], waits: list[float]) -> None:
    world = World.new()
    with serving(flaky(*replies)) as server:
        assert manifest_of(server, world=world) == MANIFEST
    assert world.waits == waits


@pytest.mark.parametrize(
    ("reply", "tries", "said"),
    [
        pytest.param(Reply(status=503), 6, "status 503", id="for-ever-busy"),
        pytest.param(Reply(status=429, headers={"Retry-After": "3600"}), 1, "status 429", id="asks-for-too-long"),
        pytest.param(Reply(body=b"{", length=99), 6, "closed the connection", id="for-ever-cut"),
        pytest.param(Reply(status=418), 1, "status 418", id="refuses"),
        pytest.param(Reply(status=304), 1, "status 304", id="not-modified"),
    ],
)
def test_what_does_not_end_gives_up(reply: Reply, tries: int, said: str) -> None:
    with serving(flaky(reply)) as server:
        error = refused(server)
    assert error.exit_code == 3
    assert said in error.cause
    assert server.paths().count("/v2/team/app/manifests/1") == tries
    if "3600" in reply.headers.values():
        assert "3,600 s" in error.next_step


def test_a_registry_that_is_not_there() -> None:
    with serving(lambda asked: Reply()) as server:
        pass
    world = World.new()
    error = refused(server, world=world)
    assert "refused" in error.cause
    assert len(world.waits) == 5


def test_an_unknown_name() -> None:
    with pytest.raises(EngineError, match="not known") as caught, asking("registry.invalid") as client:
        client.manifest("1")
    assert caught.value.exit_code == 3


def endless(part: bytes = b" " * 65536) -> Iterator[bytes]:
    while True:
        yield part


def test_an_endless_manifest_is_cut_off() -> None:
    with serving(lambda asked: Reply(body=endless())) as server:
        assert len(manifest_of(server)) == MAX_JSON_BYTES + 1


def test_a_body_that_trickles_is_given_up() -> None:
    ticks = itertools.count(step=50)
    world = World(clock=lambda: float(next(ticks)), sleep=lambda _: None)
    with (
        serving(lambda asked: Reply(body=(b" " * 65536 for _ in range(100)))) as server,
        asking(server.host, world=world) as client,
        pytest.raises(EngineError) as caught,
    ):
        client.manifest("1")
    assert "too slowly" in caught.value.cause


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(headers={f"X-{number}": "y" for number in range(500)}), id="many-headers"),
        pytest.param(Reply(headers={"X": "y" * 200_000}), id="long-header"),
        pytest.param(Reply(headers={"Transfer-Encoding": "chunked"}, body=b"zzz\r\nabc", length=-1), id="bad-chunk"),
    ],
)
def test_headers_that_are_too_much(reply: Reply) -> None:
    with serving(flaky(reply)) as server:
        assert refused(server).exit_code == 3


def test_what_is_compressed_for_the_way_is_not_unpacked() -> None:
    """Storage may say `Content-Encoding: gzip` of a layer that is a gzip file: the digest is of the bytes as they are."""
    reply = Reply(body=b"\x1f\x8bxyz", headers={"Content-Encoding": "gzip"})
    with serving(lambda asked: reply) as server, asking(server.host) as client:
        found = client.blob("sha256:" + "0" * 64, size_bytes=5)
    assert found is not None
    assert found.data == b"\x1f\x8bxyz"


def test_no_password_of_a_netrc(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(lambda asked: Reply(body=MANIFEST)) as server:
        manifest_of(server)
    assert authorizations(server) == [None]


def test_no_proxy_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with serving(lambda asked: Reply(body=MANIFEST)) as server:
        assert manifest_of(server) == MANIFEST


def test_tags_and_referrers() -> None:
    index = Reply(body=b'{"manifests": []}', headers={"Content-Type": "application/vnd.oci.image.index.v1+json"})
    answers = {
        "/v2/team/app/tags/list": Reply(body=b'{"name": "team/app", "tags": ["1", 5, "2"]}'),
        "/v2/team/app/referrers/sha256:aa": index,
        "/v2/team/app/referrers/sha256:cc": Reply(body=b"<html>", headers={"Content-Type": "text/html"}),
        "/v2/team/app/referrers/sha256:dd": Reply(status=403),
        "/v2/team/app/manifests/sha256-bb": Reply(body=b'{"by": "tag"}'),
    }
    with serving(lambda asked: answers.get(asked.path, Reply(status=404))) as server, asking(server.host) as client:
        assert client.tags() == ("1", "2")
        found = [client.referrers(f"sha256:{name}") for name in ("aa", "bb", "cc", "dd")]
    given = [document.data if document else None for document in found]
    assert given == [b'{"manifests": []}', b'{"by": "tag"}', None, None]


def test_a_list_of_tags_that_is_none() -> None:
    with (
        serving(lambda asked: Reply(body=b"<html>")) as server,
        asking(server.host) as client,
        pytest.raises(InputError, match="JSON"),
    ):
        client.tags()

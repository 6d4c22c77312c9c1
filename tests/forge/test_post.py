"""One comment on forges with a memory, which are themselves held to the descriptions of their APIs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from forge.fake_forge import TOKEN, FakeForge, answer
from forge.fake_github import NUMBER, REPOSITORY, fake_github
from forge.fake_gitlab import IID, PROJECT, fake_gitlab
from webserver import Asked, Reply, serving

from imgscan.errors import EngineError, ImgscanError, InputError
from imgscan.forge import github, gitlab
from imgscan.forge.api import Api, Credential, check_base, is_private, next_link
from imgscan.forge.post import Forge, Posted, post
from imgscan.forge.refusals import GoneError, RefusedError
from imgscan.forge.sticky import Act
from imgscan.report.comment import GITHUB_LIMIT, marker
from imgscan.source.backoff import Effects

MARK = marker("app")
BODY = f"{MARK}\n### new\n"
OLD = f"{MARK}\n### old\n"
NOW = 1_800_000_000.0


@dataclass
class Waits:
    """The time that would have been waited."""

    slept: list[float] = field(default_factory=list)

    def effects(self) -> Effects:
        return Effects(sleep=self.slept.append, now=lambda: NOW, clock=lambda: 0.0, jitter=lambda: 1.0)


def credential(token: str = TOKEN) -> Credential:
    return Credential(token=token, variable="FORGE_TOKEN")


@contextmanager
def talking(fake: FakeForge, waits: Waits | None = None, token: str = TOKEN, author: str = "") -> Iterator[Forge]:
    """A client of a running fake."""
    effects = (waits or Waits()).effects()
    with fake.running() as server:
        base = f"http://{server.host}{fake.prefix}"
        if fake.contract.document["info"]["title"].startswith("GitHub"):
            with closing(github.open_api(base, credential(token), effects)) as api:
                yield github.GitHub(api, REPOSITORY, NUMBER, author=author)
        else:
            with closing(gitlab.open_api(base, credential(token), effects)) as api:
                yield gitlab.GitLab(api, PROJECT, IID, author=author)


def posted(fake: FakeForge, body: str = BODY, *, create: bool = True, **how: Any) -> Posted:
    with talking(fake, **how) as forge:
        done = post(forge, marker=MARK, body=body, create=create)
    assert fake.contract.violations == []
    return done


def refused(fake: FakeForge, body: str = BODY, **how: Any) -> ImgscanError:
    with talking(fake, **how) as forge, pytest.raises(ImgscanError) as caught:
        post(forge, marker=MARK, body=body, create=True)
    assert fake.contract.violations == []
    told = f"{caught.value.what} {caught.value.cause} {caught.value.next_step}"
    assert how.get("token", TOKEN) not in told
    assert caught.value.cause
    assert caught.value.next_step
    return caught.value


BOTH = pytest.mark.parametrize("make", [fake_github, fake_gitlab], ids=["github", "gitlab"])
Make = Callable[..., FakeForge]


@BOTH
def test_create_then_update_then_nothing(make: Make) -> None:
    fake = make()
    assert posted(fake).act is Act.CREATE
    assert posted(fake, BODY.replace("new", "newer")).act is Act.UPDATE
    assert posted(fake, BODY.replace("new", "newer")).act is Act.SKIP
    assert posted(fake, create=False).act is Act.UPDATE
    assert [body.strip() for body in fake.bodies()] == [BODY.strip()]
    assert len(fake.done()) == 3


@BOTH
def test_silence(make: Make) -> None:
    fake = make()
    assert posted(fake, create=False) == Posted(act=Act.SKIP, comment_id=None)
    assert fake.done() == []


@BOTH
def test_ours_is_found_behind_two_hundred_others(make: Make) -> None:
    fake = make()
    for number in range(230):
        fake.write("someone else", f"comment {number}")
    ours = fake.write("someone", OLD)
    assert posted(fake).comment_id == ours
    assert len([asked for asked in fake.asked if "comments" in asked.path or "notes" in asked.path]) == 4
    assert len(fake.comments) == 231


@BOTH
def test_duplicates_go_and_others_stay(make: Make) -> None:
    fake = make()
    first, foreign, *more = (fake.write(who, OLD) for who in ("someone", "someone else", "someone", "someone"))
    done = posted(fake)
    assert (done.act, done.comment_id, done.deleted) == (Act.UPDATE, first, 2)
    assert set(fake.comments) == {first, foreign}
    assert fake.comments[foreign].body == OLD
    assert not set(more) & set(fake.comments)


@BOTH
def test_somebody_else_with_our_marker_is_not_us(make: Make) -> None:
    fake = make()
    fake.write("someone else", OLD)
    assert posted(fake).act is Act.CREATE
    assert fake.bodies()[0] == OLD


def test_a_system_note_is_nobodys() -> None:
    fake = fake_gitlab()
    fake.write("someone", OLD, system=True)
    assert posted(fake).act is Act.CREATE


@BOTH
def test_a_comment_that_is_deleted_meanwhile(make: Make) -> None:
    fake = make()
    fake.write("someone", OLD)

    def delete_it(asked: Asked) -> None:
        if asked.method in ("PATCH", "PUT"):
            fake.comments.clear()

    fake.before = delete_it
    assert posted(fake).act is Act.CREATE
    assert [body.strip() for body in fake.bodies()] == [BODY.strip()]


def test_a_workflows_own_token() -> None:
    fake = fake_github(me="github-actions[bot]", bot=True)
    fake.write("github-actions[bot]", OLD)
    assert posted(fake).act is Act.UPDATE


def test_an_apps_token_is_told_of() -> None:
    fake = fake_github(me="our-app[bot]", bot=True)
    assert posted(fake).stranger == "our-app[bot]"
    assert posted(fake, author="our-app[bot]").act is Act.SKIP


def test_a_comment_of_nobody() -> None:
    fake = fake_github()
    fake.write("", OLD)
    assert posted(fake).act is Act.CREATE


@BOTH
def test_a_token_that_may_only_read(make: Make) -> None:
    fake = make(read_only=True)
    error = refused(fake)
    assert isinstance(error, RefusedError)
    assert "Resource not accessible by integration" in error.cause
    assert fake.comments == {}


@BOTH
def test_a_wrong_token(make: Make) -> None:
    error = refused(make(), token="wr" + "ong")
    assert "does not accept the token in FORGE_TOKEN" in error.what
    assert error.exit_code == 3


def test_a_body_that_is_too_long_is_refused() -> None:
    """Not that it comes to that: `render` keeps within the limit."""
    assert "does not take the comment" in refused(fake_github(), BODY + "x" * GITHUB_LIMIT).what
    assert posted(fake_github(), BODY + "x" * (GITHUB_LIMIT - len(BODY))).act is Act.CREATE


def limited(status: int, headers: dict[str, str], message: str = "limit") -> Reply:
    return answer(status, {"message": message}, headers)


RESET = str(int(NOW) + 30)
LIMITS = [
    pytest.param(limited(429, {"Retry-After": "12"}), 12.0, id="429"),
    pytest.param(
        limited(403, {"Retry-After": "9"}, "You have exceeded a secondary rate limit"), 9.0, id="403-secondary"
    ),
    pytest.param(limited(403, {}, "You have exceeded a secondary rate limit"), 60.0, id="403-secondary-without-a-time"),
    pytest.param(limited(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": RESET}), 30.0, id="403-primary"),
    pytest.param(limited(429, {"RateLimit-Remaining": "0", "RateLimit-Reset": RESET}), 30.0, id="429-gitlab"),
    pytest.param(limited(503, {"Retry-After": "3"}), 3.0, id="503"),
]


@pytest.mark.parametrize(("reply", "pause"), LIMITS)
@pytest.mark.parametrize("method", ["GET", "POST"])
@BOTH
def test_limits_are_waited_for(make: Make, method: str, reply: Reply, pause: float) -> None:
    fake, waits = make(failures=[(method, reply)]), Waits()
    assert posted(fake, waits=waits).act is Act.CREATE
    assert waits.slept == [pause]
    assert len(fake.comments) == 1


@BOTH
def test_a_limit_of_an_hour_is_not(make: Make) -> None:
    waits = Waits()
    reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOW) + 3600)}
    error = refused(make(failures=[("GET", limited(403, reset))]), waits=waits)
    assert "3,600 s" in error.next_step
    assert waits.slept == []


@BOTH
def test_failures_of_the_server_are_tried_again(make: Make) -> None:
    waits = Waits()
    fake = make(failures=[("GET", answer(502, {})), ("GET", answer(500, {})), ("GET", answer(504, {}))])
    assert posted(fake, waits=waits).act is Act.CREATE
    assert len(waits.slept) == 3


@BOTH
def test_a_server_that_stays_down(make: Make) -> None:
    waits = Waits()
    error = refused(make(failures=[("GET", answer(502, {}))] * 50), waits=waits)
    assert "502" in error.cause
    assert sum(waits.slept) < 120


@BOTH
def test_a_comment_whose_answer_got_lost_is_not_made_twice(make: Make) -> None:
    fake = make(failures=[("POST", answer(502, {}))])

    def carry_out(asked: Asked) -> None:
        if asked.method == "POST" and not fake.comments:
            fake.write("someone", json.loads(asked.body)["body"])

    fake.before = carry_out
    assert posted(fake).act is Act.SKIP
    assert len(fake.comments) == 1


@BOTH
def test_no_such_pull_request(make: Make) -> None:
    with talking(make()) as forge:
        other = github.GitHub(forge.api, REPOSITORY, 8) if make is fake_github else gitlab.GitLab(forge.api, PROJECT, 8)
        with pytest.raises(GoneError) as caught:
            post(other, marker=MARK, body=BODY, create=True)
    assert "404" in caught.value.cause


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_the_token_follows_no_redirect_to_another_host(status: int) -> None:
    with serving(lambda asked: answer(200, [])) as thief:
        fake = fake_github(failures=[("*", answer(status, {}, {"Location": f"http://{thief.host}/user"}))])
        error = refused(fake)
        assert thief.asked == []
    assert thief.host in error.what


def test_the_token_follows_no_page_to_another_host() -> None:
    with serving(lambda asked: answer(200, [])) as thief:
        link = {"Link": f'<http://{thief.host}/more>; rel="next"'}
        fake = fake_github(failures=[("GET", answer(200, [], link))])
        refused(fake, author="someone")
        assert thief.asked == []


def test_a_renamed_repository_is_followed_on_its_host() -> None:
    fake = fake_github()
    with talking(fake, author="someone") as forge:
        target = f"http://{fake.host}/repos/{REPOSITORY}/issues/{NUMBER}/comments?per_page=100"
        fake.failures.append(("GET", answer(301, {}, {"Location": target})))
        assert post(forge, marker=MARK, body=BODY, create=True).act is Act.CREATE
        fake.failures += [("GET", answer(301, {}, {"Location": target}))] * 9
        with pytest.raises(EngineError, match="in circles"):
            post(forge, marker=MARK, body=BODY, create=True)


def test_pages_without_end() -> None:
    with serving(lambda asked: answer(200, [], {"Link": '</comments>; rel="next"'})) as server:
        with closing(Api(f"http://{server.host}", credential(), {})) as api, pytest.raises(EngineError, match="pages"):
            list(api.pages("/comments", list[int]))
        assert len(server.asked) == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>sign in</html>", b"{}", b'[{"id": "7"}]', b"[" * 100_000, b'[{"id": 1, "body": 7}]'],
    ids=["empty", "html", "object", "id-as-text", "deep", "body-as-number"],
)
def test_an_answer_that_is_none(body: bytes) -> None:
    with (
        serving(lambda asked: Reply(body=body)) as server,
        closing(github.open_api(f"http://{server.host}", credential())) as api,
        pytest.raises(EngineError, match="is not what its API promises"),
    ):
        list(github.GitHub(api, REPOSITORY, 7).comments())


def test_a_server_that_repeats_the_token_is_not_quoted() -> None:
    error = refused(fake_github(failures=[("GET", answer(401, {"message": f"bad token {TOKEN}"}))]))
    assert TOKEN not in error.cause


def test_nobody_there() -> None:
    with serving(lambda asked: Reply()) as server:
        host = server.host
    waits = Waits()
    with (
        closing(github.open_api(f"http://{host}", credential(), waits.effects())) as api,
        pytest.raises(EngineError) as caught,
    ):
        post(github.GitHub(api, REPOSITORY, 7), marker=MARK, body=BODY, create=True)
    assert host in caught.value.what
    assert "cannot be reached" in caught.value.cause


@pytest.mark.parametrize(
    "url",
    ["", "api.github.com", "ftp://x", "https://", "https://user:word@x", "https://x?a=b", "https://x#a", "http://[", "https://x\n"],
)  # fmt: skip
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(InputError):
        check_base(url)


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("https://x.example/api/v4", True),
        ("http://127.0.0.1:80", True),
        ("http://[::1]/x", True),
        ("http://x.example", False),
    ],
)
def test_who_can_read_the_token(url: str, private: bool) -> None:
    assert is_private(url) is private


@pytest.mark.parametrize(
    ("header", "target"),
    [
        pytest.param("", "", id="none"),
        pytest.param('<https://x/1>; rel="prev", <https://x/3>; rel="next"', "https://x/3", id="second"),
        pytest.param('<https://x/3>; rel="last next"', "https://x/3", id="two-relations"),
        pytest.param("<https://x/3>; rel=next", "https://x/3", id="bare"),
        pytest.param('<https://x/3>; rel="nextish"', "", id="another-relation"),
        pytest.param("nonsense", "", id="nonsense"),
        pytest.param(" , ", "", id="blank"),
    ],
)
def test_the_next_page(header: str, target: str) -> None:
    assert next_link(header) == target


PULLS = [(7, "guest:patch-1", "c0ffee"), (8, "guest:patch-1", "0ddba11"), (9, "guest:patch-2", "c0ffee")]


@pytest.mark.parametrize(
    ("branch", "sha", "number"),
    [("patch-1", "c0ffee", 7), ("patch-1", "0ddba11", 8), ("patch-1", "dead", None), ("gone", "c0ffee", None)],
)
def test_a_pull_request_by_its_head(branch: str, sha: str, number: int | None) -> None:
    fake = fake_github(pulls=PULLS)
    with talking(fake) as forge:
        assert github.find_pull_request(forge.api, REPOSITORY, owner="guest", branch=branch, sha=sha) == number
    assert fake.contract.violations == []


def without_a_user(document: Any) -> Any:
    return [{key: item for key, item in comment.items() if key not in ("user", "author")} for comment in document]


def with_an_id_as_text(document: Any) -> Any:
    return [{**comment, "id": str(comment["id"])} for comment in document]


@pytest.mark.parametrize("mistake", [without_a_user, with_an_id_as_text])
@BOTH
def test_a_fake_that_is_wrong_is_rejected(make: Make, mistake: Callable[[Any], Any]) -> None:
    fake = make(mistake=mistake)
    fake.write("someone", OLD)
    with talking(fake, author="someone") as forge, pytest.raises(EngineError):
        post(forge, marker=MARK, body=BODY, create=True)
    assert fake.contract.violations
    assert all("/comments -> 200" in told or "/notes -> 200" in told for told in fake.contract.violations)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("POST", "/repos/acme/shop/issues/7/comments", {}, id="no-body"),
        pytest.param("POST", "/repos/acme/shop/issues/7/comments", {"body": 7}, id="body-is-a-number"),
        pytest.param("PUT", "/repos/acme/shop/issues/comments/7", {"body": "x"}, id="wrong-method"),
        pytest.param("PATCH", "/repos/acme/shop/issues/comments/x", {"body": "x"}, id="id-is-no-number"),
        pytest.param("POST", "/repos/acme/shop/issue/7/comments", {"body": "x"}, id="wrong-path"),
    ],
)
def test_a_request_that_is_wrong_is_rejected(method: str, path: str, body: dict[str, Any]) -> None:
    fake = fake_github()
    with talking(fake) as forge, pytest.raises(ImgscanError):
        forge.api.retrying(lambda: forge.api.ask(method, path, dict, body), "asking", also_unsure=True)
    assert fake.contract.violations

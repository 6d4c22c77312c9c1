"""Keys that are made to be shown, ids alone, digests and declarations: tables."""

from __future__ import annotations

import base64
import hashlib
import random
import string

import pytest

from imgscan.detect.secrets import publishable
from imgscan.detect.secrets.examples import assemble
from imgscan.detect.secrets.publishable import (
    ID_ALONE,
    MADE_PUBLIC,
    has_other_half,
    is_for_pages,
    is_no_secret,
    published_in,
    why_public,
)
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.model import Severity

_CHANCE = random.Random(11)


def chars(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(_CHANCE.choices(alphabet, k=length))


HEX32, HEX40, HEX64 = (chars(n, "0123456789abcdef") for n in (32, 40, 64))
SHA512 = base64.b64encode(_CHANCE.randbytes(64)).decode()
UUID = f"{HEX32[:8]}-{HEX32[8:12]}-4{HEX32[13:16]}-a{HEX32[17:20]}-{HEX32[20:]}"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        pytest.param("", "pk_" + "live_51" + chars(97), MADE_PUBLIC, id="stripe"),
        pytest.param("", "pk_" + "test_" + chars(30), MADE_PUBLIC, id="stripe-test"),
        pytest.param("", "ph" + "c_" + chars(43), MADE_PUBLIC, id="posthog"),
        pytest.param("", "sb_" + "publishable_" + chars(31), MADE_PUBLIC, id="supabase"),
        pytest.param("", "sub" + "-c-" + UUID, MADE_PUBLIC, id="pubnub"),
        pytest.param("", "mob" + "-" + UUID, MADE_PUBLIC, id="launchdarkly-mobile"),
        pytest.param("", "pub" + HEX32, MADE_PUBLIC, id="datadog-client"),
        pytest.param("", "rzp" + "_live_" + chars(14), MADE_PUBLIC, id="razorpay-id"),
        pytest.param("ALGOLIA_SEARCH_KEY", HEX32, MADE_PUBLIC, id="algolia-search"),
        pytest.param("NEXT_PUBLIC_ALGOLIA_SEARCH_API_KEY", HEX32, MADE_PUBLIC, id="algolia-search-in-a-page"),
        pytest.param("ALGOLIA_ADMIN_KEY", HEX32, "", id="algolia-admin"),
        pytest.param("AZURE_SEARCH_KEY", HEX32, "", id="a-search-that-is-paid-for"),
        pytest.param("segmentWriteKey", HEX32, MADE_PUBLIC, id="segment"),
        pytest.param("MIXPANEL_TOKEN", HEX32, MADE_PUBLIC, id="mixpanel"),
        pytest.param("MIXPANEL_API_SECRET", HEX32, "", id="mixpanel-secret"),
        pytest.param("AMPLITUDE_API_KEY", HEX32, MADE_PUBLIC, id="amplitude"),
        pytest.param("AMPLITUDE_SECRET_KEY", HEX32, "", id="amplitude-secret"),
        pytest.param("BUGSNAG_API_KEY", HEX32, MADE_PUBLIC, id="bugsnag"),
        pytest.param("PUSHER_APP_KEY", HEX32[:20], MADE_PUBLIC, id="pusher"),
        pytest.param("PUSHER_APP_SECRET", HEX32[:20], "", id="pusher-secret"),
        pytest.param("RECAPTCHA_SITE_KEY", "6L" + chars(38), MADE_PUBLIC, id="site-key"),
        pytest.param("STATSIG_SERVER_KEY", HEX32, "", id="server-key"),
        pytest.param("DD_CLIENT_TOKEN", HEX32, MADE_PUBLIC, id="client-token"),
        pytest.param("OVH_APPLICATION_KEY", HEX32[:16], MADE_PUBLIC, id="ovh"),
        pytest.param("OVH_APPLICATION_SECRET", HEX32, "", id="ovh-secret"),
        pytest.param("FIREBASE_API_KEY", "AIza" + chars(35), MADE_PUBLIC, id="firebase"),
        pytest.param("NEXT_PUBLIC_STRIPE_SECRET_KEY", HEX32, "", id="a-secret-in-a-page"),
        pytest.param("access_key", chars(20, string.ascii_uppercase), ID_ALONE, id="access-key-id"),
        pytest.param("TENCENT_ACCESS_KEY", "AK" + "ID" + chars(32), ID_ALONE, id="tencent"),
        pytest.param("access_key", chars(40), "", id="not-of-an-ids-form"),
        pytest.param("secret_access_key", chars(20, string.ascii_uppercase), "", id="the-other-half"),
        pytest.param("sharing_token", chars(20), MADE_PUBLIC, id="of-a-link"),
        pytest.param("email_secret_token", chars(20), "", id="of-a-mail-service"),
        pytest.param("", "SCW" + chars(17, string.ascii_uppercase), MADE_PUBLIC, id="scaleway"),
    ],
)
def test_why_a_key_is_public(name: str, value: str, why: str) -> None:
    assert why_public(name, value.encode()) == why


@pytest.mark.parametrize(
    ("before", "value", "expected"),
    [
        pytest.param('"contentHash": "', SHA512, True, id="nuget"),
        pytest.param('"sha512": "', SHA512, True, id="assets"),
        pytest.param('"sha512": "sha512-', SHA512, True, id="deps"),
        pytest.param('"integrity": "sha512-', SHA512, True, id="npm"),
        pytest.param("  integrity sha512-", SHA512, False, id="not-assigned"),
        pytest.param("digest: ", HEX64, True, id="digest"),
        pytest.param("checksum/secret: ", HEX64, True, id="helm"),
        pytest.param('"checksum/my-secrets": "', HEX64, True, id="helm-quoted"),
        pytest.param('"hashed_secret": "', HEX40, True, id="baseline-of-detect-secrets"),
        pytest.param("password_hash: ", HEX64, False, id="hash-of-a-password"),
        pytest.param("secret: ", HEX64, False, id="secret"),
        pytest.param("hash: ", "gh" + "p_" + chars(36), False, id="no-digest"),
        pytest.param("sha512:\n  key: ", SHA512, False, id="another-line"),
        pytest.param("\tsigningkey = ", HEX40.upper()[:16], True, id="gpg-id"),
        pytest.param("\tsigningkey = ", chars(30), False, id="no-gpg-id"),
        pytest.param("RUN --secret ", "NPM_TOKEN=npm_token", True, id="earthly"),
        pytest.param("RUN --secret ", "TOKEN=+secrets/token", True, id="earthly-path"),
        pytest.param("docker build --secret ", "id=token,env=TOKEN", True, id="buildkit"),
        pytest.param("tool --secret ", chars(20), False, id="a-secret"),
        pytest.param("tool --token ", "TOKEN=abcdef", False, id="another-flag"),
    ],
)
def test_what_is_no_secret_for_what_stands_before(before: str, value: str, *, expected: bool) -> None:
    data = (before + value + '"').encode()
    assert is_no_secret(data, len(before), value.encode()) is expected


def test_a_key_of_google_in_a_web_config() -> None:
    key = "AIza" + chars(35)
    web = f'{{apiKey: "{key}", authDomain: "a.firebaseapp.com"}}'.encode()
    plain = f'{{apiKey: "{key}", region: "eu"}}'.encode()
    assert is_for_pages(web, web.index(b"AIza"), key.encode())
    assert not is_for_pages(plain, plain.index(b"AIza"), key.encode())
    assert not is_for_pages(web, 0, b"other")


@pytest.mark.parametrize(
    ("parameters", "why"),
    [pytest.param("alt=media&token=", MADE_PUBLIC, id="link"), pytest.param("alt=x&token=", "", id="another")],
)
def test_the_token_of_a_link_to_one_file(scanner: SecretScanner, parameters: str, why: str) -> None:
    address = f"https://firebasestorage.googleapis.com/v0/b/a/o/b.svg?{parameters}{UUID}"
    (hit,) = scanner.scan_bytes(f'img src="{address}"'.encode(), path="app/a.js")
    assert (hit.severity, hit.detail) == (Severity.LOW, why)


@pytest.mark.parametrize(
    ("path", "text", "severity"),
    [
        pytest.param("app/.env", f"NEXT_PUBLIC_STRIPE_KEY=pk_{'live_'}{chars(99)}\n", Severity.LOW, id="stripe"),
        pytest.param("app/a.js", f'posthog.init("ph{"c_"}{chars(43)}", {{}})\n', Severity.LOW, id="posthog"),
        pytest.param("app/.env", f"DD_CLIENT_TOKEN=pub{HEX32}\n", Severity.LOW, id="datadog"),
        pytest.param("app/.env", f"ALGOLIA_ADMIN_KEY={HEX32}\n", Severity.HIGH, id="algolia-admin"),
        pytest.param(
            "app/.env", f"AWS_WASABI_ACCESS_KEY={chars(20, string.ascii_uppercase + '2345')}\n", Severity.LOW, id="id"
        ),
    ],
)
def test_what_is_public_is_low(scanner: SecretScanner, path: str, text: str, severity: Severity) -> None:
    hits = scanner.scan_bytes(text.encode(), path=path)
    assert [hit.severity for hit in hits] == [severity]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param(
            "app/packages.lock.json",
            f'{{"Azure.Core": {{"resolved": "1.2.3", "contentHash": "{SHA512}"}}}}',
            id="packages.lock.json",
        ),
        pytest.param("obj/project.assets.json", f'{{"Azure.Identity/1.1": {{"sha512": "{SHA512}"}}}}', id="assets"),
        pytest.param("k8s/pod.yaml", f"  annotations:\n    checksum/secret: {HEX64}\n", id="helm"),
        pytest.param("app/.git/config", f"[user]\n\tsigningkey = {HEX40.upper()}\n", id="signingkey"),
        pytest.param("app/Earthfile", "build:\n    RUN --secret NPM_TOKEN=npm_token npm ci\n", id="earthly"),
        pytest.param("app/Dockerfile", "RUN --mount=type=secret,id=token,env=TOKEN ./x\n", id="mount"),
    ],
)
def test_what_is_no_secret_is_not_told(scanner: SecretScanner, path: str, text: str) -> None:
    assert [hit.rule.id for hit in scanner.scan_bytes(text.encode(), path=path)] == []


def test_an_id_is_worth_more_with_its_secret(scanner: SecretScanner) -> None:
    key_id, secret = "LT" + "AI" + chars(20), chars(30)
    alone = scanner.scan_bytes(f'{{"access_key_id": "{key_id}"}}'.encode(), path="app/config.json")
    both = f'{{"access_key_id": "{key_id}", "access_key_secret": "{secret}"}}'.encode()
    assert has_other_half(both, both.index(key_id.encode()) + len(key_id))
    whole = scanner.scan_bytes(both, path="app/config.json")
    assert [hit.severity for hit in alone] == [Severity.LOW]
    assert max(hit.severity.rank for hit in whole if hit.secret == key_id.encode()) > Severity.LOW.rank


def test_the_environment_of_an_image(scanner: SecretScanner) -> None:
    hits = scanner.scan_assignment("PADDLE_CLIENT_TOKEN", "live_" + chars(27), path="env/PADDLE_CLIENT_TOKEN")
    assert {hit.severity for hit in hits} == {Severity.LOW}


def test_no_key_of_a_manual() -> None:
    assert published_in(b"") == published_in(HEX40.encode()) == ""


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("app/a.py", "h = 'Authorization: Basic czZCaGRSa3F0Mzp" + "nWDFmQmF0M2JW'\n", id="basic-auth"),
        pytest.param("app/.env", "CLIENT_SECRET=7Fjfp0ZBr1K" + "tDRbnfVdmIw\n", id="assigned"),
        pytest.param("app/.env", "TOKEN=mF_9.B5f" + "-4.1JqM\n", id="bearer"),
    ],
)
def test_specimens_of_manuals_are_not_told(scanner: SecretScanner, path: str, text: str) -> None:
    assert scanner.scan_bytes(text.encode(), path=path) == []


def known(monkeypatch: pytest.MonkeyPatch, secret: bytes) -> None:
    digests = {hashlib.sha256(secret).hexdigest(): "test suite of a library"}
    monkeypatch.setattr(publishable, "public_digests", lambda kind: digests if kind == "keys" else {})


def test_that_a_checksum_fits_says_nothing_of_what_everybody_knows(
    scanner: SecretScanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = assemble(["gh", "p_", {"random": "base62", "length": 30}, {"crc": "github"}], "known")
    (hit,) = scanner.scan_bytes(token, path="app/a.txt")
    assert (hit.severity, hit.proven) == (Severity.CRITICAL, True)
    known(monkeypatch, token)
    (hit,) = scanner.scan_bytes(token, path="app/a.txt")
    assert (hit.severity, hit.proven) == (Severity.INFO, False)


@pytest.mark.parametrize("form", ["0x{key}", "{key}", "0x{KEY}"])
def test_an_account_for_tests(scanner: SecretScanner, form: str) -> None:
    """The first of Hardhat's, by the key that its manual shows."""
    key = "ac0974bec39a17e36ba4a6b4d238ff94" + "4bacb478cbed5efcae784d7bf4f2ff80"
    text = f'PRIVATE_KEY = "{form.format(key=key, KEY=key.upper())}"\n'
    (hit,) = scanner.scan_bytes(text.encode(), path="app/a.ts")
    assert (hit.rule.id, hit.severity) == ("secret-ethereum-key", Severity.INFO)
    assert hit.detail == "known to everybody: accounts of Hardhat and Anvil"


def test_a_key_that_everybody_knows_however_its_lines_are_broken(
    scanner: SecretScanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *body, last = assemble([{"pem": "EC PRIVATE KEY"}], "known").decode().strip().split("\n")
    known(monkeypatch, "".join(body).encode())
    for lines, end in (
        ([first, *body, last], "\n"),
        ([first, "".join(body), last], "\n"),
        ([first, *body, last], "\\n"),
    ):
        (hit,) = scanner.scan_bytes(end.join(lines).encode(), path="app/a.txt")
        assert (hit.rule.id, hit.severity) == ("secret-private-key", Severity.INFO)
        assert hit.detail == "known to everybody: test suite of a library"

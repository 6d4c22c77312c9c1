"""Which certificate or login a private key belongs to, and how that is said."""

from __future__ import annotations

import pytest

from imgscan.detect.secrets.keypairs import KeyUse, KeyUses
from imgscan.detect.secrets.publickeys import SeenKey

NOW = 1_700_000_000.0
PRINT = "SHA256:" + "A" * 43


def cert(name: str = "shop.test", expires: int = 1_800_000_000) -> SeenKey:
    return SeenKey(fingerprint=PRINT, certificate=True, name=name, expires=expires)


@pytest.mark.parametrize(
    ("seen", "use"),
    [
        pytest.param([], None, id="nothing"),
        pytest.param(
            [(b"etc/tls.crt", cert())],
            KeyUse(text="its certificate is /etc/tls.crt (CN shop.test, expires 2027-01-15)", live=True),
            id="certificate",
        ),
        pytest.param(
            [(b"etc/tls.crt", cert(expires=1_600_000_000))],
            KeyUse(text="its certificate is /etc/tls.crt (CN shop.test, expired 2020-09-13)", live=False),
            id="expired",
        ),
        pytest.param(
            [(b"etc/old.crt", cert(expires=1_600_000_000)), (b"etc/new.crt", cert(name=""))],
            KeyUse(text="its certificate is /etc/new.crt (expires 2027-01-15)", live=True),
            id="renewed",
        ),
        pytest.param(
            [(b"root/.ssh/authorized_keys", SeenKey(fingerprint=PRINT))],
            KeyUse(text="/root/.ssh/authorized_keys lets it log in", live=True, login=True),
            id="login",
        ),
        pytest.param(
            [(b"etc/\x1b[31m\xff.crt", cert(name="\u202ex"))],
            KeyUse(text="its certificate is /etc/\\x1b[31m\\xff.crt (CN \\u202ex, expires 2027-01-15)", live=True),
            id="hostile",
        ),
        pytest.param(
            [(b"a", cert(expires=253402300799))],
            KeyUse(text="its certificate is /a (CN shop.test, expires never)", live=True),
            id="no-end",
        ),
    ],
)
def test_what_a_key_is_used_for(seen: list[tuple[bytes, SeenKey]], use: KeyUse | None) -> None:
    assert KeyUses(seen, now=NOW).of(PRINT) == use


def test_other_keys_have_no_use() -> None:
    uses = KeyUses([(b"a", cert())], now=NOW)
    assert uses.of("SHA256:" + "B" * 43) is None
    assert uses.of("") is None

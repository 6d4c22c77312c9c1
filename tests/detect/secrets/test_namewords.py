"""Names taken apart into words."""

from __future__ import annotations

import pytest

from imgscan.detect.secrets.namewords import is_random, name_words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stripeApiKey2", ["stripe", "api", "key", "2"]),
        ("STRIPE_API_KEY", ["stripe", "api", "key"]),
        ("stripe.api-key", ["stripe", "api", "key"]),
        ("AWSSecretKey", ["aws", "secret", "key"]),
        ("HTTPSProxy", ["https", "proxy"]),
        ("sha256", ["sha", "256"]),
        ("", []),
        ("__", []),
    ],
)
def test_words(name: str, words: list[str]) -> None:
    assert name_words(name) == words


@pytest.mark.parametrize(
    ("name", "random"),
    [
        ("LCaPwdNZbQIB", True),
        ("Rx9VPmYPw7mC", True),
        ("qjjHSWHLSKey", True),
        ("rdsPgBkpPwd", False),
        ("svcAcctPwdEncB64", False),
        ("GCPSAKeyJson", False),
        ("LC_aP_wd_NZ_bQ_IB", False),
        ("x509KeyPwd", False),
        ("password", False),
        ("", False),
    ],
)
def test_random_letters_are_no_name(name: str, random: bool) -> None:
    assert is_random(name) is random

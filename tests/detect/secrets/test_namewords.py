"""Names taken apart into words."""

from __future__ import annotations

import pytest

from imgscan.detect.secrets.namewords import name_words


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

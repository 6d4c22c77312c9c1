"""The words of a name as programs write them: `stripeApiKey2`, `STRIPE_API_KEY` and `stripe.api-key`."""

from __future__ import annotations

from typing import Final

from imgscan.lazyre import lazy_re

_WORDS: Final = lazy_re(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def name_words(name: str) -> list[str]:
    """Its words and numbers, in lower case and in their order: `["stripe", "api", "key", "2"]`."""
    return [word.lower() for word in _WORDS.findall(name)]

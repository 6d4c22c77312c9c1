"""What a sealed layer's marks find in texts: every secret that is there, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imgscan.redaction import MIN_SWEPT
from imgscan.sealedlayer import _subtract, find_marked, mark_of

KEY, OTHER = b"k" * 32, b"o" * 32
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=MIN_SWEPT, max_size=40)


@given(st.lists(WORDS, min_size=1, max_size=5), st.text(max_size=30), st.text(max_size=30))
def test_marked_secrets_are_found_wherever_they_stand(secrets: list[str], before: str, after: str) -> None:
    marks = [mark_of(secret.encode(), KEY) for secret in secrets]
    texts = [f"{before}{secret}{after}" for secret in secrets]
    assert set(secrets) <= find_marked(texts, marks, KEY)


@given(WORDS, st.lists(st.text(max_size=60), max_size=5))
def test_nothing_else_is_found(secret: str, texts: list[str]) -> None:
    found = find_marked(texts, [mark_of(secret.encode(), KEY)], KEY)
    assert found == ({secret} if any(secret in text for text in texts) else set())


@given(WORDS)
def test_nobody_finds_without_the_key(secret: str) -> None:
    assert not find_marked([secret], [mark_of(secret.encode(), KEY)], OTHER)


@given(st.binary(max_size=64), st.data())
def test_bytes_are_subtracted_each_by_itself(one: bytes, data: st.DataObject) -> None:
    other = data.draw(st.binary(min_size=len(one), max_size=len(one)))
    assert _subtract(one, other) == bytes((left - right) % 256 for left, right in zip(one, other, strict=True))


def test_no_marks_cost_nothing() -> None:
    assert find_marked(iter(["text"] * 3), [], KEY) == set()

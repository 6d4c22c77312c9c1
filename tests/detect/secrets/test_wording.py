"""What a value is made of: tables, and random tokens, which are of no words."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets.wording import (
    is_dressed_word,
    is_language,
    is_one_word,
    is_weak_password,
    reads_like_words,
    says_what_it_is,
)


@pytest.mark.parametrize(
    ("value", "weak", "dressed"),
    [
        pytest.param("changeit1", False, False, id="another"),
        pytest.param("letmein", True, True, id="plain"),
        pytest.param(" LetMeIn ", True, True, id="case-and-blanks"),
        pytest.param("L3tm31n!", False, True, id="digits-and-a-sign"),
        pytest.param("P@55w0rd#2024", False, True, id="signs-and-a-year"),
        pytest.param("letmein-harbour", False, False, id="one-of-two-words"),
        pytest.param("", False, False, id="empty"),
    ],
)
def test_what_everybody_tries(value: str, *, weak: bool, dressed: bool) -> None:
    assert (is_weak_password(value.encode()), is_dressed_word(value.encode())) == (weak, dressed)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("adminUserPass" + "word123", True, id="name-of-a-variable"),
        pytest.param("another-secret-of-mine", True, id="joined"),
        pytest.param("Harbour-Wall-77", False, id="words"),
        pytest.param("xK9secretQ2vL", False, id="letters-around-the-word"),
    ],
)
def test_what_says_that_it_is_a_secret(value: str, *, expected: bool) -> None:
    assert says_what_it_is(value.encode()) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("AI" + "zaGoogleCloudAPIKeyAazZ09780w00tTests", True, id="words"),
        pytest.param("ThisIsTheKeyOfNobody", False, id="too-short-to-tell"),
        pytest.param("https://hooks.corp.io/productionserverofeverything", False, id="address"),
        pytest.param("productionserverofeverything-q7Zp2Lk9Xw4Vt8Rb", False, id="a-rare-part"),
        pytest.param("0123dead" + "beef0123", True, id="spelt-in-digits"),
        pytest.param("", False, id="empty"),
    ],
)
def test_tokens_that_read_like_words(value: str, *, expected: bool) -> None:
    assert reads_like_words(value.encode()) is expected


@given(st.integers(), st.integers(24, 64))
def test_random_tokens_do_not(seed: int, size: int) -> None:
    token = "".join(random.Random(seed).choices(string.ascii_letters + string.digits, k=size)).encode()
    assert not reads_like_words(token)
    assert not is_one_word(token)


def test_language_is_told_from_letters() -> None:
    assert is_language(b"correct horse battery staple")
    assert not is_language(b"q7Zp2Lk9Xw4Vt8Rb")

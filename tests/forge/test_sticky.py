"""The plan for one comment that stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.forge.sticky import Act, Comment, Plan, make_plan
from imgscan.report.comment import marker

MARK = marker("app")
BODY = f"{MARK}\n### new\n"


def comment(number: int, author: str = "me", body: str = f"{MARK}\n### old\n") -> Comment:
    return Comment(id=number, author=author, body=body)


CASES = [
    pytest.param([], True, Plan(act=Act.CREATE), id="none"),
    pytest.param([], False, Plan(act=Act.SKIP), id="none-and-nothing-to-say"),
    pytest.param([comment(5)], True, Plan(act=Act.UPDATE, comment_id=5), id="old"),
    pytest.param([comment(5)], False, Plan(act=Act.UPDATE, comment_id=5), id="old-and-nothing-to-say"),
    pytest.param([comment(5, body=BODY)], True, Plan(act=Act.SKIP, comment_id=5), id="same"),
    pytest.param([comment(5, body=BODY.replace("\n", "\r\n"))], True, Plan(act=Act.SKIP, comment_id=5), id="line-ends"),
    pytest.param([comment(5, body=BODY.strip())], True, Plan(act=Act.SKIP, comment_id=5), id="stripped"),
    pytest.param([comment(5, author="Me")], True, Plan(act=Act.UPDATE, comment_id=5), id="case-of-the-login"),
    pytest.param([comment(5, author="you")], True, Plan(act=Act.CREATE), id="another-author-with-our-marker"),
    pytest.param([comment(5, author="")], True, Plan(act=Act.CREATE), id="an-author-who-is-gone"),
    pytest.param([comment(5, body=f"see\n{MARK}\n")], True, Plan(act=Act.CREATE), id="marker-not-first"),
    pytest.param([comment(5, body=f"{marker('app2')}\n")], True, Plan(act=Act.CREATE), id="another-name"),
    pytest.param(
        [comment(9), comment(5), comment(7, body=BODY)], True,
        Plan(act=Act.UPDATE, comment_id=5, duplicates=(7, 9)), id="duplicates",
    ),
    pytest.param(
        [comment(9), comment(5, body=BODY)], False,
        Plan(act=Act.SKIP, comment_id=5, duplicates=(9,)), id="duplicate-of-the-same",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("comments", "create", "plan"), CASES)
def test_plan(comments: list[Comment], create: bool, plan: Plan) -> None:
    assert make_plan(comments, me="me", marker=MARK, body=BODY, create=create) == plan


def test_nobody_has_no_comments() -> None:
    assert make_plan([comment(5, author="")], me="", marker=MARK, body=BODY, create=True) == Plan(act=Act.CREATE)


@given(
    st.lists(
        st.builds(
            Comment,
            id=st.integers(1, 50),
            author=st.sampled_from(["me", "you", ""]),
            body=st.sampled_from([BODY, MARK, "x"]),
        ),
        unique_by=lambda c: c.id,
    )
)
def test_what_others_wrote_is_never_touched(comments: list[Comment]) -> None:
    plan = make_plan(comments, me="me", marker=MARK, body=BODY, create=True)
    touched = {plan.comment_id, *plan.duplicates} - {None}
    assert touched == {c.id for c in comments if c.author == "me" and c.body.startswith(MARK)}

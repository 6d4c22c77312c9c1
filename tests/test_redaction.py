"""The redactor: known and recognised secrets leave every text, words stay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fakes import finding, proof, report
from hypothesis import given
from hypothesis import strategies as st

from imgscan.model import Skipped, Target
from imgscan.redaction import Redactor
from imgscan.report import REPORTERS, Style, render

TOKEN = "tok" + "en-" + "a1b2c3d4e5f6"


def nothing(text: str) -> Iterator[tuple[str, str]]:
    return iter(())


def test_recognised_secrets_are_replaced_and_remembered() -> None:
    redactor = Redactor(lambda text: [("sw0rdfish", "•••")] if "pass=" in text else [])
    assert redactor.clean("pass=sw0rdfish") == "pass=•••"
    assert redactor.clean("again sw0rdfish") == "again •••"


def test_short_words_are_replaced_only_where_they_are_recognised() -> None:
    redactor = Redactor(lambda text: [("test", "•••")] if "pass=" in text else [])
    assert redactor.clean("pass=test") == "pass=•••"
    assert redactor.clean("/app/test/x") == "/app/test/x"


def test_the_longer_of_two_secrets_goes_first() -> None:
    redactor = Redactor(nothing)
    redactor.learn("abcdefgh", "<short>")
    redactor.learn("abcdefghijkl", "<long>")
    assert redactor.clean("abcdefghijkl abcdefgh") == "<long> <short>"


def test_every_line_of_a_key_is_a_secret() -> None:
    lines = ["-----BEGIN X KEY-----", "Q" * 64, "R" * 64, "-----END X KEY-----"]
    redactor = Redactor(nothing)
    redactor.learn("\n".join(lines), "<key>")
    redactor.learn("\\n".join(["-----BEGIN Y KEY-----", "S" * 64]), "<other>")
    assert redactor.clean(f"log: {lines[1]}") == "log: <key>"
    assert redactor.clean("log: " + "S" * 64) == "log: <other>"
    assert redactor.clean(lines[0]) == lines[0]


def test_a_swept_report_shows_it_nowhere() -> None:
    redactor = Redactor(nothing)
    redactor.learn(TOKEN, "•••")
    leaky = report(
        target=Target(kind="build", ref=f"x {TOKEN}"),
        skipped=(Skipped(where=TOKEN, reason=TOKEN),),
        findings=(finding(message=f"in {TOKEN}", excerpt=TOKEN),),
        proofs=(proof(TOKEN, TOKEN, reason=f"the build fails at RUN {TOKEN}"),),
    )
    swept = redactor.sweep(leaky)
    for name in REPORTERS:
        assert TOKEN not in render(swept, name, Style(verbose=True))
    assert "•••" in swept.target.ref


@given(st.text(alphabet=st.characters(), max_size=30))
def test_sweeping_makes_any_text_fit_for_utf_8(text: str) -> None:
    swept = Redactor(nothing).sweep(report(target=Target(kind="build", ref=text)))
    swept.target.ref.encode()


def test_a_report_without_secrets_stays_as_it_is() -> None:
    assert Redactor(nothing).sweep(report()) == report()


def test_what_an_excerpt_shows_anyway_is_no_secret() -> None:
    """A report that is swept of what is recognised in it has the first line of a key in the key's own excerpt."""
    header = "-----BEGIN X KEY" + "-----"
    redactor = Redactor(nothing, lambda text: [(header, f"{header}…")] if header in text else [])
    redactor.recognises_all = True
    swept = redactor.sweep(report(findings=(finding(excerpt=f"{header}…"),)))
    assert [each.excerpt for each in swept.findings] == [f"{header}…"]


def test_a_name_of_the_project_is_replaced_only_where_it_is_recognised() -> None:
    redactor = Redactor(lambda text: [("postgres", "•••")] if "pass=" in text else [])
    redactor.spare(["postgres", TOKEN])
    redactor.learn("postgres", "•••")
    redactor.learn(TOKEN, "•••")
    assert redactor.clean("pass=postgres") == "pass=•••"
    assert redactor.clean(f"postgres runs postgres:9.6 {TOKEN}") == "postgres runs postgres:9.6 •••"


def test_a_placeholder_is_replaced_only_where_it_is_recognised() -> None:
    redactor = Redactor(nothing)
    redactor.learn("password", "•••")
    assert redactor.replace_known("passwordStrengthMeter=1") == "passwordStrengthMeter=1"


def test_a_path_is_shown_though_a_folder_is_called_like_a_password() -> None:
    redactor = Redactor(nothing)
    redactor.learn("bitcoinlib", "•••")
    redactor.learn(TOKEN, "tok…")
    location = finding().location
    found = finding(location=replace(location, path="/srv/bitcoinlib/config.ini"), message="bitcoinlib")
    swept = redactor.sweep(report(findings=(found,))).findings[0]
    assert swept.location.path == "/srv/bitcoinlib/config.ini"
    assert swept.message == "•••"
    found = finding(location=replace(location, path=f"/srv/{TOKEN}/bitcoinlib"))
    assert TOKEN not in str(redactor.sweep(report(findings=(found,))).findings[0].location.path)


def test_the_words_of_a_rule_are_never_replaced() -> None:
    redactor = Redactor(nothing)
    redactor.learn("postgres", "•••")
    swept = redactor.sweep(report(findings=(finding(rule_id="data-postgres-mount", message="postgres"),)))
    assert [(each.rule_id, each.message) for each in swept.findings] == [("data-postgres-mount", "•••")]

"""The documentation says what is true: blocks of commands and their output are run and compared.

`--update-golden` rewrites them.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sampleruns import run

from imgscan.allowlist import read_allow
from imgscan.cli.main import COMMANDS as MAIN_COMMANDS
from imgscan.cli.options import SETTINGS
from imgscan.cli.rules import all_rules, rules_page
from imgscan.config import TABLE_LISTS, Table
from imgscan.detect.secrets.userrules import user_pack
from imgscan.errors import EXIT_FINDINGS, EXIT_INTERNAL, ImgscanError

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
COMMANDS = ROOT / "docs" / "commands.md"
GUIDE = ROOT / "docs" / "guide.md"
RUN = re.compile(r"<!-- run: imgscan ([^\n]*?) -->\n(.*?)<!-- /run -->", re.DOTALL)
REPORT = re.compile(r"<!-- report -->\n(.*?)<!-- /report -->", re.DOTALL)


def output(*args: str) -> str:
    command = [sys.executable, "-m", "imgscan", *args]
    env = {"COLUMNS": "120", "PATH": "", "TERM": "dumb"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout


def block(text: str) -> str:
    return f"\n```text\n{text.rstrip()}\n```\n\n"


def refresh(path: Path, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str], *, write: bool) -> None:
    text = path.read_text(encoding="utf-8")
    fresh = pattern.sub(replace, text)
    if write:
        path.write_text(fresh, encoding="utf-8")
        return
    assert fresh == text, f"{path.name} is not what the program prints; pytest tests/test_docs.py --update-golden"


def test_pages_show_what_the_commands_print(request: pytest.FixtureRequest) -> None:
    def again(match: re.Match[str]) -> str:
        return f"<!-- run: imgscan {match[1]} -->\n{block(output(*match[1].split()))}<!-- /run -->"

    for page in (README, COMMANDS):
        assert RUN.search(page.read_text(encoding="utf-8"))
        refresh(page, RUN, again, write=request.config.getoption("--update-golden"))


def test_every_command_has_its_help_on_the_page() -> None:
    shown = {match[1].split()[0] for match in RUN.finditer(COMMANDS.read_text(encoding="utf-8"))}
    assert shown == set(MAIN_COMMANDS)


@pytest.mark.engine
def test_readme_shows_the_report(request: pytest.FixtureRequest) -> None:
    """Verdict, headings, what to do in which order, what re-ran and whom to blame; seconds, sizes and how often a library
    looks suspicious differ from machine to machine."""
    whole = run("antone-leaky").written[0]
    head = whole[: whole.index("\nSECRETS (")]
    shown = REPORT.search(README.read_text(encoding="utf-8"))
    assert shown is not None
    if request.config.getoption("--update-golden"):
        refresh(README, REPORT, lambda _: f"<!-- report -->\n{block(head)}<!-- /report -->", write=True)
        return
    assert list(essence(shown[1])) == list(essence(head))


def essence(text: str) -> Iterator[str]:
    """What of a report is the same everywhere."""
    for line in text.splitlines():
        rebuild = re.match(r"  (cold|noop|touch-\S+) .* (\d+ / \d+) .*? s(?: ± \S+ s)?  (.*)", line)
        if rebuild:
            yield " ".join(rebuild.groups())
        elif line.isupper() or line.startswith(" NO-GO"):
            yield line.split("  ")[0]
        elif re.match(r"  \d\. ", line):
            yield line.split(":")[0]


def test_rules_page_is_the_rule_book(request: pytest.FixtureRequest) -> None:
    path = ROOT / "docs" / "rules.md"
    if request.config.getoption("--update-golden"):
        path.write_text(rules_page(all_rules().values()), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == rules_page(all_rules().values())


def test_every_exit_code_is_named() -> None:
    shown = {int(code) for code in re.findall(r"^\| (\d+) \|", COMMANDS.read_text(encoding="utf-8"), re.MULTILINE)}
    assert shown == {0, EXIT_FINDINGS, EXIT_INTERNAL, *(error.exit_code for error in ImgscanError.__subclasses__())}


def test_configuration_examples_are_valid() -> None:
    examples = [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)]
    assert {key for example in examples for key in example} <= {*SETTINGS, *TABLE_LISTS}
    tables = [Table(value=table, where="the guide") for example in examples for table in example.get("allow", ())]
    assert read_allow(tables)


def test_the_example_of_a_rule_is_one(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "rules.yml").write_text(example, encoding="utf-8")
    (rule,) = user_pack(tmp_path / "rules.yml", ()).rules
    assert rule.id == "secret-acme-token"


def test_no_page_names_a_file_that_is_not_there() -> None:
    for page in (README, *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_page_for_users_of_other_tools_names_what_there_is() -> None:
    text = (ROOT / "docs" / "from-other-tools.md").read_text(encoding="utf-8")
    families = {rule_id.partition("-")[0] for rule_id in all_rules()}
    named = re.findall(rf"`((?:{'|'.join(sorted(families))})-[a-z0-9-]+)`", text)
    assert len(named) > 15
    assert not set(named) - set(all_rules())
    for option in re.findall(r"`(?:imgscan [^`]*)?(--[a-z-]+)", text):
        known = option.lstrip("-") in SETTINGS or option in ("--severity", "--secret-config")
        assert known, option

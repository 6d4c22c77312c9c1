"""The command line as a whole: help, versions, wrong input, exit codes, no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from imgscan import __version__
from imgscan.cli import main as cli_main
from imgscan.cli.main import COMMANDS, cli, run
from imgscan.cli.options import SETTINGS, option_names
from imgscan.errors import BuildError, EngineError, ImgscanError, IncompleteError, InputError


def told(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = run(list(args))
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, name, "--help")
    assert code == 0
    assert out.startswith(f"Usage: imgscan {name}")
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    silent = [p.name for p in command.params if isinstance(p, click.Option) and not p.help and p.name != "style"]
    assert not silent


def test_settings_are_the_options_of_commands_that_report() -> None:
    keys: set[str] = set()
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        if any(param.name == "formats" for param in command.params):
            keys.update(option_names(command))
    assert keys == SETTINGS


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "--version") == (0, f"imgscan {__version__}\n", "")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        pytest.param(["scann"], 2, "Did you mean 'scan'?", id="unknown-command"),
        pytest.param(["scan", "--nope"], 2, "No such option", id="unknown-option"),
        pytest.param(["scan"], 2, "Missing argument", id="no-target"),
        pytest.param(
            ["lint", "--format", "xml"], 2, "unknown format 'xml'; choose from table, json, markdown", id="format"
        ),
        pytest.param(["lint", "--fail-on", "bad"], 2, "'bad' is not one of", id="fail-on"),
        pytest.param(["lint", "--budget", "x"], 2, "'x' is not of the form KEY=VALUE", id="budget-form"),
        pytest.param(["lint", "--budget", "speed=1"], 2, "unknown budget 'speed'", id="budget-key"),
        pytest.param(
            ["lint", "--format", "json", "--format", "markdown"], 2, "would mix on stdout", id="two-on-stdout"
        ),
        pytest.param(["lint", "--format", "json=/nowhere/x.json"], 2, "there is no folder /nowhere", id="no-folder"),
        pytest.param(["explain", "secret-githbu-token"], 2, "did you mean secret-github-token", id="rule-typo"),
        pytest.param(["explain", "OPS-002"], 2, "did you mean OPS-003 or OPS-001", id="risk-typo"),
        pytest.param(["rules", "zzz"], 2, "no rule begins with 'zzz'", id="no-rules"),
        pytest.param(["schema", "x"], 2, "'x' is not one of", id="schema"),
    ],
)
def test_wrong_usage(args: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    got, out, err = told(capsys, *args)
    assert got == code
    assert words in err
    assert out == ""


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        pytest.param(
            "OPS-001", ("3 × 3 = 9 (CRITICAL)", "ops-health-missing: ", "docker compose up -d --wait"), id="ops"
        ),
        pytest.param("sec-001", ("2 × 3 = 6 (HIGH)", "context-secret-file: ", "secret-…: "), id="in-small-letters"),
        pytest.param("DATA-001", ("external: true", "must not list the data volume"), id="names-put-in"),
    ],
)
def test_a_risk_is_explained(asked: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "explain", asked)
    assert code == 0
    assert [word for word in words if word not in out] == []
    assert "<<" not in out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(InputError("bad input", cause="because", next_step="do this"), 2, id="input"),
        pytest.param(EngineError("no engine", cause="because", next_step="do this"), 3, id="engine"),
        pytest.param(BuildError("failed", cause="because", next_step="do this"), 4, id="build"),
        pytest.param(IncompleteError("cut", cause="because", next_step="do this"), 5, id="incomplete"),
    ],
)
def test_errors_end_in_their_code(
    error: ImgscanError, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_main, "cli", _Raises(error))
    got, _, err = told(capsys, "x")
    assert got == code
    assert err == f"imgscan: {error.what}\n  because\n  do this\n"


def test_a_bug_is_70_and_shows_no_values(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_main, "cli", _Raises(ValueError("hunter2")))
    code, _, err = told(capsys, "x")
    assert code == 70
    assert "internal error: ValueError at test_main.py:" in err
    assert "hunter2" not in err


def test_interrupt_is_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_main, "cli", _Raises(KeyboardInterrupt()))
    assert told(capsys, "x")[0] == 130


class _Raises:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def main(self, **_: object) -> None:
        raise self.error


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; sys.argv=['imgscan','--help']\nfrom imgscan.cli.main import main\ntry: main()\nexcept SystemExit: pass\n"
    heavy = "docker requests yaml hyperscan re2 msgspec tabulate jinja2 dockerfile_parse asyncio"
    check = f"{code}print([m for m in '{heavy}'.split() if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "completion", shell)
    assert code == 0
    assert "_IMGSCAN_COMPLETE" in out


def test_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m imgscan schema report | head -1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""


def test_rules_that_still_compile_are_not_waited_for() -> None:
    """A command that fails in a first run says so at once, and nothing is taken apart under them."""
    code = """
import atexit, threading, time
from imgscan.cli import main
atexit.register(print, "in order")
def fail(args):
    threading.Thread(name="imgscan: compiling", target=time.sleep, args=(600,), daemon=True).start()
    print("told", end="")
    return 2
main.run = fail
main.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (2, "told", "")


def test_other_threads_are_left_to_the_interpreter() -> None:
    code = """
import atexit, threading, time
from imgscan.cli import main
atexit.register(print, "in order")
def end(args):
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    return 3
main.run = end
main.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (3, "in order\n")

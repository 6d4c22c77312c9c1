"""Every argument and every option of every command, with values that nobody means: each ends with a code that is
documented and without an internal error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from imgscan.cli.main import COMMANDS, cli, run

ODD = {
    "empty": "",
    "this-folder": ".",
    "too-long": "a" * 5000,
    "not-utf-8": "\udcff",
    "no-file": "/dev/null",
    "cannot-be-read": "/proc/self/mem",
    "large": "9" * 20,
    "escapes": "\x1b[31m",
}
DOCUMENTED = {0, 1, 2, 3, 4, 5}


def _commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from _commands(inner, (*path, name))


ALL = [
    each
    for name in COMMANDS
    if (found := cli.get_command(click.Context(cli), name))
    for each in _commands(found, (name,))
]


def _calls(path: tuple[str, ...], command: click.Command, value: str) -> Iterator[list[str]]:
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    given = ["proj" if each.name == "context" else "report.json" for each in arguments]
    for place in range(len(given)):
        yield [*path, "--", *given[:place], value, *given[place + 1 :]]
    for each in command.params:
        if isinstance(each, click.Option) and not each.is_flag and not each.count:
            yield [*path, each.opts[-1], value, "--", *given]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_odd_values(
    path: tuple[str, ...],
    command: click.Command,
    odd: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "proj").mkdir()
    (tmp_path / "proj/Dockerfile").write_text("FROM scratch\nCOPY a /\n")
    (tmp_path / "report.json").write_text("[]")
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    # No engine: what starts one is tested elsewhere.
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    wrong = []
    for args in _calls(path, command, ODD[odd]):
        code = run(args)
        out, err = capfd.readouterr()
        if code not in DOCUMENTED or "internal error" in err or "\x1b[31m" in out + err:
            wrong.append(ascii(([word[:20] for word in args], code, err[:300])))
    assert not wrong

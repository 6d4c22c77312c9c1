"""The `imgscan` command: a group whose commands load only when they are run, and the one place that exits.

`COMMANDS` is the whole list. The help texts stand here so that `imgscan --help` imports nothing but click.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import click

from imgscan import __version__
from imgscan.alike import alike
from imgscan.errors import EXIT_INTERNAL, ImgscanError, Interrupted

_OBJECTS_BETWEEN_SEARCHES: Final = 50_000
_UNAWAITED: Final = "imgscan: "
"""How the names of threads begin that no command waits for when it ends."""

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "build-report": (
        "imgscan.cli.build_report",
        "Build an image, scan it, time its rebuilds, weigh the risks: GO or NO-GO.",
    ),
    "scan": ("imgscan.cli.scan", "Scan images: of the engine, of a registry, or saved as archives."),
    "lint": ("imgscan.cli.lint", "Check Dockerfile, .dockerignore and context without an engine."),
    "rebuild": ("imgscan.cli.rebuild", "Time rebuilds, or predict them: of any edit, of the latest commits."),
    "optimize": ("imgscan.cli.optimize", "Propose a patch for faster rebuilds, and prove it by building."),
    "explore": ("imgscan.cli.explore", "Look around in an image: layers, files, wasted bytes, findings."),
    "compare": ("imgscan.cli.compare", "Say what changed from one report, or image, to another."),
    "comment": ("imgscan.cli.comment", "Say what changed on a pull request, in one comment that stays."),
    "baseline": ("imgscan.cli.baseline", "Accept the findings of JSON reports from now on."),
    "history": ("imgscan.cli.history", "Keep reports over time: trends, and what is new since the last run."),
    "fleet": ("imgscan.cli.fleet", "Scan many images, of whole registries: what they share is read once."),
    "rules": ("imgscan.cli.rules", "List every rule."),
    "explain": ("imgscan.cli.rules", "Explain a rule: why, how to fix it, a bad and a good example."),
    "schema": ("imgscan.cli.schema", "Print the JSON Schema of reports, of fleets, of the configuration."),
    "completion": ("imgscan.cli.completion", "Print the shell's completion script."),
}
_EPILOG: Final = """\b
Exit codes:
  0  GO                                   3  engine, registry or network unavailable
  1  findings at or above --fail-on,      4  the image build failed
     a budget broken, or NO-GO            5  scan incomplete, with --strict
  2  usage, configuration or input      70  internal error
"""


class LazyGroup(click.Group):
    """A click group that imports a command's module only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name.replace("-", "_"))
        if not isinstance(command, click.Command):
            raise TypeError(f"{cmd_name} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}.{_suggestion(args[0])}")
        return super().resolve_command(ctx, args)


def _suggestion(name: str) -> str:
    near = alike(name, list(COMMANDS))
    return f" Did you mean {near[0]!r}?" if near else ""


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=_EPILOG,
)
@click.version_option(__version__, "-V", "--version", prog_name="imgscan", message="%(prog)s %(version)s")
def cli() -> None:
    """Says whether a container image may be merged: what is in it that must not be, what it weighs and why,
    what an edit really costs to rebuild, and what to do about each.

    Start with `imgscan build-report .` in a folder with a Dockerfile.
    """


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    # Both also where a script started us in the background, which has SIGINT ignored: what we made must be removed.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _terminated)
    # Hardly anything made here lies in circles: looking for them more seldom saves a hundredth of a scan, and a
    # twentieth of one that finds everything kept, which then never looks.
    gc.set_threshold(_OBJECTS_BETWEEN_SEARCHES)
    # The terminal is gone; under nohup that is nothing to us.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _terminated)
    code = run(sys.argv[1:])
    # On its way out the interpreter looks for circles once more, among everything that there is: a tenth of a scan that
    # finds everything kept, for memory that the system takes back anyway.
    gc.freeze()
    if any(thread.name.startswith(_UNAWAITED) for thread in threading.enumerate()):
        # Rules that are still compiled: nobody waits for them any more, and they must not run on, in C++, in what an
        # orderly exit takes apart.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def run(args: list[str]) -> int:
    """Run `args` and give the exit code; every error ends here as one clear message on stderr."""
    try:
        # An image of the archive on standard input; it would be taken for an option.
        spelled = [f"stdin://{arg[2:]}" if arg.startswith("-:") else arg for arg in args]
        result = cli.main(args=spelled, prog_name="imgscan", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code if isinstance(error, click.UsageError) else Interrupted.exit_code
    except ImgscanError as error:
        _say(error)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _say(Interrupted("interrupted; everything temporary has been removed"))
        return Interrupted.exit_code
    except BrokenPipeError:
        # The reader of our output went away (`imgscan … | head`): not an error, but stdout must not be flushed again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the last line of defence: never a traceback, never exit code 1
        return _internal(error)


def _terminated(signum: int, frame: FrameType | None) -> NoReturn:
    # As Ctrl-C: the context managers on the stack remove what they made.
    raise KeyboardInterrupt


def _say(error: ImgscanError) -> None:
    from imgscan.escape import plain

    lines = [f"imgscan: {plain(error.what)}"]
    lines.extend(f"  {plain(text)}" for text in (error.cause, error.next_step) if text)
    click.echo("\n".join(lines), err=True)


def _internal(error: Exception) -> int:
    # Neither the message nor the values of variables: they may hold what the report would have redacted.
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    click.echo(f"imgscan: internal error: {type(error).__name__}{place}", err=True)
    if os.environ.get("IMGSCAN_TRACEBACK"):
        import traceback

        traceback.print_exc()
    else:
        click.echo("  This is a bug of imgscan's. IMGSCAN_TRACEBACK=1 shows all of it (it may show secrets).", err=True)
    return EXIT_INTERNAL

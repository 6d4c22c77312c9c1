"""`imgscan completion`: the script that makes a shell complete commands, options and rule ids."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print SHELL's completion script: eval "$(imgscan completion bash)"."""
    from imgscan.cli.main import cli

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(found(cli, {}, "imgscan", "_IMGSCAN_COMPLETE").source())

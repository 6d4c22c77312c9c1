"""How fast `imgscan scan` is: on images of a node service, beside `docker save` and beside other tools.

python -m benchmarks.scan [OPTIONS]
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from benchmarks import image, machine, report, runs
from benchmarks.measure import engine_pid
from benchmarks.packages import BenchError, PackageFile, cache_folder, install, list_packages
from benchmarks.peers import PEERS, Ready, Target, make_ready, unpack_layers
from benchmarks.planted import planted

if TYPE_CHECKING:
    import docker

PEERS_AT_GB: Final = 1.0
"""The peers run on the size nearest to this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line."""

    sizes: tuple[float, ...]
    repeats: int
    peers: tuple[str, ...] | None
    skip_build: bool
    keep: bool
    cold_disk: bool
    name: str
    timeout_s: float
    json_path: Path | None


def _sizes(_: click.Context, __: click.Parameter, value: str) -> tuple[float, ...]:
    try:
        sizes = tuple(sorted({float(word) for word in value.split(",")}))
    except ValueError:
        raise click.BadParameter("sizes are numbers with commas between: 0.25,1,4") from None
    if not all(0 < size <= 64 for size in sizes):
        raise click.BadParameter("a size is more than 0 GB and not more than 64 GB")
    return sizes


def _peers(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...] | None:
    if value in ("all", "none"):
        return None if value == "all" else ()
    names = tuple(value.split(","))
    unknown = [name for name in names if not any(peer.name.startswith(name) for peer in PEERS)]
    if unknown or "" in names:
        raise click.BadParameter(f"no peer begins with {', '.join(map(repr, unknown))}; see --help")
    return names


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="\b\nPeers:\n" + "\n".join(f"  {peer.name:30} {peer.covers}" for peer in PEERS),
)
@click.option("--sizes", default="0.25,0.5,1,2,4", show_default=True, callback=_sizes, help="Sizes of images in GB.")
@click.option("--repeats", type=click.IntRange(1, 100), default=3, show_default=True, help="Rounds on each image.")
@click.option(
    "--peers",
    default="all",
    show_default=True,
    callback=_peers,
    metavar="all|none|NAME,...",
    help="Which tools to run beside, by the beginning of their names; on the size nearest to 1 GB.",
)
@click.option("--skip-build", is_flag=True, help="Use the images of an earlier run with --keep.")
@click.option("--keep", is_flag=True, help="Leave the images, and the saved archives in the cache folder.")
@click.option("--cold-disk", is_flag=True, help="Empty the page cache before every run (as root).")
@click.option("--name", default=image.NAME, show_default=True, help="Name of the images; their tags are the sizes.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=1),
    default=1200,
    show_default=True,
    help="Seconds after which a run is stopped.",
)
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write every run, too.")
def main(**params: Any) -> None:  # noqa: ANN401 - click's own values
    """Build images of a node service on the engine of DOCKER_HOST, scan them with imgscan and with other tools, run by
    run in turn, and print medians, spreads and ratios as Markdown tables.

    imgscan's first scan starts with nothing kept but its rules; the second scan, and the one of the image
    rebuilt with one source file edited, find what the first one kept. With an empty cache the rules are compiled, too,
    as in a CI job that keeps none. `docker save IMAGE > /dev/null` is the floor of whatever has to export. Nothing is
    asserted: figures of a machine at work are no test.

    The bases are sample_images/bases/make.sh's (`make bench` sees to them). Packages come by npm, kingfisher by pip,
    gitleaks and trufflehog from Debian sid, once, into the cache folder. The images are removed at the end,
    unless they were there before.

    \b
    Examples:
      make bench
      python -m benchmarks.scan --sizes 1 --repeats 5 --peers kingfisher --keep
      python -m benchmarks.scan --sizes 1 --skip-build --keep --peers none
    """
    import docker.errors

    try:
        run(Options(**params))
    except BenchError as error:
        raise click.ClickException(str(error)) from None
    except docker.errors.DockerException as error:
        raise click.ClickException(f"the engine refused: {error}") from None


def run(options: Options) -> None:
    """Everything: build, measure, print, remove. Raises BenchError."""
    import docker
    import docker.errors

    try:
        client = docker.from_env(timeout=image.SILENCE_S)
        client.ping()
    except docker.errors.DockerException as error:
        raise BenchError(f"no engine answers: {error}; `make bench` sees to one, or set DOCKER_HOST") from None
    if options.cold_disk and not os.access("/proc/sys/vm/drop_caches", os.W_OK):
        raise BenchError("--cold-disk needs root, on Linux")
    with (
        closing(client),
        _alone(cache_folder()) as cache,
        tempfile.TemporaryDirectory(prefix="imgscan-bench.") as scratch,
    ):
        peers, missing = make_ready(options.peers, cache)
        for name, reason in missing.items():
            _say(f"without {name}: {reason}")
        facts = machine.facts(client)
        results = []
        nearest = min(options.sizes, key=lambda size: abs(size - PEERS_AT_GB))
        for size_gb in options.sizes:
            here = tuple(peers) if size_gb == nearest else ()
            results.append(_one_size(client, options, size_gb, here, Path(scratch), cache))
        outcome = report.Outcome(machine=facts, sizes=tuple(results), missing=missing)
        if options.json_path is not None:
            options.json_path.write_text(json.dumps(report.as_json(outcome), indent=2) + "\n", encoding="utf-8")
        click.echo(report.as_markdown(outcome, {ready.peer.name: ready.peer for ready in peers}))


def _say(text: str) -> None:
    click.echo(text, err=True)


@contextmanager
def _alone(cache: Path) -> Iterator[Path]:
    """The cache folder, for one run at a time: two would disturb each other's figures and images."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BenchError("another run of the benchmark is going on for this user") from None
        yield cache


def _one_size(
    client: docker.DockerClient, options: Options, size_gb: float, peers: tuple[Ready, ...], scratch: Path, cache: Path
) -> report.SizeResult:
    """Images of one size: built, saved, measured, and removed but for those that were there before."""
    tag = f"{options.name}:{image.size_name(size_gb)}"
    tags = (tag, f"{tag}-edited")
    archive = (cache if options.keep else scratch) / f"{tag.replace('/', '_').replace(':', '-')}.tar"
    kept = [name for name in tags if image.is_there(client, name)]
    try:
        if not options.skip_build:
            _build(client, size_gb, tags, cache)
        elif len(kept) < len(tags):
            raise BenchError(f"the engine has no {tag} or {tags[1]}; run once with --keep and without --skip-build")
        _save(client, tag, archive)
        with tempfile.TemporaryDirectory(dir=scratch) as work:
            bench = _bench(options, tags, archive, peers, Path(work))
            _say(f"{tag}: {options.repeats} rounds")
            return report.SizeResult(size_gb=size_gb, image=tag, runs=tuple(runs.run_rounds(bench, options.repeats)))
    finally:
        if not options.keep:
            archive.unlink(missing_ok=True)
            for name in tags:
                if name not in kept:
                    image.remove(client, name)


def _bench(options: Options, tags: tuple[str, str], archive: Path, peers: tuple[Ready, ...], work: Path) -> runs.Bench:
    """Everything that the runs need, made ready in `work`."""
    layers, scratch = work / "layers", work / "scratch"
    scratch.mkdir()
    if any(ready.peer.needs_layers for ready in peers):
        unpack_layers(archive, layers)
    return runs.Bench(
        target=Target(image=tags[0], archive=archive, layers=layers, report=work / "report.json", scratch=scratch),
        edited=tags[1],
        secrets=planted(),
        peers=peers,
        commands=_commands(),
        engine_pid=engine_pid(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"),
        timeout_s=options.timeout_s,
        cold_disk=options.cold_disk,
        say=_say,
    )


def _commands() -> tuple[str, ...]:
    if shutil.which("docker") is not None:
        return (runs.SAVE, *runs.IMGSCAN)
    _say("without docker save: there is no docker command on PATH")
    return runs.IMGSCAN


def _build(client: docker.DockerClient, size_gb: float, tags: tuple[str, str], cache: Path) -> None:
    """The image and, on the engine's build cache, the same with one source file edited."""
    root = install(cache)
    files: tuple[PackageFile, ...] = list_packages(root)
    planned = image.plan(size_gb, files, image.base_sizes(client))
    for tag, edited in zip(tags, (False, True), strict=True):
        _say(f"building {tag}")
        image.build(client, tag, image.context(planned, root, files, planted(), edited=edited))


def _save(client: docker.DockerClient, tag: str, archive: Path) -> None:
    part = archive.with_suffix(".part")
    try:
        with part.open("wb") as file:
            for chunk in client.images.get(tag).save(chunk_size=image.CHUNK_BYTES, named=True):
                file.write(chunk)
        part.replace(archive)
    finally:
        part.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())

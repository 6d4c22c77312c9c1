"""A closed room for the project's own scripts: no network, no engine, no file of the machine but programs to read.

In: a copy of the project and a command. Out: what it wrote. The room is made of namespaces (mount, process, network,
IPC, host name; a user namespace too unless we are root): by bubblewrap where it is installed, else by util-linux.
Inside there are the machine's program folders (read-only), the copy at `/project`, an empty home, and a PATH of chosen
tools in which every engine's command line is `shim.py`. Where no such room can be made nothing is run.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Final

from imgscan.frozen import frozen
from imgscan.verify.commandline import ENGINES
from imgscan.verify.process import Ran, run_bounded
from imgscan.verify.projectcopy import give_to

PROJECT: Final = "/project"
_TOOLS: Final = "/tools"
_NOBODY: Final = "65534"
_PROGRAM_FOLDERS: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
_SETTINGS: Final = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime")
_DEVICES: Final = ("null", "zero", "full", "random", "urandom")
_LIMITS: Final = ("--cpu=60", "--fsize=268435456", "--nofile=512", "--core=0", "--nproc=2048", "--as=8589934592")
# fmt: off
TOOL_NAMES: Final = (
    *("bash", "sh", "dash", "env", "[", "arch", "awk", "b2sum", "base32", "base64", "basename", "bzip2"),
    *("cat", "chmod", "chown", "cksum", "cmp", "comm", "cp", "csplit", "cut", "date", "dd", "diff", "dirname"),
    *("du", "echo", "egrep", "expand", "expr", "false", "fgrep", "find", "flock", "fmt", "fold", "gawk"),
    *("getopt", "grep", "groups", "gunzip", "gzip", "head", "hostname", "id", "install", "jq", "join", "kill"),
    *("ln", "logname", "ls", "lz4", "mawk", "md5sum", "mkdir", "mkfifo", "mktemp", "mv", "nice", "nl"),
    *("nohup", "nproc", "numfmt", "od", "paste", "patch", "pathchk", "perl", "pgrep", "printenv", "printf"),
    *("ps", "pwd", "readlink", "realpath", "rev", "rm", "rmdir", "sed", "seq", "setsid", "sha1sum"),
    *("sha224sum", "sha256sum", "sha384sum", "sha512sum", "shred", "shuf", "sleep", "sort", "split", "stat"),
    *("stdbuf", "sum", "sync", "tac", "tail", "tar", "tee", "test", "timeout", "touch", "tput", "tr", "true"),
    *("truncate", "tsort", "tty", "uname", "unexpand", "uniq", "unlink", "unxz", "unzip", "uptime", "users"),
    *("wait", "wc", "which", "whoami", "xargs", "xz", "xzcat", "yes", "zcat", "zip", "zstd", "openssl"),
    *("python3", "gpg"),
)
# fmt: on
# $1 the new root, $2 the copy, $3 the tools, $4 the interpreter's folder, $5 the user to be (empty: stay), $6 limits
_SETUP: Final = r"""
set -eu
root=$1 tree=$2 tools=$3 python=$4 user=$5 limits=$6
shift 6
mount --make-rprivate /
mount -t tmpfs -o mode=755,size=16m,nosuid,nodev imgscan "$root"
bind() { # SOURCE PLACE: to be read only
  mount --rbind "$1" "$root$2"
  mount -o remount,bind,ro,nosuid,nodev "$root$2"
}
for folder in %(folders)s "$python"; do
  if [ -e "$root$folder" ]; then continue; fi
  if [ -L "$folder" ]; then mkdir -p "$root${folder%%/*}"; cp -P "$folder" "$root$folder"
  elif [ -d "$folder" ]; then mkdir -p "$root$folder"; bind "$folder" "$folder"; fi
done
mkdir -p "$root/etc" "$root/dev" "$root/proc" "$root/tmp" "$root/home" "$root%(tools)s" "$root%(project)s" "$root/old"
for file in %(settings)s; do
  if [ -d "$file" ]; then mkdir -p "$root$file"; bind "$file" "$file"
  elif [ -f "$file" ]; then : >"$root$file"; bind "$file" "$file"; fi
done
printf 'root:x:0:0::/home:/bin/sh\nnobody:x:65534:65534::/home:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
for device in %(devices)s; do : >"$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o mode=1777,size=512m,nosuid,nodev tmp "$root/tmp"
mount -t tmpfs -o mode=1777,size=16m,nosuid,nodev home "$root/home"
bind "$tools" %(tools)s
mount --bind "$tree" "$root%(project)s"
mount -o remount,bind,nosuid,nodev "$root%(project)s"
cd "$root"
pivot_root . old
cd /
umount -l /old
rmdir /old
mount -o remount,bind,ro,nosuid,nodev /
cd %(project)s
exec setpriv ${user:+--reuid=$user --regid=$user --clear-groups} --no-new-privs --inh-caps=-all --bounding-set=-all \
  prlimit $limits -- "$@"
"""


class NoSandboxError(Exception):
    """No closed room can be made here; the text says why and what would help."""


@frozen
class Sandbox:
    """A room for one copy of the project. `work` is a folder of ours for what it needs, `copy` lies at /project inside,
    `tools` at /tools: the programs of its PATH, and where the broker listens."""

    copy: Path
    work: Path
    tools: Path
    maker: str
    root: bool
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes | None = None,
        variables: Mapping[str, str] | None = None,
        folder: str = "",
    ) -> Ran:
        """Run a command inside; `folder` is its working directory below the project. Raises NoSandboxError."""
        inner = {
            "PATH": _TOOLS,
            "HOME": "/home",
            "TMPDIR": "/tmp",  # noqa: S108 - of the room, which is empty
            "LANG": "C.UTF-8",
            "USER": "nobody",
            **self.variables,
            **(variables or {}),
        }
        pairs = [f"{name}={value}" for name, value in inner.items()]
        inside = [f"{_TOOLS}/env", "-i", "-C", f"{PROJECT}/{folder}", *pairs, *command]
        outer = self._bubblewrap() if self.maker == "bwrap" else self._namespaces()
        try:
            return run_bounded([*outer, *inside], env=_outer_environment(), timeout_s=timeout_s, stdin=stdin)
        except OSError as error:
            raise NoSandboxError(f"{self.maker} cannot be started: {error.strerror}") from error

    def _namespaces(self) -> list[str]:
        kinds = ["--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child"]
        kinds += [] if self.root else ["--user", "--map-root-user"]
        script = _SETUP % {
            "folders": " ".join(_PROGRAM_FOLDERS),
            "settings": " ".join(_SETTINGS),
            "devices": " ".join(_DEVICES),
            "tools": _TOOLS,
            "project": PROJECT,
        }
        root = self.work / "room"
        root.mkdir(exist_ok=True)
        user = _NOBODY if self.root else ""
        paths = [str(root), str(self.copy), str(self.tools), str(_interpreter_folder())]
        return ["unshare", *kinds, "--", "sh", "-c", script, "sh", *paths, user, " ".join(_LIMITS)]

    def _bubblewrap(self) -> list[str]:
        command = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
        for folder in (*_PROGRAM_FOLDERS, str(_interpreter_folder())):
            place = Path(folder)
            if place.is_symlink():
                command += ["--symlink", str(place.readlink()), folder]
            elif place.is_dir():
                command += ["--ro-bind", folder, folder]
        for file in _SETTINGS:
            command += ["--ro-bind-try", file, file]
        command += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/home"]  # noqa: S108
        command += ["--ro-bind", str(self.tools), _TOOLS, "--bind", str(self.copy), PROJECT]
        return [*command, "--", "prlimit", *_LIMITS, "--"]


def make_sandbox(copy: Path, work: Path, variables: Mapping[str, str] | None = None) -> Sandbox:
    """A room that was tried: what runs in it sees no network, no engine and no home, and cannot write to programs. As
    root, scripts run as nobody, to whom the copy then belongs.

    Raises NoSandboxError.
    """
    tools = work / "tools"
    _fill_tools(tools)
    root = os.geteuid() == 0
    try:
        if root:
            give_to(copy, int(_NOBODY))
    except OSError as error:
        raise NoSandboxError(f"the copy cannot be given to nobody: {error.strerror}") from error
    reasons: list[str] = []
    makers = ("unshare", "bwrap") if root else ("bwrap", "unshare")
    for maker in makers:
        if shutil.which(maker) is None:
            reasons.append(f"{maker} is not installed")
            continue
        room = Sandbox(copy=copy, work=work, tools=tools, maker=maker, root=root, variables=variables or {})
        problem = _check(room)
        if problem is None:
            return room
        reasons.append(f"{maker}: {problem}")
    raise NoSandboxError(
        f"no sandbox can be made here ({'; '.join(reasons)}); it needs Linux, namespaces, and util-linux or bubblewrap"
    )


_TRIAL: Final = r"""
wrong() { echo "$1"; exit 9; }
for file in /run/docker.sock /var/run/docker.sock /etc/shadow /sys/kernel "$1"; do
  [ ! -e "$file" ] || wrong "$file is there"
done
for place in /usr /tools; do
  if (: >"$place/.imgscan-trial") 2>/dev/null; then wrong "$place can be written to"; fi
done
while read -r name _; do
  case $name in lo:|Inter-*|face*) ;; *) wrong "the network $name is there" ;; esac
done </proc/net/dev
while read -r key value; do
  [ "$key" != CapEff: ] || [ "$value" = 0000000000000000 ] || wrong "it has privileges"
done </proc/self/status
{ : >/project/.imgscan-trial && rm /project/.imgscan-trial; } || wrong "the copy cannot be written to"
echo closed
"""


def _check(room: Sandbox) -> str | None:
    """What is wrong with a room, None if it is closed."""
    try:
        ran = room.run(["bash", "-c", _TRIAL, "bash", str(room.work)], timeout_s=20)
    except NoSandboxError as error:
        return str(error)
    if ran.code == 0 and ran.out == b"closed\n":
        return None
    return " ".join(ran.text.split())[-200:] or f"exit {ran.code}"


def _fill_tools(tools: Path) -> None:
    """A PATH of its own: links to harmless programs of the machine, and the shim in place of every engine."""
    tools.mkdir(mode=0o755, exist_ok=True)
    for name in TOOL_NAMES:
        found = shutil.which(name)
        link = tools / name
        if found is not None and not link.is_symlink():
            link.symlink_to(os.path.realpath(found) if name not in ("sh", "awk") else found)
    text = (Path(__file__).parent / "shim.py").read_text(encoding="utf-8")
    shim = tools / "imgscan-shim"
    shim.write_text(f"#!{os.path.realpath(sys.executable)} -ISE\n{text}", encoding="utf-8")
    shim.chmod(0o755)
    for name in ENGINES:
        if not (tools / name).is_symlink():
            (tools / name).symlink_to("imgscan-shim")


def _interpreter_folder() -> Path:
    """Where the interpreter that runs this has its library."""
    return Path(os.path.realpath(sys.base_prefix))


def _outer_environment() -> dict[str, str]:
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

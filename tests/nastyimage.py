"""One image with everything in it that readers of images get wrong, as a Dockerfile and its context."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Mapping

from engines import busybox_rootfs
from secretmaker import token_of

PLACES = ("visible", "deleted", "overwritten", "env", "label", "argument", "linked")
"""Where its secrets lie."""

SECRETS: Mapping[str, str] = {place: token_of(f"nasty {place}") for place in PLACES}

_CAPABILITY = struct.pack("<IIIII", 0x0200_0001, 1 << 10, 0, 0, 0)
"""cap_net_bind_service=ep in the kernel's vfs_cap_data of revision 2 (linux/capability.h)."""
_LONG = "/".join(f"{number:02}-{'long' * 24}" for number in range(3))
"""A path of 298 bytes: more than a tar header's name and prefix hold together."""

_STEPS = r"""
ADD rootfs.tar /
ADD special.tar /
ENV GITHUB_TOKEN={env}
LABEL org.example.token={label}
ARG BUILD_TOKEN
COPY app /app
RUN {marker}; echo "token={visible}" > /app/config.ini; echo "token={deleted}" > /app/.env; \
    echo "token={overwritten}" > /app/settings; echo "token={linked}" > /app/first; busybox ln /app/first /app/second
RUN {marker}; busybox mkdir -p /gone/deep/er /opaque/sub /flip/dir "/white space"; \
    for name in one two three; do busybox head -c 5000 /dev/urandom > /gone/deep/$name; done; \
    busybox head -c 6000 /dev/urandom > /gone/deep/er/x; busybox head -c 7000 /dev/urandom > /opaque/old; \
    busybox head -c 7100 /dev/urandom > /opaque/sub/old; busybox head -c 8000 /dev/urandom > /flip/dir/inside; \
    busybox head -c 8100 /dev/urandom > /flip/file; busybox head -c 9000 /dev/urandom > /chmod; \
    busybox head -c 9100 /dev/urandom > /linked; busybox ln /linked /linked-too; \
    busybox head -c 9200 /dev/urandom > /copied-up; busybox head -c 9300 /dev/urandom > /twin; \
    busybox cp /twin /twin-of-it; busybox head -c 9400 /dev/urandom > /to-symlink; busybox mkdir /to-other-link
RUN {marker}; busybox rm /app/.env; echo "token=none" > /app/settings; busybox rm -rf /gone
RUN {marker}; busybox rm -rf /opaque; busybox mkdir /opaque; echo new > /opaque/new
RUN {marker}; busybox rm -rf /flip/dir /flip/file; echo now a file > /flip/dir; \
    busybox mkdir /flip/file; echo now a directory > /flip/file/inside
RUN {marker}; busybox chmod 600 /chmod; busybox ln /copied-up /copied-up-link; busybox rm /linked /app/first
RUN {marker}; busybox ln -s nowhere/at/all /dangling; busybox ln -s /app/config.ini /absolute; \
    busybox ln -s ../../../../../etc/shadow /app/outside; busybox ln -s loop /loop; \
    busybox rm /to-symlink; busybox ln -s app /to-symlink; busybox rmdir /to-other-link; \
    busybox ln -s /opaque /to-other-link
RUN {marker}; echo 1 > "/white space/a b"; echo 2 > "/white space/$(busybox printf 'new\nline')"; \
    echo 3 > "/white space/$(busybox printf 'not utf-8 \377\376')"; echo 4 > "/white space/$(busybox printf 'caf\303\251')"; \
    echo 5 > "/white space/back\\slash"; echo 6 > "/white space/ "; echo 7 > "/white space/.whiteout"; \
    busybox mkdir -p "/{long}"; echo 8 > "/{long}/file"; busybox ln -s "/{long}/file" /to-long; \
    busybox ln "/{long}/file" "/{long}/hard link"
RUN {marker}; busybox rm "/white space/a b" "/white space/$(busybox printf 'not utf-8 \377\376')" "/{long}/file"
RUN {marker}; busybox cp /bin/busybox /setuid; busybox chmod 4755 /setuid; busybox mkdir -m 1777 /sticky; \
    busybox mkdir -m 777 /open; busybox mkfifo /fifo; busybox mknod /null c 1 3; busybox mknod /block b 7 0
RUN {marker}; busybox dd if=/dev/zero of=/sparse bs=1 count=1 seek=3000000 2>/dev/null; echo end >> /sparse
RUN {marker}; true
RUN {marker}; true
RUN {marker}; echo same > /same; busybox touch -d '2020-01-01 00:00:00' /same
RUN {marker}; echo same > /same; busybox touch -d '2020-01-01 00:00:00' /same
WORKDIR /srv/dir
EXPOSE 8080/tcp
VOLUME /data
HEALTHCHECK CMD ["busybox", "true"]
USER 1000:1000
CMD ["sh", "-c", "echo hello"]
"""


def dockerfile(marker: str) -> str:
    """The Dockerfile, without a frontend of its own: it has to build everywhere, offline. `marker` is in every RUN."""
    return "FROM scratch" + _STEPS.format(marker=f": {marker}", long=_LONG, **SECRETS)


def context_files() -> dict[str, bytes]:
    """What it copies."""
    return {
        "rootfs.tar": busybox_rootfs(),
        "special.tar": _special_files(),
        "app/main.py": b"print()\n" * 100,
        "app/empty": b"",
        "app/données/ü.txt": b"x" * 600,
    }


def build_args() -> dict[str, str]:
    """Its build arguments: the builder writes their values into the history of every RUN."""
    return {"BUILD_TOKEN": SECRETS["argument"]}


def _special_files() -> bytes:
    """What only an archive brings into an image without further programs: a capability, other owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, encoding="latin-1") as tar:
        for name, headers in (
            ("special/capable", {"SCHILY.xattr.security.capability": _CAPABILITY.decode("latin-1")}),
            ("special/owned", {}),
        ):
            member = tarfile.TarInfo(name)
            member.pax_headers, member.mode, member.uid, member.gid = headers, 0o755, 1234, 2_500_000
            member.size = 3000
            tar.addfile(member, io.BytesIO(name.encode() * 1000))
    return buffer.getvalue()

"""What package databases claim: dpkg, apk, pip, in the words that their tools write."""

from __future__ import annotations

import base64
import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rpmdatabases import rpm_header, sqlite_database

from imgscan.detect.packages.claims import MOST_CLAIMS, ClaimsBuilder, FileSums, Owner, Owners, cut_sum
from imgscan.detect.packages.databases import Kind, database_kind, is_local_package, read_claims

CONTENT = b"the content of a file\n"
MD5, SHA1, SHA256 = (hashlib.new(name, CONTENT) for name in ("md5", "sha1", "sha256"))
SUMS = FileSums(path=b"", sha256=cut_sum(SHA256.digest()), md5=cut_sum(MD5.digest()), sha1=cut_sum(SHA1.digest()))
OTHER = FileSums(path=b"", sha256=bytes(7), md5=bytes(7), sha1=bytes(7))
APK = f"""C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=
P:thing
V:1.0
F:usr
F:usr/share/thing
R:stated
Z:Q1{base64.b64encode(SHA1.digest()).decode()}
R:only-named
F:
R:at-the-root

P:next
F:etc
R:next.conf
"""
RECORD = f"""thing/__init__.py,sha256={base64.urlsafe_b64encode(SHA256.digest()).decode().rstrip("=")},22
thing/__pycache__/__init__.cpython-311.pyc,,
../../../bin/thing,sha256=x,1
"thing/with, comma.py",sha256={base64.urlsafe_b64encode(SHA256.digest()).decode().rstrip("=")},22
"""
SITE = b"usr/local/lib/python3.11/site-packages"
RPM = sqlite_database([rpm_header([("/usr/share/thing/", "stated", SHA256.hexdigest()), ("/usr/share/", "thing", "")])])


def owners(path: bytes, data: bytes) -> Owners:
    kind = database_kind(path)
    assert kind is not None
    builder = ClaimsBuilder()
    packed, complete = read_claims(kind, path, data)
    assert complete
    builder.add(packed, system=kind.is_system)
    return Owners([builder.finish()])


@pytest.mark.parametrize(
    ("database", "data", "path", "sums", "owner"),
    [
        ("var/lib/dpkg/info/x.list", b"/.\n/usr\n/usr/share/x\n", "usr/share/x", SUMS, Owner.PACKAGE),
        ("var/lib/dpkg/info/x.list", b"/.\n/lib/x.so\n", "usr/lib/x.so", SUMS, Owner.PACKAGE),
        ("var/lib/dpkg/info/x.list", b"/.\n/etc/x.conf\n", "etc/x.conf", SUMS, Owner.UNKNOWN),
        ("var/lib/dpkg/info/x.list", b"/.\n/usr/share/x\n", "usr/share/y", SUMS, Owner.NOBODY),
        ("var/lib/dpkg/info/x.md5sums", f"{MD5.hexdigest()}  usr/x y\n".encode(), "usr/x y", SUMS, Owner.PACKAGE),
        ("var/lib/dpkg/info/x.md5sums", f"{MD5.hexdigest()}  usr/x\n".encode(), "usr/x", OTHER, Owner.CHANGED),
        ("var/lib/dpkg/status.d/x.md5sums", f"{MD5.hexdigest()}  ./usr/x\n".encode(), "usr/x", SUMS, Owner.PACKAGE),
        ("var/lib/dpkg/status", f"Conffiles:\n /etc/x {MD5.hexdigest()}\n".encode(), "etc/x", SUMS, Owner.PACKAGE),
        ("var/lib/dpkg/status", f" /etc/x {MD5.hexdigest()} obsolete\n".encode(), "etc/x", OTHER, Owner.CHANGED),
        ("lib/apk/db/installed", APK.encode(), "usr/share/thing/stated", SUMS, Owner.PACKAGE),
        ("lib/apk/db/installed", APK.encode(), "usr/share/thing/stated", OTHER, Owner.CHANGED),
        ("lib/apk/db/installed", APK.encode(), "usr/share/thing/only-named", OTHER, Owner.PACKAGE),
        ("lib/apk/db/installed", APK.encode(), "at-the-root", OTHER, Owner.PACKAGE),
        ("lib/apk/db/installed", APK.encode(), "usr/share/thing/nothing", SUMS, Owner.NOBODY),
        (
            f"{SITE.decode()}/x-1.dist-info/RECORD",
            RECORD.encode(),
            f"{SITE.decode()}/thing/__init__.py",
            SUMS,
            Owner.PACKAGE,
        ),
        (
            f"{SITE.decode()}/x-1.dist-info/RECORD",
            RECORD.encode(),
            f"{SITE.decode()}/thing/__init__.py",
            OTHER,
            Owner.CHANGED,
        ),
        (
            f"{SITE.decode()}/x-1.dist-info/RECORD",
            RECORD.encode(),
            f"{SITE.decode()}/thing/with, comma.py",
            SUMS,
            Owner.PACKAGE,
        ),
        (f"{SITE.decode()}/x-1.dist-info/RECORD", RECORD.encode(), "usr/local/bin/thing", SUMS, Owner.PACKAGE),
        (
            f"{SITE.decode()}/x-1.dist-info/RECORD",
            RECORD.replace("thing/__pycache__", "other").encode(),
            f"{SITE.decode()}/thing/__pycache__/__init__.cpython-312.opt-1.pyc",
            OTHER,
            Owner.PACKAGE,
        ),
        ("var/lib/rpm/rpmdb.sqlite", RPM, "usr/share/thing/stated", SUMS, Owner.PACKAGE),
        ("usr/lib/sysimage/rpm/rpmdb.sqlite", RPM, "usr/share/thing/stated", OTHER, Owner.CHANGED),
    ],
)
def test_whose_a_file_is(database: str, data: bytes, path: str, sums: FileSums, owner: Owner) -> None:
    assert owners(database.encode(), data).owner(path.encode(), [sums]) is owner


def test_a_folder_of_python_packages_is_known() -> None:
    found = owners(SITE + b"/x-1.dist-info/RECORD", RECORD.encode())
    assert found.has_site(SITE)
    assert not found.has_site(b"app/site-packages")
    assert not found.has_system


@pytest.mark.parametrize(
    ("data", "local"),
    [
        (b'{"dir_info": {}, "url": "file:///app"}', True),
        (b'{"archive_info": {"hash": "sha256=x"}, "url": "file:///wheels/x.whl"}', False),
        (b'{"url": "https://git.internal/x", "vcs_info": {"vcs": "git"}}', False),
    ],
)
def test_a_package_from_a_folder(data: bytes, local: bool) -> None:
    assert is_local_package(data) is local


@pytest.mark.parametrize(
    "path",
    [
        "var/lib/dpkg/info/x.postinst",
        "app/RECORD",
        "var/lib/rpm/__db.001",
        "app/lib/apk/db/installed",
        "etc/dpkg/status",
    ],
)
def test_other_files_are_no_databases(path: str) -> None:
    assert database_kind(path.encode()) is None


@given(kind=st.sampled_from([kind for kind in Kind if kind is not Kind.DIRECT_URL]), data=st.binary(max_size=300))
def test_any_bytes_give_records_or_a_value_error(kind: Kind, data: bytes) -> None:
    try:
        packed, _ = read_claims(kind, b"x/y-1.dist-info/RECORD", data)
    except ValueError:
        assert kind is Kind.RPM
        return
    assert len(packed) % 16 == 0


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        pytest.param(Kind.DPKG_LIST, b"/a/b\n" * (MOST_CLAIMS + 1), id="too-many"),
        pytest.param(Kind.DPKG_STATUS, b" /" + b"a " * 2_000_000, id="one-long-line"),
        pytest.param(Kind.APK, b"\n" * 4_000_000, id="only-ends"),
        pytest.param(Kind.RECORD, b'"' * 4_000_000, id="only-quotes"),
    ],
)
def test_hostile_databases_take_bounded_time(kind: Kind, data: bytes) -> None:
    begun = time.process_time()
    packed, complete = read_claims(kind, b"s/x-1.dist-info/RECORD", data)
    assert time.process_time() - begun < 20
    assert len(packed) <= (MOST_CLAIMS + 1) * 16
    assert complete is (kind is not Kind.DPKG_LIST)

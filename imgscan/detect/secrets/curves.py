"""Public halves of private keys that do not carry them: a scalar in, the point on its curve out.

Used on keys that were found, to see what they belong to; nothing is signed with them, so time may depend on the key.
Curves: FIPS 186-5 (NIST P-256, P-384, P-521) and RFC 8032 (Ed25519).
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

_P25519: Final = 2**255 - 19
_D25519: Final = -121665 * pow(121666, -1, _P25519) % _P25519
_BASE25519: Final = (
    15112221349535400772501151409588531511454012693041857206046113283949847762202,
    46316835694926478169428394003475163141307993866256225615783033603165251855960,
)


class Curve(NamedTuple):
    """y^2 = x^3 - 3x + b modulo p, and its base point. `size` is that of a coordinate in bytes, `ssh` SSH's name."""

    ssh: bytes
    size: int
    p: int
    b: int
    x: int
    y: int


NIST: Final = {
    bytes.fromhex("2a8648ce3d030107"): Curve(
        b"nistp256",
        32,
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    ),
    bytes.fromhex("2b81040022"): Curve(
        b"nistp384",
        48,
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
        0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
        0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
    ),
    bytes.fromhex("2b81040023"): Curve(
        b"nistp521",
        66,
        2**521 - 1,
        0x0051953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E156193951EC7E937B1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00,
        0x00C6858E06B70404E9CD9E3ECB662395B4429C648139053FB521F828AF606B4D3DBAA14B5E77EFE75928FE1DC127A2FFA8DE3348B3C1856A429BF97E7E31C2E5BD66,
        0x011839296A789A3BC0045C8A5FB42C7D1BD998F54449579B446817AFBD17273E662C97EE72995EF42640C550B9013FAD0761353C7086A272C24088BE94769FD16650,
    ),
}
"""By the content of their object identifiers."""


def nist_point(curve: Curve, scalar: int) -> bytes | None:
    """The public point of a scalar, uncompressed; None for a scalar that gives none."""
    p, total, addend = curve.p, None, (curve.x, curve.y)
    for bit in range(curve.size * 8):
        if scalar >> bit & 1:
            total = addend if total is None else _add(total, addend, p)
        addend = _add(addend, addend, p)
    if total is None:
        return None
    return b"\4" + total[0].to_bytes(curve.size, "big") + total[1].to_bytes(curve.size, "big")


def _add(left: tuple[int, int], right: tuple[int, int], p: int) -> tuple[int, int]:
    (x, y), (u, v) = left, right
    slope = 3 * (x * x - 1) * pow(2 * y, -1, p) if left == right else (v - y) * pow(u - x, -1, p)
    w = (slope * slope - x - u) % p
    return w, (slope * (x - w) - y) % p


def ed25519_public(seed: bytes) -> bytes:
    """The public key of a seed of 32 bytes (RFC 8032, section 5.1.5)."""
    scalar = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little")
    scalar = scalar & ((1 << 254) - 8) | 1 << 254
    total, addend = (0, 1), _BASE25519
    for bit in range(255):
        if scalar >> bit & 1:
            total = _add25519(total, addend)
        addend = _add25519(addend, addend)
    return (total[1] | (total[0] & 1) << 255).to_bytes(32, "little")


def _add25519(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    (x, y), (u, v) = left, right
    product = _D25519 * x * u * y * v
    return (
        (x * v + u * y) * pow(1 + product, -1, _P25519) % _P25519,
        (y * v + x * u) * pow(1 - product, -1, _P25519) % _P25519,
    )

"""ECDSA over P-256 with SHA-256, as every signature of an attestation is."""

from __future__ import annotations

from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS

FIELD = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


def on_curve(key: bytes) -> bool:
    """Tell whether 64 bytes x, y are a point of the curve; the point at infinity has no such form.

    Rule: ATTEST-3
    """
    if len(key) != 64:
        return False
    x, y = int.from_bytes(key[:32]), int.from_bytes(key[32:])
    return x < FIELD and y < FIELD and (y * y - x * x * x + 3 * x - B) % FIELD == 0


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether a signature r, s of 64 bytes over a message is by the key x, y of 64 bytes.

    (r, n - s) is valid wherever (r, s) is: a signature is nobody's id.

    Rule: ATTEST-3
    """
    if not on_curve(key) or len(signature) != 64:
        return False
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    if not (0 < r < ORDER and 0 < s < ORDER):
        return False
    x, y = int.from_bytes(key[:32]), int.from_bytes(key[32:])
    verifier = DSS.new(ECC.construct(curve="P-256", point_x=x, point_y=y), "fips-186-3")
    try:
        verifier.verify(SHA256.new(message), signature)
    except ValueError:
        return False
    return True

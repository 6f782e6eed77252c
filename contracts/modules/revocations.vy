# pragma version 0.4.3
"""
@title The signed part of a revocation list, by one strict template
@notice Entries with a reason each, then the list's number and its issuer's identifier.
"""
from contracts import constants as c
from contracts.modules import times
from contracts.modules import x509

PADDED: constant(uint256) = c.MAX_LIST_BYTES + 32
LONG: constant(uint256) = 12_418  # 3082
SHORT: constant(uint256) = 12_417  # 3081
VERSION_2: constant(bytes15) = 0x020101300a06082a8648ce3d040302
REASON: constant(bytes13) = 0x300c300a0603551d1504030a01
NUMBER: constant(bytes6) = 0x0603551d1404
AUTHORITY: constant(bytes13) = 0x301f0603551d23041830168014


struct RevocationList:
    issuer: bytes32  # id
    issuer_name: bytes32  # keccak of the name's DER
    this_update: uint256
    next_update: uint256
    serials: DynArray[uint256, c.MAX_REVOKED]


@internal
@pure
def _must(condition: bool):
    """
    @dev Refuse a list that is none of the template.
    """
    assert condition, "list: not the template"


@internal
@pure
def _open(word: uint256) -> (uint256, uint256):
    """
    @dev Bytes of head and content of the sequence that begins at the word's highest byte.
    """
    length: uint256 = (word >> 224) & c.M16
    if word >> 240 == LONG:
        self._must(length >= 256)
        return 4, length
    length = (word >> 232) & 255
    if word >> 240 == SHORT:
        self._must(length >= 128)
        return 3, length
    length = (word >> 240) & 255
    self._must(word >> 248 == 48 and length < 128)
    return 2, length


@internal
@pure
def _read(padded: Bytes[PADDED]) -> RevocationList:
    """
    @dev The list and a zero word, so that a word can be read anywhere in it.
         # rule: ATTEST-7
    """
    found: RevocationList = empty(RevocationList)
    size: uint256 = len(padded) - 32
    at: uint256 = 0
    length: uint256 = 0
    at, length = self._open(convert(extract32(padded, 0), uint256))
    self._must(at + length == size)
    self._must(convert(extract32(padded, at), uint256) >> 136 == convert(VERSION_2, uint256))
    at += 15
    w: uint256 = convert(extract32(padded, at), uint256)
    length = (w >> 240) & 255
    self._must(w >> 248 == 48 and length > 0 and length < 128)
    name: Bytes[PADDED] = slice(padded, at, length + 2)
    found.issuer_name = keccak256(name)
    at += length + 2
    found.this_update = times._read_utc(convert(extract32(padded, at), uint256))
    found.next_update = times._read_utc(convert(extract32(padded, at + 15), uint256))
    at += 30
    w = convert(extract32(padded, at), uint256)
    if w >> 248 == 48:
        head: uint256 = 0
        head, length = self._open(w)
        at += head
        end: uint256 = at + length
        self._must(length > 0 and end <= size)
        for i: uint256 in range(c.MAX_REVOKED):
            w = convert(extract32(padded, at), uint256)
            length = (w >> 224) & 255
            self._must(w >> 248 == 48 and (w >> 240) & 255 == length + 31 and (w >> 232) & 255 == 2)
            found.serials.append(x509._read_serial(w << 32, length))
            at += 4 + length
            times._read_utc(convert(extract32(padded, at), uint256))
            w = convert(extract32(padded, at + 15), uint256)
            self._must(w >> 152 == convert(REASON, uint256))
            at += 29
            if at >= end:
                break
        assert at >= end, "list: too many entries"
        self._must(at == end)
        w = convert(extract32(padded, at), uint256)

    # [0], a sequence, the number; every length of one byte
    self._must(w >> 248 == 160 and ((w >> 240) & 255) + at + 2 == size and at + 2 + 127 >= size)
    self._must((w >> 232) & 255 == 48 and ((w >> 224) & 255) + at + 4 == size)
    length = (w >> 208) & 255
    self._must((w >> 216) & 255 == 48 and length >= 10 and length <= 30)
    self._must((w >> 160) & c.M48 == convert(NUMBER, uint256))
    self._must((w >> 152) & 255 == length - 7 and (w >> 136) & c.M16 == 503 + length)
    x509._read_serial(convert(extract32(padded, at + 15), uint256), length - 9)
    at += 6 + length
    self._must(at + 33 == size)
    self._must(convert(extract32(padded, at), uint256) >> 152 == convert(AUTHORITY, uint256))
    found.issuer = keccak256(concat(name, slice(padded, at + 13, 20)))
    return found

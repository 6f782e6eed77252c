# pragma version 0.4.3
"""
@title The text pool of a manifest, 32 bytes at a time
@notice Strict UTF-8 (RFC 3629) without controls, quotes, backslashes, DEL and the model's missing
        bytes. A set of bytes of a word is a word with their high bits.
"""
from contracts import constants as c

ONES: constant(uint256) = 454086624460063511464984254936031011189294057512315937409637584344757371137  # 0x0101..
HIGHS: constant(uint256) = 128 * ONES
LOWS: constant(uint256) = 127 * ONES
SPACES: constant(uint256) = 32 * ONES
MAX_WORDS: constant(uint256) = 384

SPACE: constant(uint256) = 32
QUOTE: constant(uint256) = 34
BACKSLASH: constant(uint256) = 92
DELETE: constant(uint256) = 127

# In the low bits of a carry: which lead byte ended the word before and bounds the next byte.
AFTER_E0: constant(uint256) = 1
AFTER_ED: constant(uint256) = 2
AFTER_F0: constant(uint256) = 4
AFTER_F4: constant(uint256) = 8


@internal
@pure
def _equal(word: uint256, byte: uint256) -> uint256:
    """
    @dev The bytes equal to `byte`. Bytes below 0x80 plus 0x7f cannot carry into the next.
    """
    x: uint256 = word ^ (byte * ONES)
    return ~(((x & LOWS) + LOWS) | x) & HIGHS


@internal
@pure
def _below(word: uint256, byte: uint256) -> uint256:
    """
    @dev The bytes below `byte` <= 0x80, all bytes being below 0x80: so no sum carries.
    """
    return ~(word + (128 - byte) * ONES) & HIGHS


@internal
@pure
def _keep_legal(missing: bytes32) -> uint256:
    """
    @dev The missing bytes that well-formed UTF-8 may hold (c2 to f4), lowest byte first: the
         others are refused anyway.
    """
    kept: uint256 = 0
    left: uint256 = convert(missing, uint256)
    for i: uint256 in range(c.MAX_MISSING_BYTES):
        if left == 0:
            break
        byte: uint256 = left >> 248
        if byte >= 194 and byte <= 244:
            kept = (kept << 8) | byte
        left = left << 8
    return kept


@internal
@pure
def _scan_word(word: uint256, carry: uint256, missing: uint256) -> uint256:
    """
    @dev carry: continuation bytes still due, as high bits, and AFTER bits; returns the next carry.
    """
    high: uint256 = word & HIGHS
    bad: uint256 = (
        self._below(word & LOWS, SPACE)
        | self._equal(word, QUOTE)
        | self._equal(word, BACKSLASH)
        | self._equal(word, DELETE)
    ) & ~high
    if high == 0:
        assert carry == 0 and bad == 0, "gate: text byte forbidden"
        return 0

    # bits 6, 5, 4 and 3 of each byte, moved to its high bit
    b6: uint256 = (word << 1) & HIGHS
    b5: uint256 = (word << 2) & HIGHS
    b4: uint256 = (word << 3) & HIGHS
    b3: uint256 = (word << 4) & HIGHS
    continuations: uint256 = high & ~b6
    lead2: uint256 = high & b6  # leads of two bytes or more
    lead3: uint256 = lead2 & b5
    lead4: uint256 = lead3 & b4
    due: uint256 = (lead2 >> 8) | (lead3 >> 16) | (lead4 >> 24) | (carry & HIGHS)
    bad |= due ^ continuations
    bad |= lead4 & b3  # f8 to ff
    bad |= self._equal(word, 192) | self._equal(word, 193)  # overlong
    bad |= self._equal(word, 245) | self._equal(word, 246) | self._equal(word, 247)

    # the byte after e0 has bit 5, after ed it has not; after f0 it has bit 5 or 4, after f4 neither
    e0: uint256 = self._equal(word, 224)
    ed: uint256 = self._equal(word, 237)
    f0: uint256 = self._equal(word, 240)
    f4: uint256 = self._equal(word, 244)
    bad |= ((e0 >> 8) | ((carry & AFTER_E0) << 255)) & ~b5
    bad |= ((ed >> 8) | ((carry & AFTER_ED) << 254)) & b5
    bad |= ((f0 >> 8) | ((carry & AFTER_F0) << 253)) & ~(b5 | b4)
    bad |= ((f4 >> 8) | ((carry & AFTER_F4) << 252)) & (b5 | b4)

    left: uint256 = missing
    for i: uint256 in range(c.MAX_MISSING_BYTES):
        if left == 0:
            break
        bad |= self._equal(word, left & c.M8)
        left = left >> 8
    assert bad == 0, "gate: text not clean UTF-8"

    # what the last one, two or three bytes still wait for, at the head of the next word
    due = ((lead2 & 128) << 248) | ((lead3 & 32_896) << 240) | ((lead4 & 8_421_504) << 232)
    return due | ((e0 & 128) >> 7) | ((ed & 128) >> 6) | ((f0 & 128) >> 5) | ((f4 & 128) >> 4)


@internal
@pure
def _check(
    manifest: Bytes[c.MAX_MANIFEST_BYTES], start: uint256, end: uint256, missing: bytes32
):
    """
    @dev manifest.md item 12. start >= 64 and end <= len are the caller's to check. About 1.1k gas
         a word of ASCII, 2.5k of other scripts; 384 words at most.
    """
    legal: uint256 = self._keep_legal(missing)
    carry: uint256 = 0
    at: uint256 = start
    for i: uint256 in range(MAX_WORDS):
        if at >= end:
            break
        if at + 32 <= end:
            word: uint256 = convert(extract32(manifest, at), uint256)
            carry = self._scan_word(word, carry, legal)
        else:
            # the last word, read so that it ends with the text, then filled up with spaces
            filler: uint256 = 8 * (at + 32 - end)
            word: uint256 = convert(extract32(manifest, end - 32), uint256) << filler
            carry = self._scan_word(word | (SPACES >> (256 - filler)), carry, legal)
        at += 32
    assert carry == 0, "gate: text ends in a character"

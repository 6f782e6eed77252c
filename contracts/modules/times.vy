# pragma version 0.4.3
"""
@title Times of certificates and documents, as seconds since 1970
"""

# The same in each of 12 bytes.
ONES: constant(uint256) = (2**96 - 1) // 255
LOW: constant(uint256) = 15 * ONES
HIGH: constant(uint256) = 240 * ONES
DIGITS: constant(uint256) = 48 * ONES
SIXES: constant(uint256) = 6 * ONES

DAYS_TO_2000: constant(uint256) = 10_957
DAY: constant(uint256) = 86_400
# Days of a common year before month m, in 16 bits from 16 * m; month 13 stands for the next year.
BEFORE: constant(uint256) = (
    (31 << 32) + (59 << 48) + (90 << 64) + (120 << 80) + (151 << 96) + (181 << 112)
    + (212 << 128) + (243 << 144) + (273 << 160) + (304 << 176) + (334 << 192) + (365 << 208)
)
UTC_TIME: constant(bytes2) = 0x170d
CENTURY: constant(bytes2) = 0x3230
# What stands between the digits of 2025-06-19T10:16:03Z.
MARKS: constant(bytes20) = 0x000000002d00002d00005400003a00003a00005a
MARK_MASK: constant(bytes20) = 0x00000000ff0000ff0000ff0000ff0000ff0000ff


@internal
@pure
def _read_utc(word: uint256) -> uint256:
    """
    @dev The UTCTime of 2000 to 2049 that begins with its tag at the word's highest byte, 15 bytes.
         # rule: ATTEST-4
    """
    assert (
        word >> 240 == convert(UTC_TIME, uint256) and (word >> 136) & 255 == 90
    ), "times: no time in utc"
    digits: uint256 = (word >> 144) & (2**96 - 1)
    assert digits >> 88 < 53, "times: utc after 2049"
    return self._seconds(digits)


@internal
@pure
def _read_iso(word: uint256) -> uint256:
    """
    @dev The time YYYY-MM-DDThh:mm:ssZ of 2000 to 2099 in the word's highest 20 bytes.
         # rule: ATTEST-8
    """
    text: uint256 = word >> 96
    assert text >> 144 == convert(CENTURY, uint256), "times: not of this century"
    assert text & convert(MARK_MASK, uint256) == convert(MARKS, uint256), "times: no iso time"
    return self._seconds(
        (((text >> 128) & (2**16 - 1)) << 80)
        | (((text >> 104) & (2**16 - 1)) << 64)
        | (((text >> 80) & (2**16 - 1)) << 48)
        | (((text >> 56) & (2**16 - 1)) << 32)
        | (((text >> 32) & (2**16 - 1)) << 16)
        | ((text >> 8) & (2**16 - 1))
    )


@internal
@pure
def _seconds(text: uint256) -> uint256:
    """
    @dev YYMMDDhhmmss in 12 bytes of ASCII, of 2000 to 2099; the day exists.
    """
    assert text & HIGH == DIGITS and (unsafe_add(text & LOW, SIXES)) & HIGH == 0, "times: no digits"
    digits: uint256 = text & LOW
    # in every second byte a number of two digits; no byte overflows
    pairs: uint256 = unsafe_add(digits, unsafe_mul(10, digits >> 8))
    year: uint256 = (pairs >> 80) & 255
    month: uint256 = (pairs >> 64) & 255
    day: uint256 = (pairs >> 48) & 255
    hour: uint256 = (pairs >> 32) & 255
    minute: uint256 = (pairs >> 16) & 255
    second: uint256 = pairs & 255
    assert month >= 1 and month <= 12, "times: no such month"
    assert hour < 24 and minute < 60 and second < 60, "times: no such hour"

    leap: uint256 = 1 if year % 4 == 0 else 0
    before: uint256 = (BEFORE >> (16 * month)) & (2**16 - 1)
    after: uint256 = (BEFORE >> (16 * month + 16)) & (2**16 - 1)
    length: uint256 = after - before + (leap if month == 2 else 0)
    assert day >= 1 and day <= length, "times: no such day"

    days: uint256 = DAYS_TO_2000 + 365 * year + (year + 3) // 4 + before + day - 1
    if month > 2:
        days += leap
    return days * DAY + hour * 3_600 + minute * 60 + second

# pragma version 0.4.3
"""
@title The state fields of a manifest: names, types, initial values, options
@notice manifest.md items 5 to 11 and the sums of item 18. Loads are of the word that ends at a
        position: since the header is 64 bytes long, none begins before the manifest.
"""
from contracts import constants as c
from contracts.modules import manifest_layout as layout

# Bits of a field in `Fields.uses`: an expression may read it; an expression must still set it.
READABLE: constant(uint256) = 1
UNSET: constant(uint256) = 2

BIASES: constant(uint256) = 2**48 - 1
LEAD_BITS: constant(uint256) = 192  # a continuation byte is 10xxxxxx
CONTINUATION: constant(uint256) = 128


# Where options and strings end, the longest JSON texts in bytes, and 8 bits of uses a field.
struct Fields:
    options_end: uint256
    strings_end: uint256
    state_bytes: uint256
    output_bytes: uint256
    uses: uint256


@internal
@pure
def _check_integer(
    low: int256, high: int256, initial: int256, digits: uint256
):
    """
    @dev digits counts the sign; 10**77 is above every int256, so 77 digits need no comparison.
    """
    assert low > min_value(int256), "gate: integer low too low"
    assert low <= initial and initial <= high, "gate: initial outside range"
    assert digits >= 1 and digits <= c.MAX_DIGITS, "gate: digits not 1 to 78"
    if digits < c.MAX_DIGITS:
        if digits < 77:
            assert high < convert(10**digits, int256), "gate: high exceeds its digits"
        if low < 0:
            assert digits >= 2, "gate: no room for the sign"
            assert -low < convert(10 ** (digits - 1), int256), "gate: low exceeds its digits"


@internal
@pure
def _check(manifest: Bytes[c.MAX_MANIFEST_BYTES], shape: layout.Layout) -> Fields:
    """
    @dev shape.options_at <= len is the caller's to check. About 1k gas a field or option.
    """
    names: uint256[c.MAX_FIELDS] = empty(uint256[c.MAX_FIELDS])
    options_end: uint256 = shape.options_at
    strings_end: uint256 = shape.text_at
    state_bytes: uint256 = 2 * shape.fields  # braces and separators
    output_bytes: uint256 = 0
    uses: uint256 = 0

    for i: uint256 in range(shape.fields, bound=c.MAX_FIELDS):
        # name length 8 | type 8 | element 8 | role 8 | a 16 | b 16 | c 16 | bias 24 | bias 24
        row: uint256 = convert(
            extract32(manifest, shape.fields_at + c.FIELD_BYTES * i - 16), uint256
        )
        length: uint256 = (row >> 120) & c.M8
        type: uint256 = (row >> 112) & c.M8
        role: uint256 = (row >> 96) & c.M8
        a: uint256 = (row >> 80) & c.M16
        b: uint256 = (row >> 64) & c.M16
        element: uint256 = (row >> 104) & c.M8
        items: uint256 = (row >> 48) & c.M16
        is_array: bool = type == c.TYPE_ARRAY
        if is_array:
            # from here on an array is its element, several times
            type = element
            assert type >= c.TYPE_STRING and type < c.TYPE_ARRAY, "gate: element not 1 to 4"
            assert items >= 1 and items <= c.MAX_ITEMS, "gate: items not 1 to 64"
        else:
            assert element == 0, "gate: element without array"
            assert items == 0, "gate: items without array"
        assert role <= c.ROLE_COMPUTE, "gate: role not 0 to 2"
        assert type == c.TYPE_BOOLEAN or row & BIASES == 0, "gate: bias without boolean"

        # its name, compared as a word: no name holds a zero byte
        assert length >= 1 and length <= c.MAX_NAME_BYTES, "gate: name not 1 to 32 bytes"
        strings_end += length
        assert strings_end <= shape.fields_at, "gate: name beyond the text"
        name: uint256 = convert(extract32(manifest, strings_end - 32), uint256) & (
            max_value(uint256) >> (256 - 8 * length)
        )
        assert (name >> (8 * length - 8)) & LEAD_BITS != CONTINUATION, "gate: name inside a character"
        for j: uint256 in range(i, bound=c.MAX_FIELDS):
            assert names[j] != name, "gate: name used twice"
        names[i] = name

        # its type; value_bytes is the longest JSON text of a value
        value_bytes: uint256 = 0
        if type == c.TYPE_STRING:
            assert a <= c.MAX_STRING_BYTES, "gate: string above 512 bytes"
            assert b <= a, "gate: initial above its limit"
            assert b == 0 or not is_array, "gate: initial in an array"
            strings_end += b
            assert strings_end <= shape.fields_at, "gate: initial beyond the text"
            if b > 0:
                first: uint256 = convert(extract32(manifest, strings_end - b - 31), uint256)
                assert first & LEAD_BITS != CONTINUATION, "gate: initial inside a character"
            value_bytes = a + 2
        elif type == c.TYPE_ENUM:
            assert a >= 1 and a <= c.MAX_OPTIONS, "gate: options not 1 to 64"
            assert b < a, "gate: no such initial option"
            last: uint256 = 0
            longest: uint256 = 0
            for j: uint256 in range(a, bound=c.MAX_OPTIONS):
                # length 8 | bias 32
                options_end += c.OPTION_ROW_BYTES
                assert options_end <= len(manifest), "gate: cut short in options"
                size: uint256 = (
                    convert(extract32(manifest, options_end - 32), uint256) >> 32
                ) & c.M8
                assert size >= 1 and size <= c.MAX_OPTION_BYTES, "gate: option not 1 to 32 bytes"
                strings_end += size
                assert strings_end <= shape.fields_at, "gate: option beyond the text"
                option: uint256 = convert(extract32(manifest, strings_end - 32), uint256) << (
                    256 - 8 * size
                )
                assert (option >> 248) & LEAD_BITS != CONTINUATION, "gate: option inside a character"
                assert option > last, "gate: options not ascending"
                last = option
                longest = max(longest, size)
            value_bytes = longest + 2
        elif type == c.TYPE_BOOLEAN:
            assert a == 0 and b <= 1, "gate: boolean not 0 or 1"
            value_bytes = 5
        else:
            assert type == c.TYPE_INTEGER, "gate: unknown type"
            assert a + 3 <= shape.constants, "gate: integer beyond constants"
            at: uint256 = c.HEADER_BYTES + c.CONSTANT_BYTES * a
            self._check_integer(
                extract32(manifest, at, output_type=int256),
                extract32(manifest, at + 32, output_type=int256),
                extract32(manifest, at + 64, output_type=int256),
                b,
            )
            value_bytes = b

        if is_array:
            value_bytes = 2 + items * (value_bytes + 2)
        member_bytes: uint256 = length + 4 + value_bytes
        state_bytes += member_bytes
        if role == c.ROLE_WRITES:
            output_bytes += member_bytes + 2
        if type == c.TYPE_STRING or is_array:
            assert role != c.ROLE_COMPUTE, "gate: computed string or array"
        else:
            uses |= READABLE << (8 * i)
            if role == c.ROLE_COMPUTE:
                uses |= UNSET << (8 * i)

    assert state_bytes <= c.MAX_STATE_BYTES, "gate: state above 4096 bytes"
    assert output_bytes > 0, "gate: the model writes nothing"
    assert output_bytes <= c.MAX_OUTPUT_BYTES, "gate: output above 1024 bytes"
    return Fields(
        options_end=options_end,
        strings_end=strings_end,
        state_bytes=state_bytes,
        output_bytes=output_bytes,
        uses=uses,
    )

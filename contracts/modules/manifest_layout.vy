# pragma version 0.4.3
"""
@title Where the sections of a canonical manifest begin
@notice Sections stand back to back, without offsets: constants, text, fields, options, segments,
        literals, expressions, ops. Nothing can overlap, and the length decides the end.
"""
from contracts import constants as c


# Counts of the header, and the first byte of the sections whose place they decide.
struct Layout:
    constants: uint256
    text_at: uint256
    fields_at: uint256
    options_at: uint256
    fields: uint256
    segments: uint256
    literals: uint256
    expressions: uint256
    ops: uint256
    name_length: uint256


@internal
@pure
def _read(header: uint256) -> Layout:
    """
    @dev header: version 8 | model 16 | cell kind 8 | upgrade delay 40 | temperature 32 |
         seed rule 8 | max input 16 | output tokens 16 | fixed positions 16 | fields 8 | segments 8 |
         literal tokens 16 | constants 8 | expressions 8 | ops 16 | text bytes 16 | name length 8 |
         effects 8. Sums stay below 2**17.
    """
    constants: uint256 = (header >> 56) & c.M8
    fields: uint256 = (header >> 88) & c.M8
    text_at: uint256 = c.HEADER_BYTES + c.CONSTANT_BYTES * constants
    fields_at: uint256 = text_at + ((header >> 16) & c.M16)
    return Layout(
        constants=constants,
        text_at=text_at,
        fields_at=fields_at,
        options_at=fields_at + c.FIELD_BYTES * fields,
        fields=fields,
        segments=(header >> 80) & c.M8,
        literals=(header >> 64) & c.M16,
        expressions=(header >> 48) & c.M8,
        ops=(header >> 32) & c.M16,
        name_length=(header >> 8) & c.M8,
    )

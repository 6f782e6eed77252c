# pragma version 0.4.3
"""
@title ManifestGate
@notice The one gate a manifest passes: stateless, ownerless, pure in (manifest, model limits).
        Whatever passes it must parse everywhere and cannot stop a batch; bytes published past the
        author's compiler meet the same rules. Rule by rule the same as oyez/protocol/manifest.py;
        a differential test compares the two.
@dev Anyone may call it. 56k gas for a 1.3 KB manifest. Loads never leave the buffer.
"""
from contracts import constants as c
from contracts.interfaces import IManifestGate
from contracts.modules import manifest_expressions
from contracts.modules import manifest_fields
from contracts.modules import manifest_layout
from contracts.modules import manifest_prompt
from contracts.modules import manifest_text

implements: IManifestGate


@pure
@external
def check(
    manifest: Bytes[c.MAX_MANIFEST_BYTES], limits: IManifestGate.Limits
) -> IManifestGate.Checked:
    """
    @notice Check every rule of the canonical manifest; the reason names the first one broken.
    @custom:rule REGISTRY-3
    @param manifest Canonical bytes.
    @param limits Of the model that the manifest names.
    @return What the inbox needs to admit and price a call.
    """
    assert len(manifest) >= c.HEADER_BYTES, "gate: shorter than its header"
    header: uint256 = convert(extract32(manifest, 0), uint256)
    seed: bytes32 = extract32(manifest, 32)
    fixed_positions: uint256 = (header >> 96) & c.M16
    output_tokens: uint256 = (header >> 112) & c.M16
    self._check_header(header, seed)
    assert fixed_positions <= limits.context, "gate: fixed above the context"

    shape: manifest_layout.Layout = manifest_layout._read(header)
    assert shape.options_at <= len(manifest), "gate: cut short before options"
    manifest_text._check(manifest, shape.text_at, shape.fields_at, limits.missing)
    fields: manifest_fields.Fields = manifest_fields._check(manifest, shape)
    self._check_title(manifest, fields.strings_end, shape)

    literals_at: uint256 = fields.options_end + c.SEGMENT_BYTES * shape.segments
    expressions_at: uint256 = literals_at + c.LITERAL_BYTES * shape.literals
    end: uint256 = expressions_at + c.EXPRESSION_BYTES * shape.expressions + c.OP_BYTES * shape.ops
    assert end >= len(manifest), "gate: trailing bytes"
    assert end <= len(manifest), "gate: cut short after options"
    positions: uint256 = manifest_prompt._count_slots(
        manifest, fields.options_end, shape, fields.state_bytes
    )
    assert fixed_positions >= positions + output_tokens, "gate: fixed below its parts"
    manifest_prompt._check_literals(manifest, literals_at, shape.literals, limits.vocabulary)
    manifest_expressions._check(manifest, expressions_at, shape, fields.uses)

    return IManifestGate.Checked(
        fixed_positions=fixed_positions,
        max_input=(header >> 128) & c.M16,
        output_bytes=fields.output_bytes,
        cell_kind=(header >> 224) & c.M8,
        upgrade_delay=(header >> 184) & c.M40,
    )


@internal
@pure
def _check_header(header: uint256, seed: bytes32):
    """
    @dev manifest.md items 2 and 3; `manifest_layout` draws the header.
    """
    assert header >> 248 == c.MANIFEST_VERSION, "gate: version not 1"
    cell_kind: uint256 = (header >> 224) & c.M8
    assert c.CELL_SHARED <= cell_kind and cell_kind <= c.CELL_NAMED, "gate: cell kind not 1 to 3"
    seed_rule: uint256 = (header >> 144) & c.M8
    assert seed_rule <= 1, "gate: seed rule not 0 or 1"
    assert seed_rule == 1 or seed == empty(bytes32), "gate: seed under rule 0"
    assert (header >> 128) & c.M16 <= c.MAX_INPUT_BYTES, "gate: input above 1024 bytes"
    assert (header >> 112) & c.M16 >= 1, "gate: no output tokens"
    assert (header >> 96) & c.M16 <= c.MAX_FIXED_POSITIONS, "gate: fixed above 2046"
    fields: uint256 = (header >> 88) & c.M8
    assert fields >= 1 and fields <= c.MAX_FIELDS, "gate: fields not 1 to 32"
    assert (header >> 80) & c.M8 <= c.MAX_SEGMENTS, "gate: segments above 16"
    assert (header >> 64) & c.M16 <= c.MAX_LITERAL_TOKENS, "gate: literals above 1536"
    assert (header >> 48) & c.M8 <= c.MAX_EXPRESSIONS, "gate: expressions above 32"
    assert header & c.M8 == 0, "gate: effects not built yet"


@internal
@pure
def _check_title(
    manifest: Bytes[c.MAX_MANIFEST_BYTES], at: uint256, shape: manifest_layout.Layout
):
    """
    @dev The rest of the text is the action's name and its description; either may be empty.
    """
    end: uint256 = at + shape.name_length
    assert end <= shape.fields_at, "gate: title beyond the text"
    if at < end:
        first: uint256 = convert(extract32(manifest, at - 31), uint256) & manifest_fields.LEAD_BITS
        assert first != manifest_fields.CONTINUATION, "gate: title inside a character"
    if end < shape.fields_at:
        first: uint256 = convert(extract32(manifest, end - 31), uint256) & manifest_fields.LEAD_BITS
        assert first != manifest_fields.CONTINUATION, "gate: story inside a character"

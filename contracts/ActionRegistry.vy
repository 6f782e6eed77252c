# pragma version 0.4.3
"""
@title ActionRegistry
@notice Publishes actions. A manifest is stored whole, in contract code, behind the one gate that
        every manifest passes; what was accepted can be parsed by anyone for ever. Anyone may
        publish; only an action's author may upgrade it, after the delay its manifest states.
@dev Trusts ModelRegistry for the model's shape. No owner.
"""
from contracts import constants as c
from contracts.interfaces import IActionRegistry
from contracts.interfaces import IManifestGate
from contracts.interfaces import IModelRegistry
from contracts.modules import codec

implements: IActionRegistry


# What `_admit` found: the manifest is stored at pointer.
struct Admitted:
    manifest_hash: bytes32
    pointer: address
    word: uint256


GATE: immutable(IManifestGate)
MODELS: immutable(IModelRegistry)

# manifest hash => contract whose code is a STOP byte and the manifest; written once
pointers: HashMap[bytes32, address]
# action id => author; written once
authors: HashMap[bytes32, address]
# action id => hash of the current manifest; when an upgrade is due, `next_manifests` holds it
manifests: HashMap[bytes32, bytes32]
# action id => fixed positions 16 | context 16 | position cost 16 | max input 16 | output bytes 16
#              | cell kind 8 | time of the announced upgrade 40 (0 = none); fixed is the lowest
words: HashMap[bytes32, uint256]
# action id => manifest hash and word of the announced upgrade; read only where the time is set
next_manifests: HashMap[bytes32, bytes32]
next_words: HashMap[bytes32, uint256]


@deploy
def __init__(gate: address, models: address):
    """
    @param gate ManifestGate.
    @param models ModelRegistry.
    """
    assert gate.is_contract, "actions: gate has no code"
    assert models.is_contract, "actions: models has no code"
    GATE = IManifestGate(gate)
    MODELS = IModelRegistry(models)


# --- ANYONE ---


@external
def publish(manifest: Bytes[c.MAX_MANIFEST_BYTES]) -> bytes32:
    """
    @notice Publish an action; its id is its author and its first manifest.
    @custom:rule REGISTRY-4
    @param manifest Canonical bytes. 1.3 KB cost about 0.5M gas, 12 KB 4.6M.
    @return The action's id.
    """
    admitted: Admitted = self._admit(manifest)
    action_id: bytes32 = codec._action_id(msg.sender, admitted.manifest_hash)
    assert self.words[action_id] == 0, "actions: already published"

    self.authors[action_id] = msg.sender
    self.manifests[action_id] = admitted.manifest_hash
    self.words[action_id] = admitted.word

    log IActionRegistry.ActionPublished(
        action_id=action_id,
        author=msg.sender,
        manifest_hash=admitted.manifest_hash,
        pointer=admitted.pointer,
    )
    return action_id


# --- AUTHOR ---


@external
def announce_upgrade(action_id: bytes32, manifest: Bytes[c.MAX_MANIFEST_BYTES]):
    """
    @notice Replace an action's manifest once the current one's delay has passed. A second
            announcement replaces the first; an immutable action refuses it.
    @custom:rule REGISTRY-6
    @param action_id The action.
    @param manifest Canonical bytes; the same gate as for a new action.
    """
    assert self.authors[action_id] == msg.sender, "actions: author only"
    word: uint256 = self.words[action_id]
    if self._is_due(word):
        # the earlier upgrade has taken effect: it is the current manifest now
        word = self.next_words[action_id]
        self.manifests[action_id] = self.next_manifests[action_id]
    delay: uint256 = self._read_delay(self.manifests[action_id])
    assert delay != c.UPGRADE_IMMUTABLE, "actions: immutable"
    effective_at: uint256 = block.timestamp + delay
    assert effective_at <= c.M40, "actions: delay beyond the clock"
    admitted: Admitted = self._admit(manifest)

    self.words[action_id] = (word & (2**88 - 1)) | (effective_at << 88)
    self.next_manifests[action_id] = admitted.manifest_hash
    self.next_words[action_id] = admitted.word

    log IActionRegistry.UpgradeAnnounced(
        action_id=action_id,
        manifest_hash=admitted.manifest_hash,
        pointer=admitted.pointer,
        effective_at=effective_at,
    )


# --- VIEWS ---


@view
@external
def terms(action_id: bytes32) -> IActionRegistry.Terms:
    """
    @notice What the inbox needs to admit and price a call, as of now.
    @custom:rule REGISTRY-5
    @param action_id The action.
    @return The current manifest's hash and bounds.
    """
    word: uint256 = self.words[action_id]
    assert word != 0, "actions: unknown action"

    manifest_hash: bytes32 = empty(bytes32)
    if self._is_due(word):
        word = self.next_words[action_id]
        manifest_hash = self.next_manifests[action_id]
    else:
        manifest_hash = self.manifests[action_id]
    return IActionRegistry.Terms(
        manifest_hash=manifest_hash,
        fixed_positions=word & c.M16,
        context=(word >> 16) & c.M16,
        position_cost=(word >> 32) & c.M16,
        max_input=(word >> 48) & c.M16,
        output_bytes=(word >> 64) & c.M16,
        cell_kind=(word >> 80) & c.M8,
    )


@view
@external
def manifest_pointer(manifest_hash: bytes32) -> address:
    """
    @notice Where a manifest's bytes are: the contract's code after its first byte.
    @param manifest_hash Keccak-256 of the manifest.
    @return The contract, or zero if nobody published it.
    """
    return self.pointers[manifest_hash]


@view
@external
def author(action_id: bytes32) -> address:
    """
    @notice Who published an action and may upgrade it.
    @param action_id The action.
    @return The author, or zero if there is no such action.
    """
    return self.authors[action_id]


@view
@external
def pending_upgrade(action_id: bytes32) -> (bytes32, uint256):
    """
    @notice The upgrade that was announced and is not yet in effect.
    @param action_id The action.
    @return (manifest_hash, effective_at), both zero if there is none.
    """
    word: uint256 = self.words[action_id]
    if word >> 88 == 0 or self._is_due(word):
        return empty(bytes32), 0
    return self.next_manifests[action_id], word >> 88


@view
@external
def models() -> address:
    """
    @notice The ModelRegistry.
    @return Its address.
    """
    return MODELS.address


@view
@external
def gate() -> address:
    """
    @notice The ManifestGate.
    @return Its address.
    """
    return GATE.address


# --- INTERNAL ---


@internal
@view
def _is_due(word: uint256) -> bool:
    return word >> 88 != 0 and block.timestamp >= word >> 88


@internal
@view
def _read_delay(manifest_hash: bytes32) -> uint256:
    """
    @dev The 40 bits after version, model and cell kind; a STOP byte precedes the manifest.
    """
    header: bytes32 = convert(slice(self.pointers[manifest_hash].code, 1, 32), bytes32)
    return (convert(header, uint256) >> 184) & c.M40


@internal
def _admit(manifest: Bytes[c.MAX_MANIFEST_BYTES]) -> Admitted:
    """
    @dev Check a manifest and store its bytes, once per content.
    """
    assert len(manifest) >= c.HEADER_BYTES, "actions: no header"
    index: uint256 = (convert(extract32(manifest, 0), uint256) >> 232) & c.M16
    root: bytes32 = empty(bytes32)
    engine: uint256 = 0
    shape_hash: bytes32 = empty(bytes32)
    effective_at: uint256 = 0
    root, engine, shape_hash, effective_at = staticcall MODELS.models(index)
    assert engine == c.ENGINE_EXACT, "actions: model not exact"
    assert block.timestamp >= effective_at, "actions: model not in effect"
    shape: IModelRegistry.Shape = staticcall MODELS.shape(index)
    checked: IManifestGate.Checked = staticcall GATE.check(
        manifest,
        IManifestGate.Limits(
            vocabulary=shape.vocabulary, context=shape.context, missing=shape.missing
        ),
    )

    manifest_hash: bytes32 = keccak256(manifest)
    pointer: address = self.pointers[manifest_hash]
    if pointer == empty(address):
        # initcode that returns what follows it: a STOP byte, so that nobody calls it, and the bytes
        size: bytes2 = convert(convert(len(manifest) + 1, uint16), bytes2)
        pointer = raw_create(concat(x"61", size, x"80600a3d393df300", manifest))
        self.pointers[manifest_hash] = pointer
    return Admitted(
        manifest_hash=manifest_hash,
        pointer=pointer,
        word=checked.fixed_positions
        | (shape.context << 16)
        | (shape.position_cost << 32)
        | (checked.max_input << 48)
        | (checked.output_bytes << 64)
        | (checked.cell_kind << 80),
    )

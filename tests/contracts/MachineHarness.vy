# pragma version 0.4.3
"""
@title The byte machine's internals as views, for tests alone
"""
from contracts import constants as c
from contracts.modules import byte_machine
from contracts.modules import machine_scalars as scalars
from contracts.modules import machine_states as states
from contracts.modules import manifest_machine as machines
from contracts.modules import published
from contracts.modules import step_model

initializes: step_model
initializes: published[step_model := step_model]
initializes: scalars[step_model := step_model]
initializes: byte_machine[scalars := scalars]
initializes: machines[published := published, scalars := scalars]


@deploy
def __init__(model: address):
    step_model.__init__(model)
    scalars.__init__()


@view
@external
def step(manifest_hash: bytes32, word: uint256, magnitude: int256, byte: uint256) -> (uint256, uint256, uint256):
    """
    @return The byte that is forced before, and the state after this one.
    """
    p: published.Published = published._open(manifest_hash)
    w: published.Written = published._find(p, states._field_of(word))
    s: states.State = byte_machine._unpack(p, w, word, magnitude)
    after: states.State = byte_machine._step(p, w, s, byte)
    return byte_machine._force(p, w, s), states._pack(after, byte), after.value


@view
@external
def walk(
    manifest_hash: bytes32, start: uint256, start_magnitude: uint256, text: Bytes[1024]
) -> DynArray[uint256, 4096]:
    """
    @return For each byte the forced one before it, the state after it, its magnitude.
    """
    p: published.Published = published._open(manifest_hash)
    found: DynArray[uint256, 4096] = []
    word: uint256 = start
    magnitude: uint256 = start_magnitude
    for i: uint256 in range(len(text), bound=1024):
        w: published.Written = published._find(p, states._field_of(word))
        s: states.State = byte_machine._unpack(p, w, word, convert(magnitude, int256))
        byte: uint256 = convert(slice(text, i, 1), uint256)
        after: states.State = byte_machine._step(p, w, s, byte)
        found.append(byte_machine._force(p, w, s))
        word = states._pack(after, byte)
        magnitude = after.value
        found.append(word)
        found.append(magnitude)
    return found


@view
@external
def all_bytes(manifest_hash: bytes32, word: uint256, magnitude: int256) -> (uint256, DynArray[uint256, 512]):
    """
    @return The forced byte, then word and magnitude after each of the 256 bytes.
    """
    p: published.Published = published._open(manifest_hash)
    w: published.Written = published._find(p, states._field_of(word))
    s: states.State = byte_machine._unpack(p, w, word, magnitude)
    found: DynArray[uint256, 512] = []
    for byte: uint256 in range(256):
        after: states.State = byte_machine._step(p, w, s, byte)
        found.append(states._pack(after, byte))
        found.append(after.value)
    return byte_machine._force(p, w, s), found


@view
@external
def may_sample(
    manifest_hash: bytes32, word: uint256, magnitude: int256, rows: DynArray[Bytes[131], 64]
) -> DynArray[bool, 64]:
    """
    @return Whether each token, given as its row, may be sampled.
    """
    m: machines.Machine = empty(machines.Machine)
    m.manifest = published._open(manifest_hash)
    m.written = published._find(m.manifest, states._field_of(word))
    m.state = byte_machine._unpack(m.manifest, m.written, word, magnitude)
    found: DynArray[bool, 64] = []
    for row: Bytes[131] in rows:
        found.append(machines._may_sample(m, row))
    return found

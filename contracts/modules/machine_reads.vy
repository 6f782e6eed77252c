# pragma version 0.4.3
"""
@title What a step of the byte machine reads: leaves of its inner trace, tokens of the vocabulary
"""
from contracts import constants as c
from contracts.interfaces import IStepVerifier
from contracts.modules import lanes
from contracts.modules import manifest_machine as machines
from contracts.modules import openings
from contracts.modules import step_model

uses: step_model

# ops of a sampler's regions
BEFORE: constant(uint256) = 32
CONTEXT: constant(uint256) = 33
MODE: constant(uint256) = 34
RUN: constant(uint256) = 35
RUN_TEXT: constant(uint256) = 36
MASK: constant(uint256) = 43
NEXT: constant(uint256) = 48
WALK: constant(uint256) = 49

# values of `mode`
MODE_PROMPT: constant(int256) = 0
MODE_QUEUE: constant(int256) = 1
MODE_END: constant(int256) = 2
MODE_RUN: constant(int256) = 3
MODE_CHOICE: constant(int256) = 4
MODE_FREE: constant(int256) = 5

FILLER: constant(int256) = -2**31
# a step reads no more leaves
MAX_OPENINGS: constant(uint256) = 3


# A row of the vocabulary by id; of no provable model is a token longer.
# rule: INNER-47
struct TokenRow:
    data: Bytes[machines.MAX_TOKEN_ROW]
    siblings: DynArray[bytes32, c.MAX_STEP_SIBLINGS]


# A lane, and what was read for it: leaves, and so many tokens from one on.
struct Answer:
    lane: int256
    read: uint256
    places: uint256[MAX_OPENINGS]  # type 8 above address 128
    token: uint256
    tokens: uint256


@internal
@view
def _leaf(op: uint256, leaf: uint256) -> uint256:
    """
    @dev A leaf's place in its region.
    """
    return leaf - step_model._sampler_start(op - c.FIRST_SAMPLER_OP)


@internal
@view
def _place(op: uint256, leaf: uint256, chunk_type: uint256) -> uint256:
    """
    @dev A leaf of the inner tree.
    """
    return (step_model._sampler_start(op - c.FIRST_SAMPLER_OP) + leaf) | (chunk_type << 128)


@internal
@pure
def _is_mode(leaf: Bytes[c.CHUNK_BYTES], mode: int256) -> bool:
    return len(leaf) > 0 and lanes._read(leaf, c.CHUNK_INT32, 0) == mode


@internal
@pure
def _list(answer: Answer) -> openings.Wanted:
    """
    @dev The leaves that were read, in order.
    """
    wanted: openings.Wanted = empty(openings.Wanted)
    for i: uint256 in range(answer.read, bound=MAX_OPENINGS):
        wanted.at.append(answer.places[i] & (2**128 - 1))
        wanted.types.append(answer.places[i] >> 128)
    return wanted


@internal
@pure
def _hash(row: Bytes[machines.MAX_TOKEN_ROW], token: uint256) -> bytes32:
    """
    @dev A token's leaf in the model tree.
    """
    return sha256(
        concat(openings._header(step_model.TOKENS, token, step_model.TOKEN_TYPE), row)
    )

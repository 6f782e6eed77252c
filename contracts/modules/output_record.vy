# pragma version 0.4.3
"""
@title The record of an output: how the call ended, the values after it, the output itself
"""
from contracts import constants as c
from contracts.interfaces import IStepVerifier
from contracts.modules import frame
from contracts.modules import lanes
from contracts.modules import output_layout as layout
from contracts.modules import output_reads as reads

uses: frame

ACCEPTED: constant(int256) = 1
REJECTED: constant(int256) = 2
BAD_INPUT: constant(int256) = 2
CONTEXT_OVERFLOW: constant(int256) = 3
OUT_OF_TOKENS: constant(int256) = 4
COMPUTE: constant(int256) = 5
GUARD: constant(int256) = 6


@internal
@view
def _head(step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], given: reads.Given) -> reads.Found:
    """
    @dev How the call ended: outcome, code, detail, positions, tokens, bytes.
         # rule: FRAME-67
         # rule: TRANSITION-6
    """
    f: reads.Found = reads.Found(wanted=0, answer=frame.FILLER)
    if step.lane > 5:
        return f
    verdict: uint256 = frame._leaf(0, layout.VERDICT, c.CHUNK_INT32)
    place: uint256 = frame._leaf(0, layout.PLACE, c.CHUNK_INT32)
    entry: uint256 = frame._chunk(0, frame._first(step.record, frame.ENTRY), 0, c.CHUNK_INT32)
    f.answer = 0
    if step.lane == 2:
        code: int256 = lanes._read(raw, c.CHUNK_INT32, 1)
        lane: uint256 = 0
        if code == BAD_INPUT:
            f.wanted = entry
            lane = layout.BAD
        elif code == OUT_OF_TOKENS:
            f.wanted = place
            lane = layout.UNENDED
        elif code == COMPUTE:
            f.wanted = verdict
            lane = layout.FAILED
        elif code == GUARD:
            f.wanted = verdict
            lane = layout.FALSE_GUARD
        if f.wanted != 0 and len(given.x[0]) > 0:
            f.answer = lanes._read(given.x[0], c.CHUNK_INT32, lane)
        return f
    if step.lane > 3:
        f.wanted = place
        if len(given.x[0]) > 0:
            f.answer = lanes._read(given.x[0], c.CHUNK_INT32, layout.COUNT + step.lane - 4)
        return f
    if step.lane == 1 and lanes._read(raw, c.CHUNK_INT32, 0) == ACCEPTED:
        return f
    f.wanted = reads._prompt(step.record)
    ran: bool = frame._int32(given.x[0], layout.RAN) == 1
    if step.lane == 3:
        if ran:
            f.wanted, f.answer = self._count(f.wanted, given)
        return f
    if step.lane == 0 and len(given.x[0]) == 0:
        f.answer = lanes.PAD
        return f
    if not ran:
        f.answer = REJECTED
        if step.lane == 1:
            k: uint256 = 0
            f.wanted, k = reads._ask(f.wanted, entry)
            is_bad: bool = frame._int32(given.x[1], layout.BAD) >= 0
            f.answer = BAD_INPUT if is_bad else CONTEXT_OVERFLOW
        return f
    next: uint256 = 0
    f.wanted, next = reads._ask(f.wanted, verdict)
    is_whole: bool = len(given.x[1]) > 0
    failed: bool = frame._int32(given.x[1], layout.FAILED) >= 0
    if step.lane == 1:
        f.answer = OUT_OF_TOKENS
        if is_whole:
            f.answer = COMPUTE if failed else GUARD
        return f
    f.answer = REJECTED
    if is_whole and not failed and frame._int32(given.x[1], layout.FALSE_GUARD) < 0:
        f.answer = ACCEPTED
    return f


@internal
@view
def _values(step: IStepVerifier.Step, given: reads.Given) -> reads.Found:
    """
    @dev A value word after the call: merged if it was accepted, else as the call met it.
         # rule: FRAME-68
    """
    f: reads.Found = reads.Found(wanted=0, answer=lanes.PAD)
    k: uint256 = 0
    if step.lane == 0:
        f.wanted = reads._prompt(step.record)
        if len(given.x[0]) == 0:
            return f
    f.answer = 0
    f.wanted, k = reads._ask(f.wanted, frame._leaf(0, frame._record_start(), c.CHUNK_INT32))
    item: uint256 = reads._met(step.record)
    if frame._int32(given.x[k], 0) == ACCEPTED:
        item = frame._leaf(0, layout.MERGED, c.CHUNK_BYTES32)
    f.wanted, k = reads._ask(f.wanted, item)
    if len(given.x[k]) > 0:
        f.answer = lanes._read(given.x[k], c.CHUNK_BYTES32, step.lane)
    return f


@internal
@view
def _text(step: IStepVerifier.Step, given: reads.Given) -> reads.Found:
    """
    @dev A byte of the output.
         # rule: FRAME-69
    """
    f: reads.Found = reads.Found(wanted=0, answer=lanes.PAD)
    k: uint256 = 0
    if step.lane == 0:
        f.wanted = reads._prompt(step.record)
        if len(given.x[0]) == 0:
            return f
    f.answer = 0
    f.wanted, k = reads._ask(f.wanted, frame._leaf(0, layout.TEXT, c.CHUNK_TEXT))
    if len(given.x[k]) > 0:
        f.answer = lanes._read(given.x[k], c.CHUNK_TEXT, step.lane)
    return f


@internal
@view
def _count(wanted: uint256, given: reads.Given) -> (uint256, int256):
    """
    @dev The prompt's and the output's tokens, the prompt's head being given first.
    """
    w: uint256 = 0
    k: uint256 = 0
    w, k = reads._ask(wanted, frame._leaf(0, layout.PLACE, c.CHUNK_INT32))
    tokens: int256 = lanes._read(given.x[0], c.CHUNK_INT32, layout.TOKENS)
    if len(given.x[k]) > 0:
        tokens += lanes._read(given.x[k], c.CHUNK_INT32, layout.COUNT)
    return w, tokens

# pragma version 0.4.3
"""
@title CallMeter
@notice Says what a view costs as a call from another contract, everything cold.
"""
MAX_DATA_BYTES: constant(uint256) = 16_384
IDENTITY: constant(address) = 0x0000000000000000000000000000000000000004  # returns its input

event CallMeasured:
    used: uint256
    answer: bytes32


@external
def measure(target: address, data: Bytes[MAX_DATA_BYTES]):
    """
    @notice Call a view and log its gas, the call's own 2,600 included, and its answer.
    @param target The contract.
    @param data Selector and arguments.
    """
    payload: Bytes[MAX_DATA_BYTES] = data
    used: uint256 = 0
    answer: Bytes[32] = b""
    # the first call grows the memory, so that the second pays for nothing but itself
    for to: address in [IDENTITY, target]:
        before: uint256 = msg.gas
        answer = raw_call(to, payload, max_outsize=32, is_static_call=True)
        used = before - msg.gas

    log CallMeasured(used=used, answer=convert(answer, bytes32))

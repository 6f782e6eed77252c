# pragma version 0.4.3
"""
@title CallMeter
@notice Says what a view costs as a call from another contract, everything cold.
"""
MAX_DATA_BYTES: constant(uint256) = 16_384

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
    before: uint256 = msg.gas
    answer: Bytes[32] = raw_call(target, payload, max_outsize=32, is_static_call=True)
    used: uint256 = before - msg.gas

    log CallMeasured(used=used, answer=convert(answer, bytes32))

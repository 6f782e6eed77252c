# pragma version 0.4.3
"""
@title Somebody's contract that calls others: what it hands over stands in no transaction
"""

struct Call:
    to: address
    data: Bytes[20_000]


@external
def forward(calls: DynArray[Call, 8]):
    """
    @notice Make each call; one that fails hinders no other.
    """
    for call: Call in calls:
        done: bool = raw_call(call.to, call.data, revert_on_failure=False)


@external
def undo(to: address, data: Bytes[20_000]):
    """
    @notice Make a call, and undo it.
    """
    raw_call(to, data)
    raise "undone"

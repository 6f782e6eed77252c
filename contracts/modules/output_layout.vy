# pragma version 0.4.3
"""
@title Where the lanes of an output's record stand, and what some of them say
@notice Twin of oyez/protocol/inner_frame.py's OUTPUT: op and first leaf of each region.
"""

# --- Ops ---
LATEST_OP: constant(uint256) = 116
CHAIN_OP: constant(uint256) = 117
SCALAR_OP: constant(uint256) = 118
PLACE_OP: constant(uint256) = 119
WRITTEN_OP: constant(uint256) = 120
OP_OP: constant(uint256) = 121
FAIL_OP: constant(uint256) = 122
VERDICT_OP: constant(uint256) = 123
MERGED_OP: constant(uint256) = 124
HEAD_OP: constant(uint256) = 125
VALUES_OP: constant(uint256) = 126
TEXT_OP: constant(uint256) = 127

# --- First leaves ---
ENDS: constant(uint256) = 0
TEXT: constant(uint256) = 9
PARSE: constant(uint256) = 10
LATEST: constant(uint256) = 74
CHAIN: constant(uint256) = 78
SCALAR: constant(uint256) = 86
PLACE: constant(uint256) = 118
WRITTEN: constant(uint256) = 119
OP: constant(uint256) = 120
FAIL: constant(uint256) = 184
VERDICT: constant(uint256) = 192
MERGED: constant(uint256) = 193

# --- Lanes ---
# of `place`, after two of each field
COUNT: constant(uint256) = 64
BYTES: constant(uint256) = 65
PHASE: constant(uint256) = 66
UNENDED: constant(uint256) = 67
SPELT: constant(uint256) = 68
# the last of `verdict`
FAILED: constant(uint256) = 62
FALSE_GUARD: constant(uint256) = 63
# words of the entry's record
TIMESTAMP: constant(uint256) = 2
CALLER: constant(uint256) = 3
VALUE: constant(uint256) = 4
MANIFEST: constant(uint256) = 7
# of its head
BAD: constant(uint256) = 3
# of a prompt's head
TOKENS: constant(uint256) = 0
RAN: constant(uint256) = 1

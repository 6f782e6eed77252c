"""Every bound, period and tag of the protocol, once; mirrored in contracts/constants.vy.

Units stand in the names: times in seconds, money in wei, sizes in bytes. Periods and stakes are
constructor arguments of the contracts, so they are not here.
"""

from __future__ import annotations

# Domain tags: H(NAME, ...) begins with keccak256("oyez.<name in lower case>.v1").
TAG_NAMES = (
    "ENTRY",
    "BATCH",
    "SEED",
    "CELL_KEY",
    "FIELD",
    "CELL",
    "RECEIPT",
    "MESSAGE",
    "OUTBOX",
    "ASSERTION",
    "ACTION",
    "SHAPE",
    "ATTEST",
    "LOCK_KEY",
    "ACCOUNT_KEY",
    "NOISE",
    "ENCLAVE",
    "APPLICATION",
)

# Batches (interfaces.md section 3).
ENTRIES_HEIGHT = 8
MAX_BATCH_ENTRIES = 1 << ENTRIES_HEIGHT
MAX_BATCH_WORK = 65_536
MAX_BATCH_OUTPUT_BYTES = 98_304
MAX_BATCH_DATA_BYTES = 110_592
FIRST_BATCH = 1
FIRST_CALL = 0

# Calls.
MAX_INPUT_BYTES = 1_024
MAX_CELL_BYTES = 64

# Manifests (manifest.md).
MANIFEST_VERSION = 1
MAX_MANIFEST_BYTES = 12_288
MAX_FIELDS = 32
MAX_SEGMENTS = 16
MAX_LITERAL_TOKENS = 1_536
MAX_EXPRESSIONS = 32
MAX_EXPRESSION_OPS = 64
MAX_STACK = 16
MAX_NAME_BYTES = 32
MAX_STRING_BYTES = 512
MAX_OPTIONS = 64
MAX_OPTION_BYTES = 32
MAX_DIGITS = 78
MAX_ITEMS = 64
MAX_STATE_BYTES = 4_096
MAX_OUTPUT_BYTES = 1_024
MAX_FIXED_POSITIONS = 2_046
MAX_MISSING_BYTES = 32
UPGRADE_IMMUTABLE = (1 << 40) - 1
MAX_VALUE = (1 << 255) - 1

# Keccak trees.
FIELDS_HEIGHT = 5
RECEIPTS_HEIGHT = 8
OUTBOX_HEIGHT = 32
KEY_BITS = 256

# The outer trace (interfaces.md section 7): OUTER_BITS of the default deployment.
CALL_BITS = 8
POSITION_BITS = 11
SLOT_BITS = 5
OUTER_HEIGHT = CALL_BITS + POSITION_BITS + SLOT_BITS
INNER_HEIGHT = 12
RECORD_HEIGHT = 4
CHUNKS_PER_RECORD = 1 << RECORD_HEIGHT
CHUNK_BYTES = 1_024
MAX_ROW_BYTES = 2_304
#: Of a step's proof around the model: preimages, and bytes of one.
MAX_STEP_PREIMAGES = 12
MAX_PREIMAGE_BYTES = 2_048
#: Of a token that a step of the mask can walk.
MAX_TOKEN_BYTES = 128
LAST_CALL = (1 << CALL_BITS) - 1
LAST_POSITION = (1 << POSITION_BITS) - 1
LAST_SLOT = (1 << SLOT_BITS) - 1
MAX_POSITIONS = LAST_POSITION - 1

# Fees (a local deployment; contracts/constants.vy has the same).
BASE_FEE_WEI = 10**15
PRICE_WEI_PER_WORK = 10**11
SURGE_FACTOR = 15
BUCKET_STEPS = 16
# The local bucket's leak: at most half of what one core decodes, the slowest replay there is.
LEAK_PER_SECOND = 100

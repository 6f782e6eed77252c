# pragma version 0.4.3
"""
@title Every bound and tag of the protocol, once
@notice Mirrored in oyez/protocol/constants.py; a test compares the two.
@dev Units stand in the names. Periods and stakes are constructor arguments, so they are not here.
"""

# --- Domain tags: H(NAME, ...) begins with keccak256("oyez.<name in lower case>.v1") ---
ENTRY: constant(bytes32) = keccak256("oyez.entry.v1")
BATCH: constant(bytes32) = keccak256("oyez.batch.v1")
SEED: constant(bytes32) = keccak256("oyez.seed.v1")
CELL_KEY: constant(bytes32) = keccak256("oyez.cell_key.v1")
FIELD: constant(bytes32) = keccak256("oyez.field.v1")
CELL: constant(bytes32) = keccak256("oyez.cell.v1")
RECEIPT: constant(bytes32) = keccak256("oyez.receipt.v1")
OUTBOX: constant(bytes32) = keccak256("oyez.outbox.v1")
ASSERTION: constant(bytes32) = keccak256("oyez.assertion.v1")
ACTION: constant(bytes32) = keccak256("oyez.action.v1")
SHAPE: constant(bytes32) = keccak256("oyez.shape.v1")
NOISE: constant(bytes32) = keccak256("oyez.noise.v1")
ENCLAVE: constant(bytes32) = keccak256("oyez.enclave.v1")
ATTEST: constant(bytes32) = keccak256("oyez.attest.v1")

# --- Enums ---
ENTRY_CALL: constant(uint256) = 1
FINALITY_UNKNOWN: constant(uint256) = 0
FINALITY_QUEUED: constant(uint256) = 1
FINALITY_POSTED: constant(uint256) = 2
FINALITY_FINAL: constant(uint256) = 3
STATUS_PENDING: constant(uint256) = 1
STATUS_FINAL: constant(uint256) = 2
STATUS_DEFEATED: constant(uint256) = 3
STATUS_VOID: constant(uint256) = 4
# in an assertion's word, above its status and its allowance
ATTESTED: constant(uint256) = 1 << 31
ENGINE_EXACT: constant(uint256) = 1
ENGINE_ATTESTED: constant(uint256) = 2
CELL_SHARED: constant(uint256) = 1
CELL_NAMED: constant(uint256) = 3
TYPE_STRING: constant(uint256) = 1
TYPE_ENUM: constant(uint256) = 2
TYPE_BOOLEAN: constant(uint256) = 3
TYPE_INTEGER: constant(uint256) = 4
TYPE_ARRAY: constant(uint256) = 5
ROLE_WRITES: constant(uint256) = 1
ROLE_COMPUTE: constant(uint256) = 2

# --- Fees ---
BASE_FEE_WEI: constant(uint256) = 10**15
PRICE_WEI_PER_WORK: constant(uint256) = 10**11
SURGE_FACTOR: constant(uint256) = 15
BUCKET_STEPS: constant(uint256) = 16

# --- Batches ---
ENTRIES_HEIGHT: constant(uint256) = 8
MAX_BATCH_ENTRIES: constant(uint256) = 256
MAX_BATCH_OUTPUT_BYTES: constant(uint256) = 98_304
MAX_BATCH_DATA_BYTES: constant(uint256) = 110_592
FIRST_BATCH: constant(uint256) = 1

# --- Calls ---
MAX_INPUT_BYTES: constant(uint256) = 1_024
MAX_CELL_BYTES: constant(uint256) = 64

# --- Models ---
MAX_MODELS: constant(uint256) = 16
MAX_LAYERS: constant(uint256) = 31
MAX_CONTEXT: constant(uint256) = 2_046
MAX_VOCABULARY: constant(uint256) = 2**23 - 1
MAX_POSITION_COST: constant(uint256) = 2**16 - 1
MAX_MODEL_HEIGHT: constant(uint256) = 64
MAX_MISSING_BYTES: constant(uint256) = 32
FIRST_MISSING: constant(uint256) = 192
FORMATS_VERSION: constant(uint256) = 1
SHAPE_BYTES: constant(uint256) = 384

# --- Manifests ---
MANIFEST_VERSION: constant(uint256) = 1
MAX_MANIFEST_BYTES: constant(uint256) = 12_288
HEADER_BYTES: constant(uint256) = 64
CONSTANT_BYTES: constant(uint256) = 32
FIELD_BYTES: constant(uint256) = 16
OPTION_ROW_BYTES: constant(uint256) = 5
SEGMENT_BYTES: constant(uint256) = 3
LITERAL_BYTES: constant(uint256) = 3
EXPRESSION_BYTES: constant(uint256) = 2
OP_BYTES: constant(uint256) = 2
MAX_FIELDS: constant(uint256) = 32
MAX_SEGMENTS: constant(uint256) = 16
MAX_LITERAL_TOKENS: constant(uint256) = 1_536
MAX_EXPRESSIONS: constant(uint256) = 32
MAX_EXPRESSION_OPS: constant(uint256) = 64
MAX_STACK: constant(uint256) = 16
MAX_NAME_BYTES: constant(uint256) = 32
MAX_STRING_BYTES: constant(uint256) = 512
MAX_OPTIONS: constant(uint256) = 64
MAX_OPTION_BYTES: constant(uint256) = 32
MAX_DIGITS: constant(uint256) = 78
MAX_ITEMS: constant(uint256) = 64
MAX_STATE_BYTES: constant(uint256) = 4_096
MAX_OUTPUT_BYTES: constant(uint256) = 1_024
MAX_FIXED_POSITIONS: constant(uint256) = 2_046
UPGRADE_IMMUTABLE: constant(uint256) = 2**40 - 1
GUARD_TARGET: constant(uint256) = 255

# --- Trees ---
FIELDS_HEIGHT: constant(uint256) = 5
RECEIPTS_HEIGHT: constant(uint256) = 8
OUTBOX_HEIGHT: constant(uint256) = 32
KEY_BITS: constant(uint256) = 256

# --- Trace: call, position and slot bits of an outer index; a record is 16 chunks of 1 KB ---
OUTER_HEIGHT: constant(uint256) = 24
RECORD_HEIGHT: constant(uint256) = 4
CHUNKS_PER_RECORD: constant(uint256) = 16
CHUNK_BYTES: constant(uint256) = 1_024
CHUNK_WORDS: constant(uint256) = 32
INT32_PER_CHUNK: constant(uint256) = 256
INT16_PER_CHUNK: constant(uint256) = 512

# --- Duels ---
HEX: constant(uint256) = 16
HEX_BITS: constant(uint256) = 4
MAX_INNER_BINDING: constant(uint256) = 28
MAX_STEP_SIBLINGS: constant(uint256) = 40
MAX_STEP_OPENINGS: constant(uint256) = 8
MAX_STEP_ROWS: constant(uint256) = 8
MAX_ROW_BYTES: constant(uint256) = 2_304
MAX_STEP_PROOF_BYTES: constant(uint256) = 24_576
# of a step of the frame: an array's item words are the longest
MAX_STEP_PREIMAGES: constant(uint256) = 12
MAX_PREIMAGE_BYTES: constant(uint256) = 2_048
LAYER_OPS: constant(uint256) = 28
SAMPLER_OPS: constant(uint256) = 21
FIRST_SAMPLER_OP: constant(uint256) = 32
FRAME_OPS: constant(uint256) = 53
# positions that a head's scores have room for; columns of a product, of one with the attention, and
# of a part of one
POSITIONS: constant(uint256) = 2_048
MAX_DIRECT: constant(uint256) = 2_048
MAX_ATTENDED: constant(uint256) = 1_024
PART_COLUMNS: constant(uint256) = 1_024
MASK_TOKENS: constant(uint256) = 8
MAX_TOKEN_BYTES: constant(uint256) = 128
OPTION_LANES: constant(uint256) = 128
MAX_MOVERS: constant(uint256) = 16
CHUNK_PAD: constant(uint256) = 0
CHUNK_INT32: constant(uint256) = 1
CHUNK_INT16: constant(uint256) = 2
CHUNK_BYTES32: constant(uint256) = 3
CHUNK_TEXT: constant(uint256) = 4
CHUNK_REVERSED: constant(uint256) = 5
MOVE_PAY_WEI: constant(uint256) = 8 * 10**15

# --- Assertions ---
MAX_PATH: constant(uint256) = 32
MOVE_PAY_SHARE: constant(uint256) = 4
GRAVE: constant(address) = 0x000000000000000000000000000000000000dEaD

# --- Enclaves ---
# a certificate's signed part; a revocation list's, and its entries; a signed document
MAX_CERTIFICATE_BYTES: constant(uint256) = 1_536
MAX_LIST_BYTES: constant(uint256) = 16_384
MAX_REVOKED: constant(uint256) = 300
MAX_DOCUMENT_BYTES: constant(uint256) = 16_384
MAX_TDX_MODULES: constant(uint256) = 16
# a quote of TD 1.5, up to its certificates
MAX_QUOTE_HEAD_BYTES: constant(uint256) = 1_328
MAX_WORKLOADS: constant(uint256) = 64
# blocks whose hash a contract can read
HASHED_BLOCKS: constant(uint256) = 256
# why collateral does not hold; those from FAULT_REVOKED on are for good
FAULT_NONE: constant(uint256) = 0
FAULT_UNKNOWN_ISSUER: constant(uint256) = 1
FAULT_ISSUER_EXPIRED: constant(uint256) = 2
FAULT_LIST_EXPIRED: constant(uint256) = 3
FAULT_NO_TCB_INFO: constant(uint256) = 4
FAULT_TCB_EXPIRED: constant(uint256) = 5
FAULT_NO_QE_IDENTITY: constant(uint256) = 6
FAULT_QE_EXPIRED: constant(uint256) = 7
FAULT_SIGNER_REVOKED: constant(uint256) = 8
FAULT_REVOKED: constant(uint256) = 9
FAULT_ISSUER_REVOKED: constant(uint256) = 10
FAULT_TCB_WITHDRAWN: constant(uint256) = 11
FAULT_QE_WITHDRAWN: constant(uint256) = 12
FAULT_ENCLAVE: constant(uint256) = 13
FAULT_ENCLAVE_BEHIND: constant(uint256) = 14
FAULT_PLATFORM_BEHIND: constant(uint256) = 15
FAULT_NO_MODULE: constant(uint256) = 16
FAULT_MODULE_BEHIND: constant(uint256) = 17
FAULT_WORKLOAD: constant(uint256) = 18

# --- Masks of packed words ---
M8: constant(uint256) = 2**8 - 1
M16: constant(uint256) = 2**16 - 1
M23: constant(uint256) = 2**23 - 1
M24: constant(uint256) = 2**24 - 1
M32: constant(uint256) = 2**32 - 1
M40: constant(uint256) = 2**40 - 1
M48: constant(uint256) = 2**48 - 1
M64: constant(uint256) = 2**64 - 1
M88: constant(uint256) = 2**88 - 1
M128: constant(uint256) = 2**128 - 1

"""For the invariants of one-step proofs and padding a change of a step, and the test that notices.

Tags are those of tests/contracts/named_mutants.py, where the other invariants' mutants are.
"""

from __future__ import annotations

from tests.contracts.named_mutants import HERE, Named

LIAR = f"{HERE}test_liars_around.py::test_a_liar_loses_at_his_own_lane"
LANES = f"{HERE}test_real_frames.py::test_a_lane_of_each_kind_is_recomputed"
ROOTS = f"{HERE}test_step_roots.py::"
PROMPT = f"{HERE}test_step_prompt.py::"
COMPUTE = f"{HERE}test_step_compute.py::"
STATE = f"{HERE}test_step_state.py::"
TABLE = f"{HERE}test_step_table.py::"


def step(tag: str, verifier: str, file: str, old: str, new: str, test: str) -> Named:
    """Return a mutant of a verifier by its short name; no `file` is the verifier's own."""
    target = f"StepVerifier{verifier}"
    return Named(tag, target, file or target, old, new, test)


def table(tag: str, old: str, new: str, test: str) -> Named:
    return Named(tag, "StepTable", "StepTable", old, new, f"{TABLE}{test}")


STEPS = (
    # no proof but the true one: whoever is honest is never out by one
    step(
        "Invariant 3",
        "Attention",
        "openings",
        'assert node == leaves[base].siblings[level], "step: not beside the first"',
        'assert node != empty(bytes32), "step: not beside the first"',
        f"{HERE}test_openings.py::test_each_wrong_opening_has_its_reason",
    ),
    step(
        "Invariant 3",
        "Entry",
        "frame",
        'assert keccak256(data) == digest, "step: not the preimage"',
        'assert digest != empty(bytes32), "step: not the preimage"',
        f"{ROOTS}test_nothing_else_is_brought[65-1-9]",
    ),
    step(
        "Invariant 3",
        "Json",
        "state_steps",
        'assert digest == f.digest, "step: another preimage"',
        'assert digest != empty(bytes32), "step: another preimage"',
        f"{STATE}test_a_preimage_is_given_where_one_is_asked_for_and_nowhere_else",
    ),
    # any false lane has a proof: one of each verifier of the records around the tokens
    step(
        "Invariant 4",
        "Entry",
        "",
        "if step.lane < len(data):",
        "if step.lane + 1 < len(data):",
        f"{LIAR}[cut input]",
    ),
    step(
        "Invariant 4",
        "State",
        "",
        "f.answer = convert(published_fields._initial_word(manifest, field), int256)",
        "f.answer = 0",
        f"{LANES}[0-80]",
    ),
    step(
        "Invariant 4",
        "Json",
        "",
        "f.answer = convert(json_texts._count_bytes(",
        "f.answer = 1 + convert(json_texts._count_bytes(",
        f"{LANES}[0-80]",
    ),
    step(
        "Invariant 4",
        "Prompt",
        "",
        "if token >= 0:\n            f.answer = token",
        "if token > 0:\n            f.answer = 0",
        f"{LANES}[0-96]",
    ),
    step(
        "Invariant 4",
        "Output",
        "",
        "slice(row, len(row) - found.left, 1)",
        "slice(row, len(row) - 1, 1)",
        f"{HERE}test_step_output.py::test_an_output_is_read_off_its_samplers[pieces2]",
    ),
    step(
        "Invariant 4",
        "Parse",
        "",
        "if byte == 0:\n        return wanted, 0",
        "if byte < 64:\n        return wanted, 0",
        f"{HERE}test_step_output.py::test_an_output_is_walked_byte_by_byte",
    ),
    step(
        "Invariant 4",
        "Scalars",
        "",
        "f.answer = -1 - lanes._read(given.x[0], c.CHUNK_INT32, c.INT32_PER_CHUNK - 1)",
        "f.answer = 0 - lanes._read(given.x[0], c.CHUNK_INT32, c.INT32_PER_CHUNK - 1)",
        f"{LANES}[0-112]",
    ),
    step(
        "Invariant 4",
        "Compute",
        "output_record",
        "if is_whole and not failed and frame._int32(given.x[1], layout.FALSE_GUARD) < 0:",
        "if is_whole and not failed:",
        f"{LIAR}[guard ignored]",
    ),
    step(
        "Invariant 4",
        "Cell",
        "",
        "extract32(g.x[2], 32 * FEE),",
        "extract32(g.x[2], 32 * (FEE - 1)),",
        f"{LIAR}[fee]",
    ),
    step(
        "Invariant 4",
        "Roots",
        "",
        "item = frame_path._words_at(NEW_PATH_AT + PATH_LEAVES)",
        "item = frame_path._words_at(NEW_PATH_AT + PATH_LEAVES - 1)",
        f"{LIAR}[post-state]",
    ),
    # another call's leaves, later ones, another model's rows, another entry
    step(
        "Invariant 6",
        "State",
        "frame",
        "<< CALL_AT) | slot",
        "<< CALL_AT) & 0 | slot",
        f"{LANES}[1-80]",
    ),
    step(
        "Invariant 6",
        "Roots",
        "frame_path",
        "frame._roots_of(unsafe_sub(frame._call(step.record), 1))",
        "frame._roots_of(frame._call(step.record))",
        f"{LIAR}[receipts of another batch]",
    ),
    step(
        "Invariant 6",
        "Output",
        "openings",
        'assert node == step_model.ROOT, "step: not under the model root"',
        'assert node != empty(bytes32), "step: not under the model root"',
        f"{HERE}test_step_output.py::test_each_wrong_proof_has_its_reason",
    ),
    step(
        "Invariant 6",
        "Entry",
        "",
        "(call >> (c.ENTRIES_HEIGHT - 1 - level)) & 1",
        "(call >> (c.ENTRIES_HEIGHT - level)) & 1",
        f"{LIAR}[reordered entry]",
    ),
    step(
        "Invariant 6",
        "Cell",
        "openings",
        'assert node == step.outer_root, "step: not under the outer root"',
        'assert node != empty(bytes32), "step: not under the outer root"',
        f"{ROOTS}test_nothing_else_is_brought[145-3-0]",
    ),
    table(
        "Invariant 6",
        'staticcall IStepOfModel(verifier).model() == model, "table: steps',
        'model != empty(address), "table: steps',
        "test_every_verifier_is_for_the_tables_model",
    ),
    # padding that lives, life that is padded
    step(
        "Invariant 7",
        "Entry",
        "",
        "< frame_path._pick(batch, BATCH_COUNT):",
        "<= frame_path._pick(batch, BATCH_COUNT):",
        f"{LIAR}[padding that lives]",
    ),
    step(
        "Invariant 7",
        "Output",
        "",
        "    if before < 0:\n        # of",
        "    if before <= 0:\n        # of",
        f"{LIAR}[life that is padded]",
    ),
    table(
        "Invariant 7",
        "return lanes.PAD",
        "return 0",
        "test_a_slot_without_a_record_is_pad",
    ),
    # bit for bit as in Python, and total
    step(
        "Invariant 13",
        "Compute",
        "expression_ops",
        "(a < 0) == (b < 0) and (sum < 0) != (a < 0)",
        "(a < 0) == (b < 0) and sum < a",
        f"{COMPUTE}test_ops_are_exact_at_the_ends_of_their_range[ADD]",
    ),
    step(
        "Invariant 13",
        "Compute",
        "expression_ops",
        "is_negative = a < 0",
        "is_negative = b < 0",
        f"{COMPUTE}test_ops_are_exact_at_the_ends_of_their_range[MOD]",
    ),
    step(
        "Invariant 13",
        "Json",
        "",
        "f.answer = min(before + convert(head, int256) + length, state_steps.MOST)",
        "f.answer = before + convert(head, int256) + length",
        f"{STATE}test_negative_and_huge_numbers_make_no_end_overflow",
    ),
    step(
        "Invariant 13",
        "Entry",
        "frame_path",
        "if 32 * (word + 1) > len(data):",
        "if 32 * word > len(data):",
        f"{ROOTS}test_a_word_that_is_cut_short_is_none[95-0]",
    ),
    step(
        "Invariant 13",
        "Prompt",
        "",
        "<= convert(step_model.CONTEXT, int256)",
        "< convert(step_model.CONTEXT, int256)",
        f"{PROMPT}test_a_prompt_runs_if_the_output_fits_behind_it[680-True]",
    ),
    # the longest of each kind fits a proof, the dearest a transaction
    step(
        "Invariant 44",
        "Entry",
        "",
        "preimages: DynArray[Bytes[c.MAX_INPUT_BYTES], MAX_PREIMAGES + 1]",
        "preimages: DynArray[Bytes[c.MAX_INPUT_BYTES - 1], MAX_PREIMAGES + 1]",
        f"{ROOTS}test_the_last_bytes_scan_says_what_is_bad[1024]",
    ),
    step(
        "Invariant 44",
        "Prompt",
        "",
        "c.MAX_STATE_BYTES // c.CHUNK_BYTES",
        "c.MAX_STATE_BYTES // c.CHUNK_BYTES - 1",
        f"{PROMPT}test_a_text_ends_where_its_bytes_do[4096]",
    ),
    step(
        "Invariant 44",
        "Roots",
        "openings",
        "        i = i >> 1\n    return node",
        "        i = i >> 1\n        for _: uint256 in range(16):\n"
        "            assert sha256(node) != empty(bytes32)\n    return node",
        f"{ROOTS}test_a_step_stays_within_its_budget[151]",
    ),
    # the audits' findings about the records around the tokens
    step(
        "Audit 1 C4",
        "Roots",
        "",
        "f.answer = frame_path._pick(data, 1 - bit)",
        "f.answer = frame_path._pick(data, bit)",
        f"{ROOTS}test_lanes_of_real_calls_are_recomputed[144]",
    ),
    step(
        "Audit 1 C4",
        "Roots",
        "frame",
        'assert keccak256(data) == digest, "step: not the preimage"',
        'assert digest != empty(bytes32), "step: not the preimage"',
        f"{ROOTS}test_nothing_else_is_brought[148-3-1]",
    ),
    step(
        "Audit 1 C7",
        "Compute",
        "published_expressions",
        "convert(at, uint256) + size < p.pointer.codesize",
        "size < p.pointer.codesize",
        f"{COMPUTE}test_options_are_spelt_within_the_manifest",
    ),
    step(
        "Audit 1 H6",
        "Compute",
        "",
        "len(given.x[0]) == 0\n\n\n@internal\n@pure\ndef _spelt",
        "False\n\n\n@internal\n@pure\ndef _spelt",
        f"{LANES}[1-112]",
    ),
    step(
        "Audit 1 H7",
        "Entry",
        "input_scan",
        " or self._is_missing(byte)",
        "",
        f"{ROOTS}test_characters_go_on_within_their_bounds",
    ),
    step(
        "Audit 1 H7",
        "Prompt",
        "",
        "if frame._int32(given[0], BAD) != -1:",
        "if frame._int32(given[0], BAD) > 0:",
        f"{PROMPT}test_a_bad_input_has_no_prompt",
    ),
    step(
        "Audit 1 H8",
        "Prompt",
        "vocabulary",
        'assert len(rows) == 2, "step: the next record too"',
        'assert len(rows) > 0, "step: the next record too"',
        f"{PROMPT}test_each_wrong_proof_has_its_reason",
    ),
    step(
        "Audit 1 H8",
        "Vocabulary",
        "vocabulary",
        'assert is_after, "step: not the last record"',
        'assert next_size > 0, "step: not the last record"',
        f"{HERE}test_step_vocabulary.py::test_only_the_last_record_that_is_not_after_the_text_passes",
    ),
    step(
        "Audit 1 H10",
        "State",
        "",
        "f.answer = frame._word(given.x[3], place)",
        "f.answer = convert(published_fields._initial_word(manifest, field), int256)",
        f"{LIAR}[migration that keeps nothing]",
    ),
    step(
        "Audit 1 M2",
        "Roots",
        "",
        "node = merkle._node(extract32(g.x[1], 32 * (FRONTIER + i)), node)",
        "node = merkle._node(node, extract32(g.x[1], 32 * (FRONTIER + i)))",
        f"{LIAR}[receipts of another batch]",
    ),
    Named(
        "Audit 1 M6",
        "StepTable",
        "frame_table",
        "if position == 0 and slot < PROLOGUE_SLOTS:",
        "if position == 1 and slot < PROLOGUE_SLOTS:",
        f"{TABLE}test_each_leaf_around_the_tokens_has_the_op_of_the_layout[64]",
    ),
    step(
        "Audit 2 K3",
        "Cell",
        "",
        "extract32(g.x[2], 32 * FEE),",
        "empty(bytes32),",
        f"{LIAR}[fee]",
    ),
    step(
        "Audit 2 H2",
        "Roots",
        "frame",
        "def _word(data: Bytes[c.CHUNK_BYTES], word: uint256) -> int256:\n    if len(data) == 0:",
        "def _word(data: Bytes[c.CHUNK_BYTES], word: uint256) -> int256:\n    if False:",
        f"{HERE}test_frame.py::test_a_dead_leaf_has_dead_lanes",
    ),
    step(
        "Audit 2 H7",
        "Roots",
        "",
        "unsafe_sub(count, 1) % c.MAX_BATCH_ENTRIES",
        "count % c.MAX_BATCH_ENTRIES",
        f"{LIAR}[roots of another last record]",
    ),
    step(
        "Audit 2 H8",
        "Roots",
        "frame_path",
        "codec._outbox_root(0, merkle",
        "codec._outbox_root(1, merkle",
        f"{LIAR}[messages sent]",
    ),
    step(
        "Audit 2 H9",
        "State",
        "",
        " == name\n            and extract32(given.x[2], 32 * place) == type_hash",
        " == name\n            and type_hash != empty(bytes32)",
        "tests/differential/test_step_state.py::test_python_and_verifier_say_the_same[85]",
    ),
    table(
        "Audit 2 M3",
        "return lanes.PAD",
        "return 2",
        "test_a_slot_without_a_record_is_pad",
    ),
)

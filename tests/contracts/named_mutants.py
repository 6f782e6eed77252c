"""For each invariant a change that breaks it, and the one test that must notice.

`make soak PART=invariants` applies each alone, compiles, and runs that test; `make test` holds the
texts to the contracts, the tests to their tags. Those of one-step proofs are in step_mutants.py.
"""

from __future__ import annotations

from dataclasses import dataclass

CLOCKS = "tests/clocks/test_search.py::"
ATTACKS = "tests/clocks/test_attacks.py::test_the_contracts_stand_an_attack"
HERE = "tests/contracts/"


@dataclass(frozen=True)
class Named:
    """A mutant: `tag` is broken by `new` for `old` in a module of `target`, and `test` dies."""

    tag: str
    target: str
    file: str
    old: str
    new: str
    test: str

    @property
    def path(self) -> str:
        """Of the file that is changed."""
        folder = "contracts" if self.file == self.target else "contracts/modules"
        return f"{folder}/{self.file}.vy"


def game(tag: str, file: str, old: str, new: str, test: str) -> Named:
    return Named(tag, "DuelGame", file, old, new, test)


def rollup(tag: str, file: str, old: str, new: str, test: str) -> Named:
    return Named(tag, "Rollup", file, old, new, test)


def inbox(tag: str, file: str, old: str, new: str, test: str) -> Named:
    return Named(tag, "Inbox", file, old, new, test)


def pay(tag: str, old: str, new: str, test: str) -> Named:
    return Named(tag, "MovePay", "MovePay", old, new, f"{HERE}test_duel_pay.py::{test}")


NAMED = (
    rollup(
        "Invariant 1",
        "forks",
        'assert self._count_living(parent) == 1, "rollup: a sibling lives"',
        'assert self._count_living(parent) >= 1, "rollup: a sibling lives"',
        f"{CLOCKS}test_random_schedules_agree_on_the_contracts",
    ),
    rollup(
        "Invariant 2",
        "Rollup",
        "assertions.finals[n] = id",
        "assertions.finals[n - 1] = id",
        f"{HERE}test_under_dispute.py::test_readers_see_the_same_before_during_and_after_a_dispute",
    ),
    game(
        "Invariant 5",
        "descent",
        "m = sha256(concat(move.waiting_siblings[level], m))",
        "m = sha256(concat(move.moving_siblings[level], m))",
        f"{HERE}test_duel_phases.py::test_moves_past_the_first_difference_are_refused",
    ),
    game(
        "Invariant 7",
        "bouts",
        "assert revealed.type != c.CHUNK_PAD or mine == lanes.PAD_LEAF",
        "assert revealed.type != c.CHUNK_PAD or mine != empty(bytes32)",
        f"{HERE}test_duel_padding.py::test_a_pad_leaf_that_is_not_zeros_is_never_shown",
    ),
    game(
        "Invariant 8",
        "descent",
        'assert move.waiting != move.moving, "duel: children agree"',
        "assert move.waiting != move.moving and move.waiting != empty(bytes32), "
        '"duel: children agree"\n    assert move.moving != empty(bytes32)',
        f"{HERE}test_duel.py::test_a_descent_ends_at_the_first_record_that_differs",
    ),
    game(
        "Invariant 9",
        "bouts",
        'assert len(revealed.raw) == c.CHUNK_BYTES, "duel: a leaf is 1,024 bytes"',
        'assert len(revealed.raw) <= c.CHUNK_BYTES, "duel: a leaf is 1,024 bytes"',
        f"{HERE}test_duel_leaves.py::test_a_node_is_no_leaf",
    ),
    game(
        "Invariant 9",
        "champions",
        'assert len(siblings) == c.HEX_BITS * (LEVELS - 1), "duel: wrong inner height"',
        'assert len(siblings) <= c.HEX_BITS * (LEVELS - 1), "duel: wrong inner height"',
        f"{HERE}test_duel_rules.py::test_who_may_commit_and_what",
    ),
    rollup(
        "Invariant 10",
        "Rollup",
        'assert assertions.records[id].word == 0, "rollup: already proposed"',
        'assert assertions.records[id].word & c.M8 != c.STATUS_FINAL, "rollup: already proposed"',
        f"{HERE}test_forks.py::test_anyone_posts_the_true_sibling_and_neither_is_final",
    ),
    game(
        "Invariant 11",
        "champions",
        'assert duels._is_pending(rival), "duel: rival not pending"',
        'assert rival != empty(bytes32), "duel: rival not pending"',
        f"{HERE}test_duel_rules.py::test_all_duels_of_a_dead_assertion_are_moot_at_once",
    ),
    game(
        "Invariant 12",
        "bouts",
        "    if not is_right[1 - turn]:",
        "    elif not is_right[1 - turn]:",
        f"{HERE}test_duel.py::test_two_lies_in_one_lane_both_die_and_the_fork_opens_again",
    ),
    game(
        "Invariant 14",
        "descent",
        "    if self._turn(word) == 1:\n        at = REM_1_AT",
        "    if self._turn(word) == 0:\n        at = REM_1_AT",
        f"{HERE}test_duel_clock.py::test_one_clock_runs_and_the_sum_never_grows",
    ),
    game(
        "Invariant 15",
        "descent",
        "return self._elapsed(word) >= self._rem(word, self._turn(word))",
        "return self._elapsed(word) > self._rem(word, self._turn(word))",
        f"{HERE}test_duel_clock.py::test_a_move_and_a_defeat_exclude_each_other",
    ),
    game(
        "Invariant 16",
        "descent",
        "return self._elapsed(word) >= self._rem(word, self._turn(word))",
        "rem: uint256 = self._rem(word, self._turn(word))\n"
        "    return self._elapsed(word) >= rem and self._elapsed(word) < rem + 1_000",
        f"{HERE}test_duel_clock.py::test_a_move_and_a_defeat_exclude_each_other",
    ),
    game(
        "Invariant 17",
        "bouts",
        'assert descent._phase(word) < descent.RESOLVABLE, "duel: no clock runs"',
        'assert descent._phase(word) <= descent.RESOLVABLE, "duel: no clock runs"',
        f"{HERE}test_duel_clock.py::test_no_clock_runs_once_a_bout_can_be_resolved",
    ),
    rollup(
        "Invariant 18",
        "forks",
        "return WINDOW - (block.timestamp - start)",
        "return WINDOW",
        f"{HERE}test_duel_clock.py::test_the_newer_side_has_what_the_fork_left_it",
    ),
    rollup(
        "Invariant 19",
        "forks",
        'assert block.timestamp < start + WINDOW, "rollup: too late to join"',
        'assert block.timestamp <= start + WINDOW, "rollup: too late to join"',
        f"{HERE}test_forks.py::test_an_old_survivor_cannot_be_rivaled",
    ),
    game(
        "Invariant 20",
        "duels",
        "                newer.created_at,\n",
        "                block.timestamp,\n",
        f"{CLOCKS}test_the_worst_schedule_is_played_by_the_contracts",
    ),
    game(
        "Invariant 21",
        "descent",
        "charged: uint256 = word - (self._elapsed(word) << at)",
        "charged: uint256 = word - (0 << at)",
        f"{CLOCKS}test_random_schedules_agree_on_the_contracts",
    ),
    rollup(
        "Invariant 22",
        "forks",
        "return WINDOW - (block.timestamp - start)",
        "return WINDOW - (block.timestamp - start) // 2",
        f"{HERE}test_duel_crowds.py::test_many_rivals_win_no_more_time_than_one",
    ),
    game(
        "Invariant 23",
        "descent",
        "return self._elapsed(word) >= self._rem(word, self._turn(word))",
        "return self._elapsed(word) + 1 >= self._rem(word, self._turn(word))",
        f"{CLOCKS}test_whoever_is_censored_for_a_window_loses",
    ),
    game(
        "Invariant 24",
        "descent",
        "return block.timestamp - self._last(word)",
        "return block.number",
        f"{HERE}test_duel_clock.py::test_time_is_block_time_alone",
    ),
    inbox(
        "Invariant 25",
        "Inbox",
        "    books.credits -= amount\n",
        "",
        f"{HERE}test_money.py::test_close_then_finalize_leaves_only_credit",
    ),
    rollup(
        "Invariant 26",
        "stakes",
        "        self.words[staker] -= ONE_CHAMPIONSHIP",
        "        self.words[staker] -= 0",
        f"{HERE}test_under_dispute.py::test_an_honest_stake_comes_back_whole",
    ),
    rollup(
        "Invariant 27",
        "stakes",
        "    if not self._is_live(staker):\n        return 0\n    self.words[staker] = SLASHED",
        "    if self.words[staker] == 0:\n        return 0\n    self.words[staker] = SLASHED",
        f"{HERE}test_duel_rules.py::test_a_champion_slashed_elsewhere_is_expelled_once",
    ),
    rollup(
        "Invariant 28",
        "stakes",
        'assert self.tips[staker] == parent, "rollup: stake bound to its tip"',
        'assert self.tips[staker] != empty(bytes32), "rollup: stake bound to its tip"',
        f"{HERE}test_branches.py::test_one_stake_backs_one_branch",
    ),
    pay(
        "Invariant 29",
        "amount: uint256 = min(c.MOVE_PAY_WEI, left)",
        "amount: uint256 = c.MOVE_PAY_WEI",
        "test_one_stake_pays_a_quarter_at_most",
    ),
    rollup(
        "Invariant 30",
        "stakes",
        "        self.words[staker] -= ONE_PROPOSAL",
        "        self.words[staker] = LIVE",
        f"{HERE}test_branches.py::test_a_dead_tip_binds_until_the_stake_is_free",
    ),
    rollup(
        "Invariant 31",
        "stakes",
        "    if self._is_live(staker):\n        self.words[staker] -= ONE_PROPOSAL",
        "    if self.words[staker] != 0:\n        self.words[staker] -= ONE_PROPOSAL",
        f"{HERE}test_branches.py::test_void_goes_down_a_dead_branch_and_frees",
    ),
    pay(
        "Invariant 32",
        "    self.credit[msg.sender] = 0\n",
        "",
        "test_pay_is_pulled_to_any_address",
    ),
    inbox(
        "Invariant 33",
        "Inbox",
        "amount: uint256 = self.balance - books.escrow - books.credits",
        "amount: uint256 = self.balance - books.credits",
        f"{HERE}test_money.py::test_forced_ether_is_burned_and_books_stay",
    ),
    rollup(
        "Invariant 33",
        "credits",
        "amount: uint256 = self.balance - stakes.total - self._credit(GAME)",
        "amount: uint256 = self.balance - stakes.total",
        f"{HERE}test_stakes.py::test_the_rest_of_a_slashed_stake_is_burned_by_anyone_whenever",
    ),
    rollup(
        "Invariant 34",
        "Rollup",
        "stakes._bind(msg.sender, parent, id)",
        "stakes._bind(tx.origin, parent, id)",
        f"{HERE}test_under_dispute.py::test_a_wallet_is_its_own_author",
    ),
    game(
        "Invariant 35",
        "duels",
        "    changed.descent = state\n    self.duels[key] = keccak256(abi_encode(changed))",
        "    changed.descent = state",
        f"{HERE}test_duel_rules.py::test_an_identical_move_comes_second_and_costs_little",
    ),
    game(
        "Invariant 36",
        "duels",
        'assert self.duels[key] == keccak256(abi_encode(duel)), "duel: another state"',
        'assert self.duels[key] != empty(bytes32), "duel: another state"',
        f"{HERE}test_duel_rules.py::test_states_of_others_do_not_pass",
    ),
    rollup(
        "Invariant 37",
        "forks",
        "    living: uint256 = (word >> 64) & c.M24\n",
        "    living: uint256 = (word >> 64) & c.M24\n"
        "    for i: uint256 in range(living, bound=16_384):\n"
        "        assert self.words[keccak256(convert(i, bytes32))] == 0\n",
        f"{HERE}test_duel_crowds.py::test_no_call_costs_more_in_a_crowd",
    ),
    game(
        "Invariant 38",
        "duels",
        'assert self.duels[key] == empty(bytes32), "duel: open already"',
        'assert key != empty(bytes32), "duel: open already"',
        f"{HERE}test_duel_rules.py::test_opening_in_both_orders_twice_and_with_itself",
    ),
    game(
        "Invariant 39",
        "champions",
        "    extcall duels.ROLLUP.slash(staker)",
        "    done: bool = raw_call(\n"
        "        duels.ROLLUP.address,\n"
        '        abi_encode(staker, method_id=method_id("slash(address)")),\n'
        "        revert_on_failure=False,\n"
        "    )",
        f"{HERE}test_duel_starved.py::test_a_resolution_with_too_little_gas_decides_nothing",
    ),
    game(
        "Invariant 40",
        "descent",
        'assert self._phase(descent.word) == START, "duel: started"',
        'assert self._phase(descent.word) != 0, "duel: started"',
        f"{HERE}test_duel_phases.py::test_outer_moves_in_a_wrong_phase",
    ),
    rollup(
        "Invariant 41",
        "Rollup",
        "if block.timestamp > opened_at + FIRST_CHILD_SECONDS:",
        "if block.timestamp >= opened_at + FIRST_CHILD_SECONDS:",
        f"{HERE}test_forks.py::test_a_silent_sequencer_gains_no_time_by_small_batches",
    ),
    inbox(
        "Invariant 42",
        "Inbox",
        "first_call=open.first_call + open.count,",
        "first_call=open.first_call + open.count + 1,",
        f"{HERE}test_batches.py::test_a_full_batch_leaves_nothing_behind",
    ),
    inbox(
        "Invariant 43",
        "bucket",
        "if level > BURST:",
        "if level > 2 * BURST:",
        f"{HERE}test_economics.py::test_prices_and_levels_are_the_contracts_on_any_schedule",
    ),
    rollup(
        "Invariant 47",
        "assertions",
        'assert n <= self.head, "rollup: batch not final"',
        'assert n < self.head, "rollup: batch not final"',
        f"{HERE}test_under_dispute.py::test_readers_see_the_same_before_during_and_after_a_dispute",
    ),
    # the audits' findings about duels, on the contracts
    rollup(
        "Audit 3 S1",
        "stakes",
        "    if (word >> 8) & c.M32 > 0:\n        assert self.tips",
        "    if (word >> 8) > 0:\n        assert self.tips",
        f"{ATTACKS}[S1]",
    ),
    game(
        "Audit 3 S2",
        "duels",
        '    assert side < 2, "duel: neither side"\n    self._check_pending(duel)',
        '    assert side < 2, "duel: neither side"',
        f"{ATTACKS}[S2]",
    ),
    game(
        "Audit 3 S3",
        "champions",
        "if staticcall duels.ROLLUP.status(duels._id_of(duel, side)) == c.STATUS_DEFEATED:",
        "if staticcall duels.ROLLUP.status(duels._id_of(duel, side)) == c.STATUS_VOID:",
        f"{ATTACKS}[S3]",
    ),
    rollup(
        "Audit 3 S4",
        "stakes",
        "assert first == empty(bytes32) or first == id",
        "assert first == empty(bytes32) or first != empty(bytes32)",
        f"{ATTACKS}[S4]",
    ),
    rollup(
        "Audit 3 S7",
        "stakes",
        "    self.words[staker] = word & (2**72 - 1)\n",
        "",
        f"{ATTACKS}[S7]",
    ),
    game(
        "Audit 1 C3",
        "bouts",
        'assert descent._phase(word) < descent.RESOLVABLE, "duel: no clock runs"',
        'assert descent._phase(word) < descent.LEAF, "duel: no clock runs"',
        f"{HERE}test_duel_leaves.py::test_a_withheld_leaf_times_out",
    ),
    rollup(
        "Audit 1 C5",
        "Rollup",
        "assert trace._fold_last_record(claim, last_record_proof) == claim.trace_root",
        "assert trace._fold_last_record(claim, last_record_proof) != empty(bytes32)",
        f"{ATTACKS}[C5]",
    ),
    rollup(
        "Audit 1 C6",
        "Rollup",
        "    stakes.tips[msg.sender] = tip\n",
        "",
        f"{ATTACKS}[C6]",
    ),
    game(
        "Audit 2 K1",
        "champions",
        "return keccak256(abi_encode(key, side, staker))",
        "return keccak256(abi_encode(key, side, key))",
        f"{ATTACKS}[K1]",
    ),
    rollup(
        "Audit 2 K2",
        "stakes",
        'assert self.tips[staker] == parent, "rollup: stake bound to its tip"',
        'assert self.tips[staker] != empty(bytes32), "rollup: stake bound to its tip"',
        f"{ATTACKS}[K2]",
    ),
    rollup(
        "Audit 2 H1",
        "forks",
        'assert block.timestamp < start + WINDOW, "rollup: too late to join"',
        'assert block.timestamp <= start + WINDOW, "rollup: too late to join"',
        f"{ATTACKS}[H1]",
    ),
    game(
        "Audit 2 H2",
        "bouts",
        "if first.type != second.type and true_value == lanes.PAD:",
        "if first.type == c.CHUNK_PAD and second.type == c.CHUNK_PAD:",
        f"{HERE}test_duel_padding.py::test_a_word_that_looks_like_pad_is_not_pad",
    ),
    game(
        "Audit 2 H3",
        "champions",
        "inner_root = sha256(concat(sibling, inner_root))",
        "inner_root = sha256(concat(inner_root, sibling))",
        f"{HERE}test_duel_rules.py::test_who_may_commit_and_what",
    ),
    rollup(
        "Audit 2 M2",
        "stakes",
        'assert self.words[staker] == LIVE, "rollup: stake not idle"',
        'assert self.words[staker] & c.M8 == LIVE, "rollup: stake not idle"',
        f"{ATTACKS}[M2]",
    ),
)

"""Every adversary against an honest party: the truth is final in time, each liar slashed once."""

from __future__ import annotations

from typing import cast

import pytest

from tests.actors.duels import catalog
from tests.actors.duels import records as rec
from tests.actors.duels.board import Board
from tests.actors.duels.forkers import SiblingSpammer
from tests.actors.duels.liars import WrongAtRecord
from tests.actors.duels.moves import Act
from tests.actors.duels.party import Liar, find_truth, is_true
from tests.actors.duels.stage import BLOCK, HONEST, LATENCIES, PAID, Stage, T, find_arena
from tests.contracts.harness import ETHER, GRAVE, SEQUENCER, Reverted

PLACES = [
    (name, liar_first)
    for name, found in sorted(catalog.ADVERSARIES.items())
    for liar_first in (True, False)
    if liar_first or not found.wants_sequencer
]


def play(name: str, *, seed: int = 0, liar_first: bool = True) -> Stage:
    return catalog.play(catalog.set_stage([name], seed=seed, liar_first=liar_first))


def outs(stage: Stage) -> list[tuple[bytes, int]]:
    """Who went out as a champion, and how."""
    return [
        (seen.args["staker"], seen.args["how"])
        for seen in stage.arena.history
        if seen.name == "ChampionOut"
    ]


def the_duel(stage: Stage) -> rec.Duel:
    (duel,) = stage.board.duels.values()
    return duel


def the_bout(stage: Stage) -> rec.Bout:
    (bout,) = the_duel(stage).bouts.values()
    return bout


@pytest.mark.parametrize(("name", "liar_first"), PLACES)
def test_an_adversary_harms_nobody_but_itself(name: str, liar_first: bool) -> None:
    """Invariant 1, Invariant 20, Invariant 26, Invariant 27: against both honest parties."""
    for make_honest in catalog.HONEST_PARTIES.values():
        stage = catalog.set_stage([name], seed=2, liar_first=liar_first, make_honest=make_honest)
        assert catalog.play(stage).board.slashed


@pytest.mark.parametrize("name", ["Withholder", "ZeroNodes"])
def test_who_cannot_show_a_node_runs_out_of_time(name: str) -> None:
    """Invariant 8; three transactions answer it: the truth, the opening and the end."""
    stage = play(name)
    duel = the_duel(stage)
    assert duel.descent.phase <= rec.DESCENT
    assert not duel.champions
    done = {name for who, name in stage.report.done if who == HONEST}
    assert done <= {"deposit_stake", "propose", "open_duel", "start", "defeat", "finalize", *PAID}


def test_a_tree_of_zeros_plays_to_its_record_and_has_no_champion() -> None:
    """Invariant 8"""
    duel = the_duel(play("ZeroTree"))
    assert duel.descent.phase == rec.COMMIT
    assert bytes(32) in duel.descent.state[:2]
    assert [side for side, _ in duel.champions] == [1]


def test_a_tree_of_one_constant_plays_to_the_lane() -> None:
    """Invariant 8"""
    stage = play("ConstantTree")
    assert the_bout(stage).descent.phase == rec.RESOLVED
    assert outs(stage) == [(stage.adversaries[0].stakes[1], 2)]


@pytest.mark.parametrize("liar_first", [True, False])
def test_moves_in_the_last_second_win_no_time(liar_first: bool) -> None:
    """Invariant 21: all that the liar had is gone; the honest side used a block a move."""
    stage = play("LastSecond", liar_first=liar_first)
    liar, honest = (0, 1) if liar_first else (1, 0)
    state = the_duel(stage).descent
    assert state.rem(liar) <= BLOCK
    assert state.rem(honest) >= T - 6 * BLOCK


@pytest.mark.parametrize("seed", range(6))
def test_a_wrong_lane_anywhere_is_found(seed: int) -> None:
    """Invariant 4, Invariant 5: the duel ends at that record, leaf and lane."""
    stage = play("WrongAtRecord", seed=seed, liar_first=bool(seed % 2))
    liar = cast(WrongAtRecord, stage.adversaries[0])
    record, leaf, lane, _ = liar.find_change(stage.board.batches[1])
    bout = the_bout(stage)
    assert the_duel(stage).descent.index == record
    assert (bout.descent.record, bout.descent.index) == (record, leaf)
    assert stage.board.lanes == [lane]


def test_true_lanes_above_a_false_record_die_in_the_record() -> None:
    stage = play("HonestLanes")
    assert the_bout(stage).descent.index == 4_080
    assert stage.board.lanes == [0]


def test_a_leaf_without_a_preimage_dies_by_the_clock() -> None:
    """Audit 1 C3: the last reveal is clocked too."""
    stage = play("UnknownLeaf")
    liar = stage.adversaries[0].stakes[1]
    assert the_bout(stage).descent.phase in (rec.DESCENT, rec.LEAF)
    assert the_bout(stage).descent.level <= 1
    assert outs(stage) == [(liar, 1)]
    assert stage.board.lanes == []


@pytest.mark.parametrize("seed", [0, 1])
def test_padding_that_lives_and_life_that_is_padded(seed: int) -> None:
    """Invariant 7"""
    stage = play("PaddingLiar", seed=seed)
    kinds = [kind for kind, _ in the_bout(stage).leaves]
    assert kinds.count(0) == 1
    (value,) = (s.args["lane_value"] for s in stage.arena.history if s.name == "Resolved")
    assert (value == -(2**255)) == (seed == 0)


def test_the_true_state_under_nobodys_trace_is_answered_at_once() -> None:
    """Audit 1 C2: whoever compares state roots alone comes too late for the second lie."""
    stage = play("RightStateWrongTrace")
    first, truth, second = stage.board.assertions.values()
    assert first.claim[1:] == truth.claim[1:]
    assert is_true(stage.board, truth)
    assert truth.created_at - first.created_at <= BLOCK
    assert second.created_at - first.created_at >= T - 20


def test_garbage_before_the_honest_commit_harms_its_owner() -> None:
    """Audit 2 K1: the garbage is beaten; the true assertion lives by the honest champion."""
    stage = play("GarbageChampion")
    liar, lying, garbage = stage.adversaries[0].stakes
    commits = [s.args["staker"] for s in stage.arena.history if s.name == "Committed"]
    assert commits.index(garbage) < commits.index(HONEST)
    assert sorted(outs(stage)) == sorted([(garbage, 2), (lying, 2)])
    assert sorted(stage.board.slashed) == sorted([liar, lying, garbage])


@pytest.mark.parametrize("seed", range(3))
def test_a_silent_proposer_of_the_truth_is_not_needed(seed: int) -> None:
    """Audit 2 K1: the honest party posts nothing, and stands for what another posted."""
    stage = play("SilentProposer", seed=seed)
    assert stage.report.done[HONEST, "propose"] == 0
    (final,) = stage.board.finals
    assert stage.board.assertions[final[0]].proposer == SEQUENCER
    assert SEQUENCER not in stage.board.slashed


def test_a_champion_slashed_elsewhere_is_expelled() -> None:
    stage = play("SlashedElsewhere")
    champion = stage.adversaries[0].stakes[2]
    assert [how for who, how in outs(stage) if who == champion] == [2, 3]
    assert stage.board.slashed.count(champion) == 1


def test_stalling_champions_fall_with_their_assertion() -> None:
    """Audit 3 S3: all of them are burnt, though no bout of theirs was ever lost."""
    stage = play("Stallers")
    stallers = stage.adversaries[0].stakes[2:]
    assert sorted(outs(stage)) == sorted((who, 4) for who in stallers)
    assert set(stallers) <= set(stage.board.slashed)
    assert stage.board.lanes == []


def test_one_stake_champions_one_lie_of_a_fork() -> None:
    """Audit 3 S4"""
    stage = play("OneStakeForAll")
    (champion,) = stage.adversaries[0].stakes[-1:]
    assert stage.report.refused["rollup: champions a sibling"] > 0
    ids = {
        duel.ids[side]
        for duel in stage.board.duels.values()
        for side, staker in duel.champions
        if staker == champion
    }
    assert len(ids) == 1
    assert stage.report.count(HONEST) <= 3 + 8 * 4 + 3


@pytest.mark.parametrize("lies", [1, 3, 6])
def test_honest_work_is_linear_in_the_lies(lies: int) -> None:
    """Invariant 22: 8 transactions a lie and 3 a champion at most, and one bound of time."""
    liar = SiblingSpammer(sequencer=SEQUENCER, stakes=2 * lies)
    arena = find_arena(SEQUENCER)
    honest = catalog.make_solver(HONEST, catalog.read_terms(arena), False)
    stage = catalog.play(Stage(honest, [liar], arena))
    # a stake, the truth and its finalization
    assert stage.report.count(HONEST) <= 3 + 8 * lies + 3 * lies
    assert len(stage.board.slashed) == 2 * lies


@pytest.mark.parametrize(
    ("name", "blocks"), [("SiblingSpammer", 45), ("Stallers", 20), ("OverlappingForks", 14)]
)
def test_one_move_a_block_is_enough(name: str, blocks: int) -> None:
    """Where blocks have room for one: the nearest deadline comes first.

    Rule: CHAL-39
    """
    stage = catalog.set_stage([name], seed=2)
    stage.pace, stage.latencies = 1, blocks
    catalog.play(stage)


@pytest.mark.parametrize(("lies", "pace"), [(6, 1), (16, 1), (24, 16)])
def test_many_lies_at_so_many_moves_a_block(lies: int, pace: int) -> None:
    """At one a block sixteen duels and their bouts fill 120 blocks nearly; 24 would be lost.

    Rule: CHAL-39, CHAL-47
    """
    liar = SiblingSpammer(sequencer=SEQUENCER, stakes=2 * lies)
    arena = find_arena(SEQUENCER, [liar.get_nth(i) for i in range(lies)])
    stage = Stage(catalog.make_solver(HONEST, catalog.read_terms(arena), False), [liar], arena)
    stage.pace, stage.latencies = pace, 8 * lies // pace + LATENCIES
    catalog.play(stage)
    assert len(stage.board.slashed) == 2 * lies


@pytest.mark.parametrize("liar_first", [True, False])
def test_rivals_one_after_another_win_no_time(liar_first: bool) -> None:
    """Invariant 21: late joiners have what the fork left them, the last one a block."""
    stage = play("ReRivaller", liar_first=liar_first)
    lies = [a for a in stage.board.assertions.values() if a.status == rec.DEFEATED]
    assert len(lies) == len({lie.created_at for lie in lies}) == 6
    began = min(a.created_at for a in stage.board.assertions.values())
    assert max(lie.created_at for lie in lies) >= began + T - BLOCK
    (final,) = stage.board.finals
    assert final[1] <= began + T + 14 * BLOCK


def test_both_sides_cost_three_quarters_of_a_stake() -> None:
    """Invariant 29: whoever loses to itself is paid a quarter of its stake at most."""
    stage = play("BothSides")
    arena, accomplice = stage.arena, stage.adversaries[0].stakes[1]
    assert stage.board.slashed == [stage.adversaries[0].stakes[0]]
    assert stage.report.done[accomplice, "pay_duel"] == 1
    assert 0 < arena.pay.credit(accomplice) <= ETHER // 4
    arena.rollup.burn()
    assert arena.balance(GRAVE) == ETHER - ETHER // 4


def test_a_locked_tip_steps_down_to_the_lie_above() -> None:
    """Audit 1 C6: one stake answers a lie two batches above its own proposal."""
    stage = play("TipLocker")
    assert stage.report.done[HONEST, "step_down"] == 1
    lie = next(a for a in stage.board.assertions.values() if a.batch == 3 and a.status == 3)
    truth = find_truth(stage.board, lie.parent)
    assert truth is not None
    assert truth.proposer == HONEST


def test_overlapping_forks_have_the_honest_stake_twice() -> None:
    """Audit 3 S1: a champion proposes; two of its championships run at once."""
    stage = play("OverlappingForks")
    commits = [s for s in stage.arena.history if s.name == "Committed"]
    mine = [s for s in commits if s.args["staker"] == HONEST]
    first, second = mine
    proposals = [a for a in stage.board.assertions.values() if a.proposer == HONEST]
    assert [a.batch for a in proposals] == [2]
    released = next(s.time for s in stage.arena.history if s.name == "ChampionReleased")
    assert first.time < proposals[0].created_at < second.time < released


@pytest.mark.parametrize("liar_first", [True, False])
def test_a_front_runner_works_for_the_honest_party(liar_first: bool) -> None:
    """Invariant 35: each identical move comes second, is refused, and nothing is missing."""
    stage = play("FrontRunner", liar_first=liar_first)
    runner = stage.adversaries[0].stakes[2]
    copied = {name for who, name in stage.report.done if who == runner}
    assert {"advance", "inner", "leaf", "resolve", "defeat", "finalize"} <= copied
    assert stage.report.refused["duel: another state"] >= 3
    alone = play("WrongAtRecord", liar_first=liar_first).report
    honest = HONEST if liar_first else SEQUENCER
    assert stage.report.count(honest) < alone.count(honest)


@pytest.mark.parametrize("seed", range(4))
def test_undone_blocks_cost_time_alone(seed: int) -> None:
    """Invariant 36: acts that come again in another order do what they said, or nothing."""
    stage = play("Reorger", seed=seed)
    assert stage.report.undone >= 10
    assert sum(stage.report.refused.values()) > 0


def test_a_reorg_of_the_batch_leaves_no_signed_lie() -> None:
    """Audit 1 H1: signed for another content of the batch, a proposal is refused."""
    stage = catalog.set_stage(["Withholder"], liar_first=False)
    kept, length = stage.arena.evm.snapshot(), len(stage.arena.history)
    stage.close_batch()
    (first, *_) = stage.honest.decide(stage.look())
    assert stage.perform(first)
    (signed, *_) = stage.honest.decide(stage.look())
    before = stage.board.batches[2].hash
    stage.arena.evm.revert(kept)
    del stage.arena.history[length:]
    stage.board, stage.read = Board(stage.arena.genesis), 0
    stage.arena.pass_time(3)
    stage.close_batch()
    assert stage.look().batches[2].hash != before
    assert stage.perform(first)
    assert not stage.perform(signed)
    assert stage.report.refused["rollup: another batch"] == 1
    assert stage.board.stakes[SEQUENCER].status == rec.LIVE


@pytest.mark.parametrize("seed", range(4))
def test_too_little_gas_does_nothing_or_all(seed: int) -> None:
    """Invariant 39: no inner failure is swallowed, no half of a move stands."""
    stage = play("OutOfGasCaller", seed=seed)
    assert stage.report.starved[True] > 0
    assert stage.report.starved[False] > 0


def test_a_contract_that_takes_no_ether_blocks_nobody() -> None:
    """Invariant 34: it stays the author; its pay waits until it names who takes it."""
    stage = play("ContractWallet")
    arena = stage.arena
    ((wallet, (contract, owner)),) = stage.wallets.items()
    (final,) = stage.board.finals
    assert stage.board.assertions[final[0]].proposer == wallet
    for duel in stage.board.duels.values():
        side = next(i for i in (0, 1) if stage.board.status(duel.ids[i]) == rec.DEFEATED)
        arena.pay.pay_duel(duel.words, side, duel.movers)
    assert arena.pay.credit(wallet) > 0
    own = Act(wallet, "pay", "withdraw", (wallet,))
    assert not stage.perform(own)
    assert stage.report.refused["wallet: no payments"] == 1
    assert arena.pay.credit(wallet) > 0
    assert stage.perform(Act(wallet, "pay", "withdraw", (HONEST,)))
    assert stage.perform(Act(wallet, "rollup", "request_withdrawal"))
    arena.pass_time(arena.settings.response_window)
    assert not stage.perform(Act(wallet, "rollup", "withdraw_stake", (wallet,)))
    assert stage.perform(Act(wallet, "rollup", "withdraw_stake", (owner,)))
    with pytest.raises(Reverted, match="owner only"):
        contract.execute(arena.rollup.address, b"", sender=HONEST)
    arena.check_solvent()


@pytest.mark.parametrize("seed", range(12))
def test_adversaries_together(seed: int) -> None:
    """Invariant 48: two to four at once, the honest party censored for up to T - D."""
    catalog.play_random(seed, tuple(catalog.HONEST_PARTIES.values())[seed % 2])


def test_the_catalog_is_whole() -> None:
    assert len(catalog.ADVERSARIES) >= 22
    assert all(issubclass(c, Liar) for n, c in catalog.ADVERSARIES.items() if n != "ContractWallet")


def test_one_stake_stands_behind_one_lie_of_a_fork() -> None:
    """Audit 2 K2"""
    stage = play("Sprayer")
    assert stage.report.refused["rollup: stake bound to its tip"] >= 4
    lies = [a for a in stage.board.assertions.values() if a.status == rec.DEFEATED]
    assert len(lies) == 1

"""Measures what `oyez bench dispute` prints: every kind of number broken once, and proven on chain.

A rollup with the real model and its step verifiers; one long call whose records hold every kind.
For each kind one account posts the true result with one such number false and defends it by the
shipped agent; the duel ends when the contract recomputes that lane. All from receipts, over full
tree heights. The dearest kind is broken once more as the only lie of a chain, and those whose cost
an author's manifest decides behind the most options that one holds: the dearer gas counts. The same
again over a random model of a billion weights (`random_model`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from oyez.chain import contracts, deploy
from oyez.chain.devnet import Devnet
from oyez.client import Client
from oyez.derivation import history
from oyez.dispute.choosing import Spot, Wish, find_spot
from oyez.dispute.duel_moves import Commit, Fight, OpenDuel, Reveal
from oyez.dispute.trial import Judged, Trial, Truth, derive
from oyez.engines import exact
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.step_rows import prove_engine
from oyez.gas import detection, random_model
from oyez.gas.long_calls import (
    AROUND_INPUTS,
    build_action,
    build_around,
    build_dear_choice,
    build_dear_value,
    build_input,
)
from oyez.gas.metered import MeteredChain
from oyez.protocol import inner, inner_kinds
from oyez.protocol.constants import INNER_HEIGHT, MAX_LITERAL_TOKENS
from oyez.protocol.errors import Fatal
from oyez.protocol.inner_frame import Frame, layout_frame
from oyez.protocol.manifest import encode_manifest
from oyez.protocol.types import BatchNumber, Hash32, Manifest, Status
from oyez.reader import Reader

#: What each may cost at most.
BUDGETS = {
    "moves_max": 12,
    "gas_resolve": 480_000,
    "gas_duel_honest": 1_400_000,
    "openings_max": 16_384,
    "detect_ratio": 1.5,
}
#: What the result says of a random model.
SHAPE = ("layers", "width", "feed_forward", "heads", "kv_heads", "head_size", "vocabulary")


@dataclass(frozen=True, slots=True)
class Played:
    """What disputes over every kind of number of one model take.

    Attributes:
        moves_max: clocked moves of the longest duel.
        gas_move_max: of the dearest clocked move.
        gas_resolve: by op kind, the whole transaction.
        gas_duel_honest: all that the honest side sent in the dearest duel.
        op_kinds: every kind of number in the records that were disputed.
        op_kinds_proven: kind -> transaction whose resolve found the false lane.
        openings_max: bytes of the largest proof.
    """

    moves_max: int
    gas_move_max: int
    gas_resolve: dict[str, int]
    gas_duel_honest: int
    op_kinds: list[str]
    op_kinds_proven: dict[str, str]
    openings_max: int

    def find_over(self) -> list[str]:
        """Return the names of what is above its budget, or not proven."""
        over = [kind for kind, gas in self.gas_resolve.items() if gas > BUDGETS["gas_resolve"]]
        over += [kind for kind in self.op_kinds if kind not in self.op_kinds_proven]
        for name in ("moves_max", "gas_duel_honest", "openings_max"):
            if getattr(self, name) > BUDGETS[name]:
                over.append(name)
        return over


@dataclass(frozen=True, slots=True)
class Wide(Played):
    """The same of a random model.

    Attributes:
        shape: its sizes.
        position: of the disputed layers' records.
        detect_ratio_at_most: estimated, for nobody runs the whole model here (`detection`).
    """

    shape: dict[str, int]
    position: int
    detect_ratio_at_most: float


@dataclass(frozen=True, slots=True)
class Measured(Played):
    """What disputes over real lanes take.

    Attributes:
        detect_ratio: from seeing an assertion to the first move, over the batch's inference.
        wide: the same for a model of a billion weights.
    """

    detect_ratio: float
    wide: Wide

    def find_over(self) -> list[str]:
        """Return the names of what is above its budget, or not proven, of both models."""
        over = Played.find_over(self)
        if self.detect_ratio > BUDGETS["detect_ratio"]:
            over.append("detect_ratio")
        return over + [f"wide {name}" for name in self.wide.find_over()]


class DisputeWorld(MeteredChain):
    """A rollup with the real model, its steps and a game; one batch of one long call is closed."""

    def __init__(
        self,
        devnet: Devnet,
        engine: ExactEngine,
        action: Manifest | None = None,
        inputs: Sequence[bytes] | None = None,
        max_batch_seconds: int = 10,
    ) -> None:
        """Deploy, publish, call and close on a running chain with enough accounts.

        Without an action and its inputs the one call is `build_action`'s with `build_input`'s.
        """
        super().__init__(devnet)
        self.engine = engine
        settings = deploy.DeploySettings(
            sequencer=self.address(0),
            models=(deploy.ListedModel(engine.model_root, engine.shape),),
            proof=prove_engine(engine),
            # production's: every duel of the one fork fits into its window
            challenge_window=7 * 86_400,
            response_window=86_400,
            max_batch_seconds=max_batch_seconds,
        )
        self.deployment = deploy.deploy(self.chain, self.key(0), settings)
        client = Client(self.deployment, self.key(0), engine)
        published = client.publish(encode_manifest(build_action() if action is None else action))
        for data in (build_input(),) if inputs is None else inputs:
            client.call(published.action_id, data)
        self.pass_time(settings.max_batch_seconds + 1)
        self.send(contracts.Inbox(self.chain, self.deployment).build_close(), 1)

    def derive(self) -> Truth:
        """Run the batch."""
        reader = Reader(self.chain, self.deployment)
        found = history.fetch_history(self.chain, self.deployment)
        return derive(reader, found, found.batches[0], self.engine)

    def open_trial(
        self, truth: Truth, home: str, report: Callable[[str], None] = lambda _: None
    ) -> Trial:
        """Return the trial of lies about the batch; `home` keeps what is signed, no log is."""
        return Trial(
            self.devnet,
            self.chain,
            self.deployment,
            self.engine,
            truth,
            Path(home),
            lambda _event, /, **_facts: None,
            report,
        )


def list_around() -> list[str]:
    """Return every kind of the records around a call's tokens."""
    layouts = [layout_frame(frame, INNER_HEIGHT) for frame in Frame]
    return [kind for layout in layouts for kind in inner_kinds.list_kinds(layout)]


def list_wanted(engine: ExactEngine) -> list[str]:
    """Return every kind of a token position's records."""
    layouts = inner.layout_layer(engine.shape), inner.layout_sampler(engine.shape)
    return [kind for layout in layouts for kind in inner_kinds.list_kinds(layout)]


def measure(report: Callable[[str], None] = lambda _: None) -> Measured:
    """Measure everything on a fresh local chain; some minutes.

    Raises:
        Fatal: a lie was not defeated by the lane in which it was broken.
    """
    engine = exact.load_engine()
    if not isinstance(engine, ExactEngine):
        raise Fatal("the exact engine is needed")
    played = merge(
        play_all(engine, list_wanted(engine), report=report),
        play_all(engine, list_around(), build_around(), AROUND_INPUTS, report=report),
    )
    for action, wishes in list_dear():
        report("numbers behind the most options that a manifest holds")
        played = merge(played, play(engine, wishes, action, (b"ab",) * 2, report=report))
    ratio = detection.measure_ratio(engine, report)
    return Measured(**asdict(played), detect_ratio=ratio, wide=measure_wide(report=report))


def list_dear() -> list[tuple[Manifest, list[Wish]]]:
    """Return actions that make some numbers dear, and which those are."""
    choice = [
        Wish("token byte", 10),
        Wish("option token", 11),
        Wish("candidate", 11, 126),
        Wish("mode", 11),
        Wish("parsed byte", None, 32),
    ]
    return [(build_dear_choice(), choice), (build_dear_value(), [Wish("met value", None, 31)])]


def measure_wide(
    plan: random_model.Plan | None = None, report: Callable[[str], None] = lambda _: None
) -> Wide:
    """Measure a random model on a fresh local chain; some minutes for a billion weights.

    Raises:
        Fatal: as `measure`; or the call's prompt is not as long as planned.
    """
    plan = random_model.Plan() if plan is None else plan
    report("drawing a random model")
    engine, backend = random_model.build_engine(plan)
    prefix = min(plan.position // 2, MAX_LITERAL_TOKENS)
    action = build_action(prefix, plan.vocabulary, plan.position - prefix)
    inputs = (build_input(plan.position - prefix),)
    played = play_all(engine, list_wanted(engine), action, inputs, report=report)
    stated = {name: value for name, value in asdict(engine.shape).items() if name in SHAPE}
    report("timing detection beside the random model")
    ratio = detection.estimate_ratio(engine, backend.time_block())
    return Wide(**asdict(played), shape=stated, position=plan.position, detect_ratio_at_most=ratio)


def merge(first: Played, second: Played) -> Played:
    """Return what two plays take together; of a kind in both the dearer one counts.

    A kind that one of them did not prove is not proven.
    """
    resolve, proven = dict(first.gas_resolve), dict(first.op_kinds_proven)
    for kind, gas in second.gas_resolve.items():
        if gas > resolve.get(kind, 0):
            resolve[kind], proven[kind] = gas, second.op_kinds_proven[kind]
    for one in (first, second):
        for kind in set(one.op_kinds) - set(one.op_kinds_proven):
            proven.pop(kind, None)
    return Played(
        moves_max=max(first.moves_max, second.moves_max),
        gas_move_max=max(first.gas_move_max, second.gas_move_max),
        gas_resolve=resolve,
        gas_duel_honest=max(first.gas_duel_honest, second.gas_duel_honest),
        op_kinds=list(dict.fromkeys([*first.op_kinds, *second.op_kinds])),
        op_kinds_proven=proven,
        openings_max=max(first.openings_max, second.openings_max),
    )


def play_all(
    engine: ExactEngine,
    kinds: list[str],
    action: Manifest | None = None,
    inputs: Sequence[bytes] | None = None,
    *,
    report: Callable[[str], None] = lambda _: None,
) -> Played:
    """Play all of these kinds beside each other, then the dearest as the only lie of its fork.

    Beside others a lie is not the first to make what duels of one fork share.
    """
    together = play(engine, [Wish(kind) for kind in kinds], action, inputs, report=report)
    dearest = max(together.gas_resolve, key=lambda kind: together.gas_resolve[kind])
    report(f"{dearest} once more, as the only lie")
    return merge(together, play(engine, [Wish(dearest)], action, inputs, report=report))


def play(
    engine: ExactEngine,
    wishes: list[Wish],
    action: Manifest | None = None,
    inputs: Sequence[bytes] | None = None,
    *,
    report: Callable[[str], None] = lambda _: None,
) -> Played:
    """Break numbers of a batch's last call, each of another kind, and play all to their ends."""
    with (
        Devnet(accounts=100) as devnet,
        tempfile.TemporaryDirectory(prefix="oyez-bench-") as home,
    ):
        report("running the call")
        world = DisputeWorld(devnet, engine, action, inputs)
        truth = world.derive()
        trial = world.open_trial(truth, home, report)
        number = truth.batch.number
        last, execution = len(truth.executions) - 1, truth.executions[-1]
        spots = [find_spot(trial.machine, number, last, execution, wish) for wish in wishes]
        judged = trial.play([trial.build_lie(spot) for spot in spots])
        parent = trial.rollup.fetch_assertion(judged[0].story.ids[0]).parent
        openings = max(_count_openings(trial, number, spot, parent) for spot in spots)
        return _collect(world, trial, judged, [wish.kind for wish in wishes], openings)


def _count_openings(trial: Trial, batch: BatchNumber, spot: Spot, parent: Hash32) -> int:
    where = spot.record, spot.leaf, spot.lane_in_leaf
    return len(trial.machine.prove_step(batch, *where, parent))


def _collect(
    world: DisputeWorld,
    trial: Trial,
    judged: list[Judged],
    kinds: list[str],
    openings: int,
) -> Played:
    resolve, proven, moves = {}, {}, []
    for one in judged:
        (bout,) = one.story.bouts
        lane, spot = bout.lane, one.lie.spot
        # seven outer moves, two commits of which the later one counts with INNER 1, then the bout
        moves.append(one.story.moves + 2 + bout.moves - 2)
        if one.status is not Status.DEFEATED or lane is None or lane.transaction is None:
            continue
        if (lane.leaf, lane.lane) != (spot.leaf, spot.lane_in_leaf):
            raise Fatal(f"the duel about {spot.kind} ended in another lane than was broken")
        mined = world.chain.find_mined(lane.transaction)
        if mined is None:
            raise Fatal(f"the resolve about {spot.kind} is not on the chain")
        resolve[spot.kind] = mined.gas_used
        proven[spot.kind] = "0x" + lane.transaction.hex()
    clocked = [
        done.mined.gas_used for done in trial.done if isinstance(done.move, Reveal | Commit | Fight)
    ]
    spent = [_sum_gas(trial, one.story.key, one.assertion_id) for one in judged]
    return Played(
        moves_max=max(moves),
        gas_move_max=max(clocked),
        gas_resolve=resolve,
        gas_duel_honest=max(spent),
        op_kinds=kinds,
        op_kinds_proven=proven,
        openings_max=openings,
    )


def _sum_gas(trial: Trial, duel: Hash32, lie: Hash32) -> int:
    """Return what the honest account sent in one duel."""
    total = 0
    for done in trial.done:
        match done.move:
            case OpenDuel(ids=ids):
                mine = lie in ids
            case move:
                contest = getattr(move, "contest", None)
                mine = contest is not None and contest.duel.key == duel
        total += done.mined.gas_used if mine else 0
    return total

"""Verifiers of rows: which models they take, and the reasons that they give."""

from __future__ import annotations

import functools
import random
from dataclasses import replace

import pytest
from eth_abi.abi import decode, encode

from oyez.dispute import step_proof
from oyez.protocol import inner, trace
from oyez.protocol.step import Address
from tests import given_models, row_cases
from tests.contracts.harness import Contract, World, reverts
from tests.row_cases import ROWS, WIDE_ROWS, Case, Plan, Setup

PARTS_PLAN = Plan(64, 20, 2, 64, 2_080, matrices=(3,) * 7)


def take(plan: Plan, path: str, unknown: int | None = None) -> Contract:
    """Give a verifier a model of this plan, the rows of one layer of no known type."""
    world = World()
    model = row_cases.build_model(random.Random(1), plan)
    layers = tuple(
        replace(layer, types=(9,) * 7) if at == unknown else layer
        for at, layer in enumerate(model.layers)
    )
    address = given_models.deploy_model(world, replace(model, layers=layers)).address
    return world.deploy(path, address)


@pytest.mark.parametrize("matrix", range(7))
def test_a_model_of_an_unknown_row_type_is_refused(matrix: int) -> None:
    """Rule: INNER-17"""
    types = [3] * 7
    for kind in (0, 4, 9, 15, 30, 255):
        types[matrix] = kind
        with reverts("step: an unknown row type"):
            take(Plan(matrices=tuple(types)), ROWS)
    types[matrix] = 12  # of whole blocks of 256, which these rows are not
    with reverts("step: an unknown row type"):
        take(Plan(matrices=tuple(types)), ROWS)


def test_so_is_one_of_another_embedding_or_head() -> None:
    """Rule: INNER-17"""
    for changed in ({"embedding": 9}, {"head": 10}):
        with reverts("step: an unknown row type"):
            take(replace(Plan(), **changed), ROWS)


@pytest.mark.parametrize("path", [ROWS, WIDE_ROWS])
def test_every_layer_is_looked_at(path: str) -> None:
    """Rule: INNER-17

    From the first to the last of as many as a model may have.
    """
    for layers in (1, 2, given_models.MAX_LAYERS):
        plan = replace(PARTS_PLAN, layers=layers)
        take(plan, path)
        for layer in {0, layers // 2, layers - 1}:
            with reverts("step: an unknown row type"):
                take(plan, path, layer)


@pytest.mark.parametrize(
    ("matrix", "plan", "is_taken"),
    [
        (3, Plan(width=256, heads=4, head_size=16), False),
        (3, Plan(width=64, heads=4, head_size=64), True),
        (6, Plan(width=256, feed_forward=96), False),
        (6, Plan(width=64, feed_forward=256), True),
    ],
)
def test_a_row_has_the_columns_of_what_it_multiplies(
    matrix: int, plan: Plan, is_taken: bool
) -> None:
    """Rule: INNER-17

    Super-blocks of 256 fit the lanes that come in, however many go out.
    """
    types = [3] * 7
    types[matrix] = 12
    plan = replace(plan, matrices=tuple(types))
    if is_taken:
        take(plan, ROWS)
    else:
        with reverts("step: an unknown row type"):
            take(plan, ROWS)


def test_rows_in_parts_are_the_other_verifiers() -> None:
    """Rule: INNER-17"""
    unknown = replace(PARTS_PLAN, matrices=(3,) * 6 + (9,))
    take(unknown, ROWS)
    with reverts("step: an unknown row type"):
        take(unknown, WIDE_ROWS)
    unknown = replace(PARTS_PLAN, heads=17, head_size=64, matrices=(3, 3, 3, 9, 3, 3, 3))
    take(unknown, ROWS)
    with reverts("step: an unknown row type"):
        take(unknown, WIDE_ROWS)
    # one that multiplies nothing in parts needs no such rows
    unknown = Plan(heads=16, head_size=64, feed_forward=2_048, matrices=(3,) * 3 + (9,) * 4)
    take(unknown, WIDE_ROWS)
    for matrix in (3, 6):
        types = [3] * 7
        types[matrix] = 9
        with reverts("step: an unknown row type"):
            take(replace(unknown, matrices=tuple(types)), ROWS)


@functools.cache
def get_setup() -> Setup:
    return row_cases.build_setup("reasons", PARTS_PLAN)


def draw_living(name: str, setup: Setup | None = None) -> Case:
    """Return a case that reads a row."""
    draw = random.Random(name)
    while True:
        case = row_cases.draw_case(draw, setup or get_setup(), name, wild=0.0)
        if case.reads.read.rows:
            return case


def test_the_longest_row_is_read() -> None:
    """Rule: INNER-9

    2,048 columns of two bytes.
    """
    plan = Plan(feed_forward=2_048, matrices=(3,) * 6 + (1,))
    case = draw_living("output", row_cases.build_setup("longest", plan))
    assert len(case.reads.read.rows[0][2]) == 4_096
    assert case.recompute() == case.answer


#: Feed-forward lanes, and how many leaves of 256 they have: as many bit lengths count.
LENGTHS = {"one": (96, 1), "a little more than 120": (30_740, 121), "all": (32_768, 128)}


@pytest.mark.parametrize("name", LENGTHS)
def test_the_last_bit_length_counts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule: INNER-13

    That of the lanes' last leaf; what follows it does not.
    """
    feed_forward, count = LENGTHS[name]
    setup = row_cases.build_setup(name, Plan(44, 3, 3, 20, feed_forward, 1, (1,) * 7))

    def answer(seed: int, longest: int | None) -> int:
        """The first lane, where one length is another; else the same leaves."""
        lanes = [3] * 256
        if longest is not None:
            lanes[longest] = 25
        chunk = trace.encode_int32(lanes)
        monkeypatch.setattr(row_cases, "make_bits", lambda *_: chunk)
        case = row_cases.draw_case(random.Random(seed), setup, "output", wild=0.0, lane=0)
        assert case.recompute() == case.answer
        return case.answer

    seed = next(seed for seed in range(99) if row_cases.classify(answer(seed, None)) == "numbers")
    assert answer(seed, count - 1) != answer(seed, None)
    assert answer(seed, count) == answer(seed, None)


@pytest.mark.parametrize("name", ["heads", "query", "attention_part", "down_part"])
def test_a_row_is_opened_iff_it_is_read(name: str) -> None:
    """Rule: INNER-8"""
    case = draw_living(name)
    leaves, rows, hint = decode(step_proof.PROOF_TYPES, case.encode_proof())

    with reverts("step: a row iff it is needed"):
        case.recompute(encode(step_proof.PROOF_TYPES, (leaves, [], hint)))
    draw = random.Random(name)
    while case.reads.read.rows:
        case = row_cases.draw_case(draw, get_setup(), name)
    leaves, _, hint = decode(step_proof.PROOF_TYPES, case.encode_proof())
    with reverts("step: a row iff it is needed"):
        case.recompute(encode(step_proof.PROOF_TYPES, (leaves, rows, hint)))


@pytest.mark.parametrize("name", ["heads", "query", "attention_part", "down_part"])
def test_a_row_has_its_length(name: str) -> None:
    """Rule: INNER-9"""
    case = draw_living(name)
    leaves, rows, hint = decode(step_proof.PROOF_TYPES, case.encode_proof())
    data, siblings = rows[0]
    for other in (data[:-2], data + bytes(2), b""):
        with reverts("step: a row of another length"):
            case.recompute(encode(step_proof.PROOF_TYPES, (leaves, [(other, siblings)], hint)))


def test_other_ops_are_refused() -> None:
    setup, case = get_setup(), draw_living("heads")
    for op in (0, 2, 3, 7, 15, 16, 19, 22, 24, 25, 27, 32, 34, 43):
        where = case.address._replace(leaf=start_of(setup, op), lane=0)
        with reverts("step: no op of rows"):
            ask(setup.narrow, where, op)
        if op not in row_cases.PARTS:
            with reverts("step: no op of parts"):
                ask(setup.wide, where, op)


def ask(contract: Contract, where: Address, op: int) -> None:
    proof = encode(step_proof.PROOF_TYPES, ([], [], 0))
    at = (bytes(32), bytes(32), *where, op, bytes(32), 1, bytes(32))
    contract.recompute(at, bytes(1_024), proof)


def start_of(setup: Setup, op: int) -> int:
    model = setup.model
    layout = (
        inner.layout_sampler(model.shape, 12) if op >= 32 else inner.layout_layer(model.shape, 12)
    )
    return next(region.start for region in layout.regions if region.op == op)


def test_verifiers_fit_with_all_that_they_know() -> None:
    setup = get_setup()
    for contract in (setup.narrow, setup.wide):
        assert len(setup.world.code(contract.address)) <= 24_000

"""`oyez dispute show`: past duels drawn again from the chain's logs alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from oyez import cli
from oyez.chain.devnet import Devnet
from oyez.dispute import story
from oyez.gas import duels as measured
from oyez.gas.duels import HONEST, KNIGHTS, LANE, LEAF, LIAR, RECORD, SECOND, DuelWorld
from oyez.gas.world import ETHER
from oyez.protocol.errors import Invalid
from oyez.protocol.types import Hash32
from oyez.testing import toy


@dataclass
class Played:
    """A fork of a truth and two lies: one beaten by a lane, one whose champion falls silent."""

    world: DuelWorld
    file: Path
    ids: dict[str, Hash32]
    keys: dict[str, Hash32]
    values: tuple[int, int]
    resolve: str

    def show(self, *arguments: str) -> Result:
        return CliRunner().invoke(
            cli.main, ["dispute", "show", "--deployment", str(self.file), *arguments]
        )


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    with Devnet() as devnet:
        world = DuelWorld(devnet)
        for who in (LIAR, HONEST, SECOND, *KNIGHTS.values()):
            world.send(world.rollup.build_deposit(ETHER), who)
        world.close_batch()
        genesis = world.rollup.fetch_final_id(0)
        first = world.post(-1, LIAR, KNIGHTS[LIAR], genesis)
        truth = world.post(None, HONEST, HONEST, genesis)
        second = world.post(-2, SECOND, KNIGHTS[SECOND], genesis)
        beaten, silent = world.match(first, truth), world.match(truth, second)
        measured.beat(world, beaten, 1)
        measured.silence(world, silent)
        world.pass_time(measured.WINDOW_SECONDS)
        silent.time_out(HONEST)
        world.count("defeat", world.game.build_defeat(beaten.duel, 0), HONEST)
        file = tmp_path_factory.mktemp("story") / "deployment.json"
        world.deployment.save(file)
        lanes = [
            toy.read_lane(5, side.machine.inner(RECORD).raw[LEAF], LANE) for side in (first, truth)
        ]
        ids = {"first": first.assertion_id, "truth": truth.assertion_id}
        ids["second"] = second.assertion_id
        keys = {"beaten": beaten.duel.key, "silent": silent.duel.key}
        yield Played(world, file, ids, keys, (lanes[0], lanes[1]), "")


def listed(played: Played, *arguments: str) -> list[dict[str, Any]]:
    result = played.show(*arguments, "--json")
    assert result.exit_code == 0, (result.stdout, result.stderr)
    found = json.loads(result.stdout)["duels"]
    assert isinstance(found, list)
    return found


def test_a_lie_beaten_by_a_lane_shows_both_values_and_the_contracts(played: Played) -> None:
    """Rule: DUEL-21"""
    (duel,) = listed(played, "0x" + played.keys["beaten"].hex())

    assert [side["assertion"] for side in duel["sides"]] == [
        "0x" + played.ids["first"].hex(),
        "0x" + played.ids["truth"].hex(),
    ]
    assert [side["status"] for side in duel["sides"]] == ["DEFEATED", "PENDING"]
    assert duel["record"]["index"] == RECORD
    assert (duel["moves"], duel["record"]["call"], duel["record"]["position"]) == (7, 0, 0)
    (bout,) = duel["bouts"]
    assert bout["phase"] == "RESOLVED"
    liar = "0x" + played.world.address(KNIGHTS[LIAR]).hex()
    assert bout["champions"] == [liar, "0x" + played.world.address(HONEST).hex()]
    assert bout["out"] == [liar]
    lane = bout["lane"]
    assert (lane["leaf"], lane["lane"]) == (LEAF, LANE)
    assert lane["values"] == list(played.values)
    assert lane["contract"] == played.values[1] != played.values[0]
    receipt = played.world.chain.find_mined(Hash32(bytes.fromhex(lane["transaction"][2:])))
    assert receipt is not None
    assert duel["falls"] == [{"champion": liar, "side": 0, "how": "BY_LANE"}]


def test_a_champion_that_fell_silent_is_out_without_a_lane(played: Played) -> None:
    """Rule: DUEL-21"""
    (duel,) = listed(played, "0x" + played.keys["silent"].hex())

    (bout,) = duel["bouts"]
    assert bout["lane"] is None
    assert bout["phase"] == "DESCENT"
    knight = "0x" + played.world.address(KNIGHTS[SECOND]).hex()
    assert bout["out"] == [knight]
    assert duel["falls"] == [{"champion": knight, "side": 1, "how": "BY_TIME"}]


def test_an_assertion_shows_all_its_duels_and_none_shows_all(played: Played) -> None:
    """Rule: DUEL-21"""
    keys = ["0x" + key.hex() for key in played.keys.values()]

    assert [duel["duel"] for duel in listed(played)] == keys
    assert [duel["duel"] for duel in listed(played, "0x" + played.ids["truth"].hex())] == keys
    assert [duel["duel"] for duel in listed(played, "0x" + played.ids["second"].hex())] == keys[1:]


def test_the_drawing_says_the_same_in_words(played: Played) -> None:
    """Rule: DUEL-21"""
    text = played.show().stdout

    first, second = played.values
    assert f"{first} against {second}; the contract computes {second} in 0x" in text
    assert text.count("is out") == 2
    assert "they differ first in call 0, position 0, none, after 7 moves" in text
    assert "DEFEATED" in text


def test_what_is_no_duel_is_refused(played: Played) -> None:
    """Rule: DUEL-21"""
    result = played.show("0x" + "77" * 32)

    assert result.exit_code == 2
    assert "give a duel's key or an assertion's id" in result.stderr


def test_a_rollup_without_a_game_has_none(played: Played) -> None:
    """Rule: DUEL-21"""
    place = played.world.deployment
    contracts = {n: a for n, a in place.contracts.items() if n not in ("DuelGame", "MovePay")}
    bare = type(place)(place.rpc, place.chain_id, place.deployment_block, contracts)

    with pytest.raises(Invalid, match="without a DuelGame"):
        story.fetch_chronicle(played.world.chain, bare)

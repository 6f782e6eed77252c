"""Attestations by keys of the real registry: every way in which a key does not count any more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oyez.chain import contracts
from oyez.chain.client import Reverted
from oyez.protocol import codec
from oyez.protocol.types import Address, Hash32
from tests import tdx_keys, tdx_rollup
from tests.devnet import Anvil
from tests.tdx_chain import LIFETIME, TdxChain
from tests.tdx_keys import PLATFORM, WORKLOAD, new_key, register
from tests.tdx_submissions import NOW, PCK, ROOT, document, pck_list, tcb

KEY = new_key("attests")
NO_KEY = "rollup: no enclave's key"
World = tuple[TdxChain, contracts.Rollup]


@pytest.fixture(scope="module")
def deployed() -> Iterator[World]:
    with Anvil(timestamp=NOW) as node:
        chain = TdxChain(node, ROOT, (WORKLOAD,))
        chain.submit_all(PLATFORM.collateral(NOW))
        yield chain, tdx_rollup.deploy_rollup(chain)


@pytest.fixture
def world(deployed: World) -> Iterator[World]:
    node = deployed[0].node
    mark = node.snapshot()
    yield deployed
    node.restore(mark)


def attest(world: World, assertion_id: Hash32 | None = None) -> str | None:
    """Bring KEY's signature of an assertion; return the contract's reason to refuse it."""
    chain, rollup = world
    return chain.why(tdx_rollup.send, chain, tdx_rollup.build_attest(rollup, KEY, assertion_id))


def test_a_key_attests_while_its_registration_lasts(world: World) -> None:
    """Rule: ROLLUP-26, ATTEST-30"""
    chain, rollup = world
    genesis = rollup.fetch_final_id(0)
    assert attest(world) == NO_KEY
    register(chain, KEY.request(chain))
    start = chain.now
    chain.set_time(start + LIFETIME + 1)
    assert attest(world) == NO_KEY
    assert not rollup.fetch_attested(genesis)


def test_what_a_live_key_signed_is_attested(world: World) -> None:
    """Rule: ROLLUP-26, ATTEST-30"""
    chain, rollup = world
    register(chain, KEY.request(chain))
    assert attest(world) is None
    assert rollup.fetch_attested(rollup.fetch_final_id(0))


def test_a_key_of_a_revoked_machine_attests_no_more(world: World) -> None:
    """Rule: ROLLUP-26, ATTEST-30"""
    chain, rollup = world
    register(chain, KEY.request(chain))
    chain.submit(pck_list(PCK.serial, at=NOW - 90))
    assert attest(world) == NO_KEY
    assert not rollup.fetch_attested(rollup.fetch_final_id(0))


def test_a_pruned_key_attests_no_more_and_its_old_quote_brings_it_not_back(world: World) -> None:
    """Rule: ROLLUP-26, ATTEST-28, ATTEST-29"""
    chain, _ = world
    chain.node.mine(3)
    first = KEY.request(chain)
    evidence = tdx_keys.evidence_of(chain, register(chain, first))
    assert chain.why(register, chain, first) == "enclaves: quote not newer"
    raised = tcb()
    raised["tcbLevels"][0]["tcb"]["pcesvn"] = 14
    chain.submit(document("submit_tcb_info", raised))
    # bad news alone ends no key: whoever brings its evidence does
    mark = chain.node.snapshot()
    assert attest(world) is None
    chain.node.restore(mark)
    chain.send(chain.registry, "prune", KEY.address, evidence)
    assert attest(world) == NO_KEY
    chain.submit(document("submit_tcb_info", tcb(NOW - 50)))
    assert chain.why(register, chain, first) == "enclaves: quote not newer"
    assert attest(world) == NO_KEY


def test_a_signature_of_another_chains_assertion_is_nobodys(world: World) -> None:
    """Rule: ROLLUP-26, ASSERTION-2"""
    chain, rollup = world
    register(chain, KEY.request(chain))
    genesis = rollup.fetch_final_id(0)
    there = codec.compute_genesis_id(chain.node.chain_id + 1, rollup.address)
    assert there != genesis
    assert attest(world, there) == "rollup: nothing to attest"
    other = tdx_rollup.build_attest(rollup, KEY, there)
    moved = contracts.Transaction(other.to, other.data.replace(there, genesis), 0)
    assert chain.why(tdx_rollup.send, chain, moved) == NO_KEY
    assert not rollup.fetch_attested(genesis)


@pytest.mark.parametrize("chain_id", [1, 10, 1_337])
def test_a_rollup_over_simulated_enclaves_is_deployed_on_local_chains_alone(
    deployed: World, chain_id: int
) -> None:
    """The simulated registry itself is refused on others; here its code is put there all the same.

    Rule: ROLLUP-27
    """
    local = deployed[0]
    code = local.chain.fetch_code(local.registry.address)
    registry = Address(b"\7" * 20)
    with Anvil(chain_id=chain_id, timestamp=NOW) as node:
        node.request("anvil_setCode", "0x" + registry.hex(), "0x" + code.hex())
        if chain_id == 1_337:
            assert tdx_rollup.deploy_over(node, registry).fetch_settings().enclaves == registry
            return
        with pytest.raises(Reverted) as refusal:
            tdx_rollup.deploy_over(node, registry)
        assert refusal.value.reason == "rollup: simulated enclaves"

from __future__ import annotations

import pytest

from oyez.chain.contracts import Rollup
from oyez.chain.deployment import Deployment
from oyez.protocol.errors import Temporary
from oyez.protocol.types import Address, Finality, Hash32, Status
from tests.unit.chain.scripted_rpc import build_chain

PLACE = Deployment("http://scripted", 31_337, 0, {"Rollup": Address(b"\x0c" * 20)})


@pytest.mark.parametrize("value", [7, 255])
def test_an_enum_that_no_contract_gives_is_the_nodes_invention(value: int) -> None:
    chain, _ = build_chain(lambda _method, _params: f"0x{value:064x}")
    rollup = Rollup(chain, PLACE)
    with pytest.raises(Temporary, match=f"gave {value} for a Status"):
        rollup.fetch_status(Hash32(bytes(32)))
    with pytest.raises(Temporary, match=f"gave {value} for a Finality"):
        rollup.fetch_finality(0, 1)
    chain, _ = build_chain(lambda _method, _params: f"0x{1:064x}")
    assert Rollup(chain, PLACE).fetch_status(Hash32(bytes(32))) is Status(1)
    assert Rollup(chain, PLACE).fetch_finality(0, 1) is Finality(1)

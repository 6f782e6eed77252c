"""Whether a key may act."""

from __future__ import annotations

from oyez.chain.contracts import Rollup
from oyez.chain.sender import Sender
from oyez.chain.signing import format_ether
from oyez.dispute.view import LIVE, SLASHED
from oyez.protocol.errors import Fatal


def verify_stake(rollup: Rollup, sender: Sender) -> None:
    """Check that this key may act: it has a live stake.

    Raises:
        Fatal: it has none; the text names the fix. A stake lost later ends nothing: what it would
            have done is said instead.

    Rule: CHAL-23
    """
    stake = rollup.fetch_stake(sender.address)
    if stake.status == LIVE:
        return
    owner = f"the stake of 0x{sender.address.hex()}"
    look = "or give --watch-only to look without acting"
    if stake.status == SLASHED:
        raise Fatal(f"{owner} was slashed, for ever: use a key that never was, {look}")
    amount = format_ether(rollup.fetch_settings().stake)
    raise Fatal(f"{owner} is missing: deposit {amount} ETH with `oyez stake deposit`, {look}")

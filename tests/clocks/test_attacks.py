"""The audits' attacks, played on the model with and without the rule that closed each."""

from __future__ import annotations

import pytest

from tests.clocks.attacks import ATTACKS, Attack
from tests.clocks.mirror import Mirror

BY_RULE = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.rule)


@BY_RULE
def test_an_attack_comes_back_without_its_rule(attack: Attack) -> None:
    """With the rule all holds; without it the same schedule breaks what the audit says.

    Audit 1 C2, Audit 1 C3, Audit 1 C5, Audit 1 C6, Audit 2 K1, Audit 2 K2, Audit 2 H1, Audit 2 M2,
    Audit 3 S1, Audit 3 S2, Audit 3 S3, Audit 3 S4, Audit 3 S5, Audit 3 S6, Audit 3 S7
    """
    kept = attack.run(attack.make_chain())
    assert attack.holds(kept), (kept.broken, kept.show())
    lost = attack.run(attack.make_chain(without=True))
    assert not attack.holds(lost), lost.show()


@BY_RULE
def test_the_contracts_stand_an_attack(attack: Attack) -> None:
    """Move for move as the model has it: refusals, clocks, stakes and ends.

    Audit 1 C2, Audit 1 C3, Audit 1 C5, Audit 1 C6, Audit 2 K1, Audit 2 K2, Audit 2 H1, Audit 2 M2,
    Audit 3 S1, Audit 3 S2, Audit 3 S3, Audit 3 S4, Audit 3 S5, Audit 3 S6, Audit 3 S7
    """
    chain = attack.make_chain(Mirror)
    assert isinstance(chain, Mirror)
    outcome = attack.run(chain)
    assert attack.holds(outcome), (outcome.broken, outcome.show())
    chain.check()

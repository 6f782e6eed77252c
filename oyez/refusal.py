"""What to do when a contract refuses: its own words, and a fix beside them."""

from __future__ import annotations

from oyez.chain.client import Reverted
from oyez.protocol.errors import Invalid, OyezError, Temporary

#: Beginning of a revert string -> what to do about it.
FIXES = {
    "actions: already published": "this author has published these bytes: use the action's id",
    "actions: model not in effect": "wait until the model is in effect, or name another",
    "actions: unknown action": "check the action's id and --deployment",
    "gate: ": "compile the manifest from YAML with `oyez action check`, which names the place",
    "inbox: batch work": "this action's calls do not fit a batch: its author must shorten it",
    "inbox: call above a batch's work": "this action's calls do not fit a batch",
    "inbox: fee too low": "the price rose meanwhile: send the call again, without --fee",
    "inbox: input too long": "shorten the input",
    "inbox: manifest not expected one": "the action was upgraded meanwhile: send the call again",
    "inbox: name not of a-z0-9_.-": "name the cell with 1 to 64 of a-z, 0-9, _ . -",
    "inbox: this action has no names": "leave --cell out",
    "inbox: this action needs a name": "name the cell with --cell NAME",
    "rollup: already staked": "nothing to do: the stake is there",
    "rollup: not the stake's amount": "leave --amount out",
    "rollup: slashed for ever": "use another key",
    "rollup: stake too small": "leave --amount out",
}
#: Beginnings of revert strings that pass with time.
PASSING = ("inbox: busy", "inbox: full until the next block")


def explain(error: Reverted) -> OyezError:
    """Return the error to show for a refusal: Temporary where the same attempt may succeed later.

    Rule: SDK-5
    """
    if error.reason.startswith(PASSING):
        return Temporary(f"the contract refused ({error.reason}): send it again then")
    for beginning, fix in FIXES.items():
        if error.reason.startswith(beginning):
            return Invalid("SDK-5", f"the contract refused ({error.reason}): {fix}")
    return error

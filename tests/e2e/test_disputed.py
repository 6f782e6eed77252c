"""Reading while a fork is open: what is shown is one of several siblings, and that is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from oyez import cli
from oyez.protocol.types import Hash32, Status
from tests.actors.liar import Liar
from tests.local_rollup import LocalRollup, build_counter

FALSE = {"receipts_root": Hash32(b"\x01" * 32)}


def hexed(value: bytes) -> str:
    return "0x" + value.hex()


class Commands:
    """The command line on a deployment file."""

    def __init__(self, rollup: LocalRollup, folder: Path) -> None:
        self._file = folder / "deployment.json"
        rollup.deployment.save(self._file)

    def text(self, *words: str) -> list[str]:
        found = CliRunner().invoke(cli.main, [*words, "--deployment", str(self._file)])
        assert found.exit_code == 0, found.output
        return found.stdout.splitlines()

    def document(self, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads("".join(self.text(*words, "--json")))
        return found


def test_what_is_posted_and_disputed_says_so(tmp_path: Path) -> None:
    """Also of what stands on it; no more once one sibling alone lives. Rule: READER-12."""
    with LocalRollup() as rollup:
        run = Commands(rollup, tmp_path)
        action = rollup.client(1).publish(build_counter()).action_id
        for text in (b"one", b"two"):
            rollup.client(1).call(action, text)
            rollup.close_batch()
        first, second = rollup.propose()
        state = ("state", hexed(action), "--posted")
        alone = run.document("status", "0")
        assert (alone["siblings"], alone["disputed_at"]) == ([hexed(first)], None)
        assert run.document(*state)["siblings"] == [hexed(second)]
        assert "disputed" not in "".join([*run.text("status", "0"), *run.text(*state)])

        rollup.client(5).deposit_stake()
        lie = Liar(rollup, key=5).propose(false_roots=FALSE).assertion_id
        found = run.document("status", "0")
        assert found["finality"] == "POSTED"
        assert (found["siblings"], found["disputed_at"]) == ([hexed(first), hexed(lie)], 1)
        assert "disputed: 2 siblings live" in run.text("status", "0")
        later = run.document("status", "1")
        assert (later["siblings"], later["disputed_at"]) == ([hexed(second)], 1)
        below = "disputed: it stands on batch 1, of which several siblings live"
        assert below in run.text("status", "1")
        assert below in run.text(*state)
        read = run.document(*state)
        assert (read["siblings"], read["disputed_at"]) == ([hexed(second)], 1)

        rollup.defeat(lie)
        assert rollup.sequencer.rollup.fetch_status(lie) is Status.DEFEATED
        assert run.document("status", "0") == alone
        rollup.anvil.advance(601)
        for proposed in (first, second):
            rollup.send(rollup.sequencer.rollup.build_finalize(proposed))
        final = run.document("status", "0")
        assert (final["finality"], final["siblings"]) == ("FINAL", [hexed(first)])
        read = run.document("state", hexed(action))
        assert (read["siblings"], read["disputed_at"]) == ([hexed(second)], None)

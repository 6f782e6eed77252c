from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from oyez.protocol.errors import Fatal
from oyez.protocol.manifest import encode_manifest
from oyez.protocol.types import CellKind
from sequencer.app import Server, build_app
from sequencer.metrics import Metrics
from sequencer.store import Store, open_store
from tests.unit.protocol.actions import CALLER, build_action
from tests.unit.sequencer.build import ACTION, ENGINE, Story

STORY = Story(5)
PATH = f"/actions/0x{STORY.entries[0].action_id.hex()}/state"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Call 0 is final, 1 posted, 2 unposted in a closed batch, 3 executed, 4 queued."""
    made = open_store(tmp_path / "sequencer.db")
    for index, stage in enumerate(["final", "proposed", "built", "executed"]):
        STORY.write(made, index, stage)
    made.put_manifest(ACTION.hash, encode_manifest(ACTION))
    STORY._window(made, 4, "queued", 50)
    yield made
    made.close()


class Http:
    """A client of a server that runs while the test does."""

    def __init__(self, store: Store, metrics: Metrics | None = None) -> None:
        self.server = Server(build_app(store, ENGINE.shape, metrics or Metrics()), "127.0.0.1", 0)
        self.server.start()
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, path: str, params: dict[str, str] | None = None) -> requests.Response:
        url = f"http://127.0.0.1:{self.server.port}{path}"
        return self.session.get(url, params=params, timeout=20)

    def close(self) -> None:
        self.session.close()
        self.server.stop()


@pytest.fixture
def serve() -> Iterator[Callable[..., Http]]:
    made: list[Http] = []

    def start(*arguments: Any) -> Http:
        made.append(Http(*arguments))
        return made[-1]

    yield start
    for http in made:
        http.close()


@pytest.fixture
def http(store: Store, serve: Callable[..., Http]) -> Http:
    return serve(store)


def test_health_says_how_far_it_has_come(http: Http) -> None:
    assert http.get("/healthz").json() == {
        "status": "ok", "block": 50, "calls": 5, "executed": 4, "batches": 3, "built": 3, "head": 1,
    }  # fmt: skip


def test_a_call_has_its_finality_and_outcome(http: Http) -> None:
    """Rule: SEQ-15."""
    answers = [http.get(f"/calls/{index}").json() for index in range(5)]
    assert [a["finality"] for a in answers] == ["final", "posted", "unposted", "unposted", "queued"]
    first, execution = answers[0], STORY.executions[0]
    assert first["outcome"] == execution.outcome.name
    assert first["code"] == execution.code.name
    assert bytes.fromhex(first["output_hex"][2:]) == execution.output
    assert first["assertion_id"] == "0x" + STORY.built[0].assertion_id.hex()
    assert (answers[4]["outcome"], answers[4]["batch"]) == (None, 5)
    missing = http.get("/calls/5")
    assert (missing.status_code, missing.json()["detail"]) == (
        404,
        "the inbox holds no call 5: it holds 5",
    )
    for nonsense in ("many", "-1", "1.5", str(2**63), "9" * 80):
        assert http.get(f"/calls/{nonsense}").status_code == 422
    assert http.get(f"/calls/{2**63 - 1}").status_code == 404


@pytest.mark.parametrize(
    ("wanted", "call_id", "reached"),
    [("unposted", 3, "unposted"), ("posted", 1, "posted"), ("final", 0, "final")],
)
def test_a_cell_is_shown_as_of_a_finality(
    http: Http, wanted: str, call_id: int, reached: str
) -> None:
    """Rule: SEQ-16."""
    answer = http.get(PATH, params={"finality": wanted}).json()
    assert (answer["call_id"], answer["finality"]) == (call_id, reached)
    after = STORY.executions[call_id].cell_after
    assert after is not None
    assert answer["version"] == after.version
    values = [v.decode() if isinstance(v, bytes) else v for v in after.values]
    assert list(answer["state"].values()) == values
    assert list(answer["state"]) == ["mood", "note", "count"]
    if wanted == "unposted":
        assert http.get(PATH).json() == answer


@pytest.mark.parametrize(
    ("path", "parameters", "status"),
    [
        (PATH, {"cell": "name"}, 422),
        (PATH, {"finality": "certain"}, 422),
        ("/actions/0x12/state", {}, 422),
        ("/actions/nonsense/state", {}, 422),
        (f"/actions/0x{'11' * 32}/state", {}, 404),
    ],
)
def test_a_wrong_question_is_refused(
    http: Http, path: str, parameters: dict[str, str], status: int
) -> None:
    """Rule: SEQ-16."""
    answer = http.get(path, params=parameters)
    assert answer.status_code == status
    assert "detail" in answer.json()


def test_cells_are_named_by_the_actions_kind(tmp_path: Path, serve: Callable[..., Http]) -> None:
    """Rule: SEQ-16."""
    action = build_action(cell_kind=CellKind.PER_CALLER)
    story = Story(1, action)
    store = open_store(tmp_path / "other.db")
    story.write(store, 0, "executed")
    store.put_manifest(action.hash, encode_manifest(action))
    http = serve(store)
    path = f"/actions/0x{story.entries[0].action_id.hex()}/state"
    assert http.get(path, params={"cell": "0x" + CALLER.hex()}).json()["version"] == 1
    assert http.get(path, params={"cell": "0x" + "11" * 20}).status_code == 404
    assert http.get(path).status_code == 422
    store.close()


def test_metrics_are_counted(store: Store, serve: Callable[..., Http]) -> None:
    metrics = Metrics()
    metrics.add_call(60)
    metrics.add_seconds(0.5)
    metrics.add_transaction()
    text = serve(store, metrics).get("/metrics").text
    assert "oyez_sequencer_calls_executed_total 1\n" in text
    assert "oyez_sequencer_positions_run_total 60\n" in text


def test_a_server_answers_at_once_on_the_port_it_names_and_leaves_nothing(store: Store) -> None:
    http = Http(store)
    port = http.server.port
    assert http.get("/healthz").status_code == 200
    with pytest.raises(Fatal, match="give another --port"):
        Server(build_app(store, ENGINE.shape, Metrics()), "127.0.0.1", port)
    http.close()
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))

"""A JSON-RPC endpoint in memory: a function from method and parameters to a result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests

from oyez.chain.client import Chain


class RpcFailure(Exception):
    """Answered as a JSON-RPC error."""

    def __init__(self, error: dict[str, Any]) -> None:
        self.error = error


class Answer:
    def __init__(self, document: Any) -> None:
        self._document = document

    def json(self) -> Any:
        if isinstance(self._document, Exception):
            raise self._document
        return self._document


class ScriptedSession:
    """Stands for `requests.Session`."""

    def __init__(self, answer: Callable[[str, Any], Any]) -> None:
        self._answer = answer
        self.asked: list[tuple[str, Any]] = []

    def post(self, _url: str, *, json: Any, timeout: Any) -> Answer:
        self.asked.append((json["method"], json["params"]))
        try:
            result = self._answer(json["method"], json["params"])
        except RpcFailure as failure:
            return Answer({"jsonrpc": "2.0", "id": json["id"], "error": failure.error})
        return Answer(result) if isinstance(result, Exception) else Answer({"result": result})


def build_chain(answer: Callable[[str, Any], Any]) -> tuple[Chain, ScriptedSession]:
    session = ScriptedSession(answer)
    chain = Chain("http://scripted", 31_337, session)  # type: ignore[arg-type] # the seam's twin
    return chain, session


def connection_reset(_method: str, _params: Any) -> Any:
    raise requests.exceptions.ConnectionError("reset")

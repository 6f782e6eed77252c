"""Hostile command lines, environments and RPC answers for `oyez`, drawn from a seed.

One case is a whole command. Whatever is drawn, the command must end with a documented exit code,
without a traceback, and with `--json` as one JSON object on the only line.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: exit codes of docs/spec/cli.md without interruptions, which nobody sends here
CODES = {0, 1, 2, 3, 4}

#: More digits than Python reads as a number.
LONG = "9" * 4_301
TEXTS = (
    *("", " ", "-", "--", "0", "-1", "1", "2", "1.5", "1e9", "nan", "inf", "0x", "0xzz", "one"),
    *(
        "\udcff",
        "\u0130",
        "\U0001f600",
        "a\tb",
        "a\nb",
        "\u2028",
        "<|im_end|>",
        "x" * 65,
        "x" * 5_000,
    ),
    *("99999999999999999999999", "18446744073709551615", "18446744073709551616", "../..", "/", "."),
    *("9" * 21, "9" * 4_300, LONG, f"-{LONG}", f"token:{LONG}", f"logit-row:1:{LONG}"),
    *("0x" + "00" * 32, "0x" + "ff" * 32, "0x" + "ab" * 20, "0x" + "aB" * 20, "ff" * 32, "null"),
)
URLS = (
    *(
        "",
        "x",
        "http://",
        "http://[::1",
        "http://127.0.0.1:9",
        "http://127.0.0.1:99999",
        "file:///",
    ),
    *("http://a..b", "http://\udcff", "ws://127.0.0.1", "http://127.0.0.1:x", "http://[::1]:9"),
    *(
        "HTTP://127.0.0.1:9/%zz",
        "http://user:@127.0.0.1:9",
        "http://127.0.0.1:9\n",
        "//x",
        "http:x",
        f"http://127.0.0.1:{LONG}",
    ),
)
JSON_VALUES: tuple[Any, ...] = (  # Any: JSON
    *(
        None,
        True,
        0,
        -1,
        1.5,
        10**30,
        "",
        "0x",
        "0x0",
        "0x1",
        "0xzz",
        "zz",
        "0x" + "f" * 64,
        [],
        {},
    ),
    *("0x" + "f" * 80, "0x" + "00" * 32, "0x" + "00" * 319, [None], {"code": 3}, [[]], "\ud800"),
    *("0x" + "f" * 5_000, 10**4_000),
    *("0x" + "ff" * 1_000, {"number": "0x1"}, [{"topics": []}], "latest"),
)
ERRORS: tuple[Any, ...] = (  # Any: JSON
    *(None, "text", 7, [], {}, {"code": 3}, {"code": "x", "message": None}, {"code": -32_000}),
    *(
        {"code": 3, "data": "0xzz", "message": "execution reverted"},
        {"message": "execution reverted"},
    ),
    *({"code": 3, "data": "0x08c379a0" + "ff" * 64}, {"code": -32_000, "message": "nonce too low"}),
    *({"code": -32_000, "message": "already known"}, {"code": 3, "data": "0x4e487b71" + "00" * 31}),
    {"code": 3, "data": 5, "message": ["x"]},
)
BODIES = (
    *(b"", b"null", b"[]", b"{}", b"7", b'"x"', b"{", b"\xff\xfe", b"<html>", b"[" * 5_000, b"NaN"),
    *(LONG.encode(), f'{{"result": {LONG}}}'.encode()),
    *(b'{"result": NaN}', b'{"jsonrpc": "2.0"}', b'{"result": {"a": ' * 3_000, b"\0" * 100),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One command with what surrounds it; `hostility` is the share of RPC answers changed."""

    arguments: list[str]
    environment: dict[str, str | None]
    hostility: float
    seed: int


class Drawer:
    """Draws cases for one rollup."""

    def __init__(self, rng: random.Random, action: str, files: list[Path]) -> None:
        self._rng = rng
        self._action = action
        self._files = [str(path) for path in files]
        # a folder that is none, a file in the place of a folder, no text, nothing
        self._nowhere = [f"{files[0]}/absent/x", f"{files[1]}/x", f"{files[0]}/\udcff", ""]

    def draw(self) -> Case:
        """Draw a case: two in five are sound commands that only the chain's answers disturb."""
        rng = self._rng
        if rng.random() < 0.4:
            hostility = rng.choice((0.01, 0.03, 0.08))
            return Case([*self._draw_sound(), "--json"], {}, hostility, rng.getrandbits(32))
        words = self._draw_command()
        for _ in range(rng.choice((0, 0, 0, 0, 0, 1, 2))):
            words.insert(rng.randint(0, len(words)), self._draw_noise())
        if rng.random() < 0.7:
            words.insert(rng.randint(0, len(words)), "--json")
        environment = self._draw_environment() if rng.random() < 0.2 else {}
        hostility = rng.choice((0, 0.02, 0.05, 0.1, 0.5))
        return Case(words, environment, hostility, rng.getrandbits(32))

    def _draw_sound(self) -> list[str]:
        """Draw a command that succeeds, or says no, on a chain that answers well."""
        action = self._action
        return self._rng.choice(
            [
                ["call", action, "hello"],
                ["call", action, "hello", "--wait", "--timeout", "1"],
                ["status", "0"],
                ["status", "3"],
                ["state", action],
                ["state", action, "--posted"],
                ["prove", action, "good", "--check"],
                ["prove", "1", "--check"],
                ["verify", "1"],
                ["verify", "2"],
                ["verify", "--full"],
                ["stake", "status"],
                ["stake", "deposit"],
                ["action", "show", action],
                ["serve"],
                ["watch"],
            ]
        )

    def _draw_command(self) -> list[str]:
        rng = self._rng
        text, file = self._draw_text, self._draw_file
        action = self._action if rng.random() < 0.9 else text()
        call = rng.choice(["0", "1", "2", "3", text()])
        commands: list[Callable[[], list[str]]] = [
            lambda: ["call", action, text(), *self._draw_call_options()],
            lambda: ["call", action, "--input-file", file(), *self._draw_call_options()],
            lambda: ["call", action, "--input-hex", text(), *self._draw_call_options()],
            lambda: ["status", call],
            lambda: ["status", rng.choice(["0x" + "12" * 32, call])],
            lambda: ["state", action, *self._draw_cell(), *rng.choice([[], ["--posted"]])],
            lambda: ["state", action, "--unposted", *self._draw_cell()],
            lambda: ["prove", action, rng.choice(["mood", "good", text()]), *self._draw_cell()],
            lambda: ["prove", action, "--absent", *self._draw_cell()],
            lambda: ["prove", call, *rng.choice([[], ["--check"], ["--batch", text()]])],
            lambda: ["verify", call],
            lambda: ["verify", call, "--manifest", file()],
            lambda: ["verify", "--full", *rng.choice([[], ["--batch", text()]])],
            lambda: ["stake", "status", *rng.choice([[], [text()]])],
            lambda: ["stake", "deposit", *rng.choice([[], ["--amount", text()]])],
            lambda: ["action", "show", action, *rng.choice([[], ["--out", file()]])],
            lambda: ["action", "publish", file()],
            lambda: ["action", "check", file(), *rng.choice([[], ["--out", file()]])],
            lambda: ["action", "calibrate", file(), "--inputs", file()],
            lambda: ["analyze", file(), "--inputs", file()],
            lambda: ["model", rng.choice(["add", "verify", "list"]), file()],
            lambda: ["engine", "run", "--tokens", file()],
            lambda: ["attest", "check", file(), "--collateral", file(), "--at", text()],
            lambda: ["enclave", rng.choice(["list", "workload", "register"])],
            lambda: ["enclave", "register", "--model-index", text()],
            lambda: ["enclave", "keep", "--once", "--collateral", file(), "--margin", text()],
            lambda: ["dispute", "sim", "--call", call, "--flip", text()],
            lambda: ["engine", "run", "--tokens", file(), "--threads", text(), "--batch", text()],
            lambda: ["enclave", rng.choice(["verify", "revoke", "allow", "forbid"]), text()],
            lambda: ["enclave", "keep", "--once", "--collateral", file(), "--fmspc", text()],
            lambda: ["key", "show"],
            lambda: ["key", "new", "--out", file()],
            lambda: ["serve", "--port", text(), "--host", text(), "--home", file()],
            lambda: ["serve", *rng.choice([[], ["--close-after", text()]])],
            lambda: ["watch", *rng.choice([[], ["--home", file()], ["--watch-only"]])],
            lambda: [text() for _ in range(rng.randint(0, 4))],
        ]
        return rng.choice(commands)()

    def _draw_file(self) -> str:
        return self._rng.choice([*self._files, *self._nowhere])

    def _draw_text(self) -> str:
        rng = self._rng
        if rng.random() < 0.8:
            return rng.choice(TEXTS)
        return "".join(chr(rng.choice((rng.randint(1, 127), 0xDC80, 0x20AC))) for _ in range(5))

    def _draw_cell(self) -> list[str]:
        return ["--cell", self._draw_text()] if self._rng.random() < 0.4 else []

    def _draw_call_options(self) -> list[str]:
        rng = self._rng
        # a wait always has an end, and confirmations come with no block here
        words = ["--timeout", rng.choice(("0", "1"))]
        words += self._draw_cell()
        for option in ("--fee", "--wait", "--confirmations"):
            if rng.random() < 0.15:
                words += [
                    f"{option}={rng.choice(('0', '1', 'final', 'posted', self._draw_text()))}"
                ]
        words += [word for word in ("--force", "--again", "--wait") if rng.random() < 0.2]
        return words

    def _draw_noise(self) -> str:
        rng = self._rng
        file = self._draw_file()
        return rng.choice(
            [
                f"--rpc={rng.choice(URLS)}",
                f"--sequencer={rng.choice(URLS)}",
                f"--deployment={file}",
                f"--keystore={file}",
                f"--{self._draw_text()}",
                self._draw_text(),
                "--help",
            ]
        )

    def _draw_environment(self) -> dict[str, str | None]:
        rng = self._rng
        drawn: dict[str, str | None] = {
            "OYEZ_KEY": rng.choice(
                (None, "", "zz", "0x", "00" * 32, "ff" * 32, "\udcff", "07" * 32)
            ),
            "OYEZ_HOME": rng.choice((*self._nowhere, "/dev/null", *self._files)),
            "OYEZ_SEQUENCER": rng.choice(URLS),
            "OYEZ_KEYSTORE_PASSWORD": rng.choice((None, "", "x", "\udcff")),
            "HTTP_PROXY": rng.choice(("", "x", "http://[", "socks5://x")),
            "HTTPS_PROXY": rng.choice(("", "http://[")),
            "REQUESTS_CA_BUNDLE": self._nowhere[0],
        }
        return {name: value for name, value in drawn.items() if rng.random() < 0.4}


class Changer:
    """Changes answers of a chain, an even share of them; the same seed changes the same way."""

    def __init__(self, case: Case) -> None:
        self._rng = random.Random(case.seed)
        self._share = case.hostility

    def __call__(self, request: bytes, answer: bytes) -> bytes:
        rng = self._rng
        if rng.random() >= self._share:
            return answer
        # past this check there is something left to test
        if b"eth_chainId" in request and rng.random() < 0.9:
            return answer
        kind = rng.randrange(5)
        if kind == 0:
            return rng.choice(BODIES)
        if kind == 1:
            return json.dumps({"id": 1, "error": rng.choice(ERRORS)}).encode()
        document = json.loads(answer)
        if kind == 2 or "result" not in document:
            return json.dumps({"id": 1, "result": rng.choice(JSON_VALUES)}).encode()
        document["result"] = self._damage(document["result"])
        return json.dumps(document).encode()

    def _damage(self, value: Any) -> Any:  # Any: JSON
        """Damage one place of an answer, and leave the rest as it was."""
        rng = self._rng
        if rng.random() < 0.2:
            return rng.choice(JSON_VALUES)
        if isinstance(value, dict) and value:
            name = rng.choice(sorted(value))
            if rng.random() < 0.3:
                return {key: item for key, item in value.items() if key != name}
            return {**value, name: self._damage(value[name])}
        if isinstance(value, list) and value:
            at = rng.randrange(len(value))
            change = rng.randrange(4)
            if change == 0:
                return [*value[:at], *value[at + 1 :]]
            if change == 1:
                return [*value[:at], value[at], *value[at:]]
            return [*value[:at], self._damage(value[at]), *value[at + 1 :]]
        if isinstance(value, str) and value:
            at = rng.randrange(len(value))
            return rng.choice(
                (
                    value[:at],
                    value[:at] + rng.choice("0123456789abcdefgx") + value[at + 1 :],
                    value * 2,
                )
            )
        return rng.choice(JSON_VALUES)

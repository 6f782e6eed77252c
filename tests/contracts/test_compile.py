"""ABIs are current, code fits, constants agree with Python's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak
from vyper.compiler import compile_from_file_input
from vyper.compiler.input_bundle import FileInput, FilesystemInputBundle

from oyez.chain import deploy, step_contracts
from oyez.chain.artifacts import Abi
from oyez.protocol import constants
from scripts import abi
from tests.snapshots import check_snapshot

TEXT = (deploy.ROOT / "contracts/constants.vy").read_text()


def constant(name: str) -> int:
    (value,) = re.findall(rf"^{name}: constant\(uint256\) = (.*)$", TEXT, re.M)
    return int(eval(value, {}))  # the project's own file: an arithmetic expression


def test_abi_files_are_current() -> None:
    assert abi.find_stale() == []


NAMES = [
    *(*deploy.CONTRACTS, *deploy.GAME, *step_contracts.STEPS, *deploy.ENCLAVES),
    *deploy.EXAMPLES,
]


@pytest.mark.parametrize("name", NAMES)
def test_code_is_at_most_24_000_bytes(name: str) -> None:
    assert len(deploy.compile_contracts()[name].runtime) <= 24_000


def test_every_shared_constant_has_one_value() -> None:
    names = set(re.findall(r"^([A-Z0-9_]+): constant\(uint256\)", TEXT, re.M))
    ours = {name for name, value in vars(constants).items() if isinstance(value, int)}

    shared = sorted(names & ours)

    assert len(shared) >= 25
    assert {n: constant(n) for n in shared} == {n: getattr(constants, n) for n in shared}


def test_every_tag_is_named_after_its_hash() -> None:
    tags = dict(re.findall(r'^([A-Z_]+): constant\(bytes32\) = keccak256\("(.*)"\)$', TEXT, re.M))

    assert tags == {name: f"oyez.{name.lower()}.v1" for name in tags}
    assert set(tags) <= set(constants.TAG_NAMES)


def test_each_source_is_below_450_lines() -> None:
    for path in (deploy.ROOT / "contracts").rglob("*.vy*"):
        assert len(path.read_text().splitlines()) < 450, path


def test_each_reason_stands_at_one_check() -> None:
    seen: dict[str, str] = {}
    for path in (deploy.ROOT / "contracts").rglob("*.vy"):
        for reason in re.findall(r'"([a-z]+: [^"]+)"', path.read_text()):
            assert reason not in seen, (reason, path.name, seen[reason])
            assert len(reason) <= 32, reason
            seen[reason] = path.name


def test_code_sizes_and_storage_layouts_move_only_on_purpose() -> None:
    compiled = deploy.compile_contracts()
    names = [name for name in NAMES if name not in step_contracts.VERIFIERS]
    check_snapshot(
        "contracts",
        {name: {"code": len(compiled[name].runtime)} for name in names}
        | {"layouts": {name: layout_of(name) for name in names}},
    )


def test_abis_move_only_on_purpose() -> None:
    """What integrators compile against, one line each, with selectors and topics."""
    check_snapshot(
        "abi", {name: list_abi(made.abi) for name, made in deploy.compile_contracts().items()}
    )


def list_abi(abi: Abi) -> list[str]:
    lines = []
    for entry in abi:
        if entry["type"] not in ("function", "event"):
            lines.append(f"{entry['type']}({', '.join(map(show, entry.get('inputs', [])))})")
            continue
        types = ",".join(collapse_if_tuple(i) for i in entry["inputs"])
        digest = keccak(text=f"{entry['name']}({types})")
        head = f"{entry['type']} {entry['name']}({', '.join(map(show, entry['inputs']))})"
        if entry["type"] == "event":
            lines.append(f"{head} 0x{digest.hex()}")
            continue
        results = ", ".join(map(show, entry["outputs"]))
        lines.append(f"{head} {entry['stateMutability']} -> ({results}) 0x{digest[:4].hex()}")
    return lines


def show(parameter: dict[str, Any]) -> str:
    """`uint256 n`, `(bytes32 a, uint256 b) proof`, `address indexed staker`."""
    parts = ", ".join(map(show, parameter.get("components", [])))
    kind = parameter["type"].replace("tuple", f"({parts})") if parts else parameter["type"]
    return " ".join(
        filter(None, (kind, "indexed" * parameter.get("indexed", False), parameter["name"]))
    )


def layout_of(name: str) -> Any:
    folder = "contracts/examples" if name in deploy.EXAMPLES else "contracts"
    path = Path(f"{folder}/{name}.vy")
    full = (deploy.ROOT / path).resolve()
    file = FileInput(contents=full.read_text(), source_id=0, path=path, resolved_path=full)
    bundle = FilesystemInputBundle([deploy.ROOT])
    output = compile_from_file_input(file, input_bundle=bundle, output_formats=["layout"])
    return output["layout"]


def test_each_reason_is_named_by_a_test() -> None:
    tests = "".join(
        path.read_text() for path in Path(__file__).parent.glob("*.py") if path != Path(__file__)
    )
    missing = []
    for path in (deploy.ROOT / "contracts").rglob("*.vy"):
        for source, rule in re.findall(r'"([a-z]+: )([^"]+)"', path.read_text()):
            if source + rule not in tests and f'("{rule}"' not in tests:
                missing.append(source + rule)
    assert missing == []

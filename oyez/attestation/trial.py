"""Has the contracts judge a quote on a local chain of its own, at a given time.

Deployment, collateral and the quote go into one block of that time, so that nothing depends on when
the trial is held. First the quote stands alone: what is wrong with it whatever the collateral
decides. Then the first part of the collateral that the contracts refuse, then the quote again.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from oyez.attestation.certificates import BEGIN, Certificate, parse_certificate
from oyez.attestation.collateral import PCK_CHAIN
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.slices import Piece, cut_pem, cut_signed
from oyez.attestation.submissions import compute_subject_id, split_quote
from oyez.chain import deploy
from oyez.chain.contracts import encode_call
from oyez.chain.devnet import Devnet
from oyez.protocol.errors import Invalid
from oyez.protocol.types import ZERO_ADDRESS, Address

NAMES = (
    "pck_crl_issuer_chain", "root_ca_crl", "pck_crl", "tcb_info_issuer_chain", "tcb_info",
    "tcb_info_signature", "qe_identity_issuer_chain", "qe_identity", "qe_identity_signature",
)  # fmt: skip
MAX_COLLATERAL = 1 << 20
HEX = re.compile("(?:[0-9a-fA-F]{2})*")
#: No trial before 2000, none after 2106.
FIRST, LAST = 946_684_800, (1 << 32) - 1
#: Of a transaction: the most that a chain allows.
GAS = 1 << 24
#: What the contracts say of a sound quote while they know nothing else.
NOTHING_KNOWN = "tdx: unknown issuer"
BLOCK_GAS = 1 << 30
#: What is said of a part that no transaction carries to the contracts.
TOO_LARGE = "refused without words: more bytes than a transaction may have"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the contracts said.

    Attributes:
        accepted: whether they take the quote.
        reason: their words where they do not, empty where they do.
        gas: of the whole transaction that decided, 0 where no chain takes it.
    """

    accepted: bool
    reason: str
    gas: int


@dataclass(frozen=True, slots=True)
class Given:
    """Collateral in the pieces that the contracts take, read and not judged."""

    issuers: tuple[bytes, ...]  # DER
    pck_chain: list[bytes] | None  # DER; None: the quote's counts
    signers: tuple[bytes, ...]  # DER
    root_list: Piece
    pck_list: Piece
    tcb_info: Piece
    qe_identity: Piece


def read_collateral(text: str) -> Given:
    """Return the pieces of QuoteCollateralV3 JSON.

    Raises:
        Invalid: CLI-12, it has not the nine texts, one twice, or hex that is none.

    Rule: CLI-12
    """
    try:
        read = json.JSONDecoder(object_pairs_hook=_read_members).decode
        found = read(text) if len(text) <= MAX_COLLATERAL else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Invalid(
            "CLI-12",
            "the collateral is no JSON object with each member once: give QuoteCollateralV3 JSON",
        )
    for name in NAMES:
        if not isinstance(found.get(name), str):
            raise Invalid(
                "CLI-12", f"the collateral has no text {name}: give QuoteCollateralV3 JSON"
            )
    pck_chain = found.get(PCK_CHAIN)
    if not isinstance(pck_chain, str | None):
        raise Invalid("CLI-12", f"the collateral's {PCK_CHAIN} is no text")
    binary = {}
    for name in ("root_ca_crl", "pck_crl", "tcb_info_signature", "qe_identity_signature"):
        if not HEX.fullmatch(found[name]):
            raise Invalid("CLI-12", f"the collateral's {name} is no hex")
        binary[name] = bytes.fromhex(found[name])
    encoded = {name: found[name].encode("utf-8", "surrogatepass") for name in NAMES}
    chains = {name: _cut_all(text) for name, text in encoded.items() if name.endswith("_chain")}
    signers = [
        data
        for name in ("tcb_info_issuer_chain", "qe_identity_issuer_chain")
        for data in chains[name][:1] or [b""]
    ]
    return Given(
        tuple(chains["pck_crl_issuer_chain"][:1] or [b""]),
        None if pck_chain is None else _cut_all(pck_chain.encode("utf-8", "surrogatepass")),
        tuple(signers),
        cut_signed(binary["root_ca_crl"]),
        cut_signed(binary["pck_crl"]),
        Piece(encoded["tcb_info"], binary["tcb_info_signature"]),
        Piece(encoded["qe_identity"], binary["qe_identity_signature"]),
    )


def _read_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return a JSON object's members; one that is there twice is no object at all."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member that is there twice")
    return found


def _cut_chain(raw: bytes, head: bytes, known: list[bytes] | None) -> list[bytes]:
    """Return the DER of the PCK's chain: what is known of it, else what the quote says it has.

    A quote that has not as many bytes of it as it says has none, whatever else is known.
    """
    size = int.from_bytes(head[-4:], "little")
    text = raw[len(head) : len(head) + size]
    if len(text) != size:
        return []
    return _cut_all(text) if known is None else known


def _cut_all(text: bytes) -> list[bytes]:
    """Return the DER of a text's certificates, none where one cannot be decoded."""
    found = cut_pem(text)
    return found if len(found) == text.count(BEGIN.strip()) else []


def _signer_id(data: bytes) -> bytes:
    """Return a signer's id, zero for what is no certificate: the contract knows none such."""
    try:
        one: Certificate = parse_certificate(data)
    except Invalid:
        return bytes(32)
    return compute_subject_id(one)


def _start(data: bytes) -> int:
    """Return from when a certificate is valid: a renewed one takes the older one's place."""
    try:
        return parse_certificate(data).not_before
    except Invalid:
        return 0


class Trial:
    """One block's transactions, and what became of them."""

    def __init__(self, node: Devnet, build: str) -> None:
        """Have the node collect what is sent; `build` is Intel or Sim."""
        self._node, self._build = node, build
        self._account = Address(bytes.fromhex(node.accounts[0].address[2:]))
        self._sent: list[str] = []
        self._alone = ""
        node.request("evm_setAutomine", False)
        node.request("evm_setBlockGasLimit", hex(BLOCK_GAS))

    def create(self, base: str, *arguments: Any) -> Address:  # Any: ABI values
        """Send a contract's creation; return where it will be."""
        artifact = deploy.compile_contract(f"contracts/{base}{self._build}.vy")
        code = artifact.bytecode + deploy.encode_arguments(artifact.abi, arguments)
        address = deploy.compute_create_address(self._account, len(self._sent))
        self._send(None, code)
        return address

    def call(self, base: str, to: Address, function: str, *arguments: Any) -> None:
        """Send a call."""
        artifact = deploy.compile_contract(f"contracts/{base}{self._build}.vy")
        element = next(
            one for one in artifact.abi if one["type"] == "function" and one["name"] == function
        )
        self._send(to, encode_call(element, arguments))

    def call_alone(self, base: str, to: Address, function: str, *arguments: Any) -> None:
        """Send a call that is refused because nothing is known, if for nothing else."""
        self.call(base, to, function, *arguments)
        self._alone = self._sent[-1]

    def _send(self, to: Address | None, data: bytes) -> None:
        message = {"from": self._node.accounts[0].address, "data": "0x" + data.hex()}
        message |= {"gas": hex(GAS)} | ({} if to is None else {"to": "0x" + to.hex()})
        self._sent.append(self._node.request("eth_sendTransaction", message))

    def judge(self, now: int) -> Verdict:
        """Mine all that was sent into a block of this time; return what decides."""
        self._node.request("evm_setNextBlockTimestamp", now)
        self._node.request("evm_mine")
        for sent in self._sent:
            receipt = self._node.request("eth_getTransactionReceipt", sent)
            if receipt is None:  # its bytes alone cost more than a transaction may
                return Verdict(False, TOO_LARGE, 0)
            gas = int(receipt["gasUsed"], 16)
            reason = self._explain(sent) if int(receipt["status"], 16) == 0 else ""
            if reason and (sent, reason) != (self._alone, NOTHING_KNOWN):
                return Verdict(False, reason, gas)
        return Verdict(True, "", gas)

    def _explain(self, sent: str) -> str:
        """Return a refused transaction's revert string."""
        trace = self._node.request("debug_traceTransaction", sent, {"tracer": "callTracer"})
        return explain(bytes.fromhex(trace.get("output", "0x")[2:]))


def explain(answer: bytes) -> str:
    """Return the words of a revert, or that it had none."""
    head, size = answer[:4], int.from_bytes(answer[36:68])
    if head != keccak(b"Error(string)")[:4] or len(answer) < 68 + size:
        return "refused without words: of a form that the contract does not read"
    return answer[68 : 68 + size].decode("utf-8", "replace")


def try_quote(
    raw: bytes, collateral: str, now: int, platform: SimulatedPlatform | None = None
) -> Verdict:
    """Return the contracts' verdict on a quote at a time.

    Args:
        raw: the quote.
        collateral: QuoteCollateralV3 JSON.
        now: seconds since 1970.
        platform: whose root counts in place of Intel's.

    Raises:
        Invalid: CLI-12, an input that cannot be put before the contracts.

    Rule: CLI-12
    """
    if not FIRST <= now <= LAST:
        raise Invalid("CLI-12", f"the time {now} is none from {FIRST} to {LAST}")
    given, head = read_collateral(collateral), split_quote(raw).quote
    chain = _cut_chain(raw, head, given.pck_chain)
    pck, issuers = cut_signed(chain[0] if chain else b""), chain[1:2]
    with Devnet(accounts=1, timestamp=now - 1) as node:
        trial = Trial(node, "Intel" if platform is None else "Sim")
        kept = trial.create("TdxCollateral", *_root(platform))
        registry = trial.create("TdxRegistry", kept, 86_400, ZERO_ADDRESS, 0, [])

        question = ("verify", head, pck.signed, pck.signature)

        def submit(function: str, piece: Piece, *more: bytes) -> None:
            trial.call("TdxCollateral", kept, function, piece.signed, piece.signature, *more)

        trial.call_alone("TdxRegistry", registry, *question)
        submit("submit_list", given.root_list)
        # a quote that brings no issuer is of one unknown, whatever the collateral brings
        named = issuers and (*issuers, *given.issuers)
        ordered = (*sorted(named, key=_start), *sorted(given.signers, key=_start))
        for data in dict.fromkeys(ordered):  # the contract takes each once
            submit("submit_issuer", cut_signed(data))
        submit("submit_list", given.pck_list)
        submit("submit_tcb_info", given.tcb_info, _signer_id(given.signers[0]))
        submit("submit_qe_identity", given.qe_identity, _signer_id(given.signers[1]))
        trial.call("TdxRegistry", registry, *question)
        return trial.judge(now)


def _root(platform: SimulatedPlatform | None) -> tuple[Any, ...]:
    """Return the constructor's argument of the simulated build, none of the real one."""
    if platform is None:
        return ()
    key = platform.root_key
    id = compute_subject_id(parse_certificate(platform.root))
    return ((id, key[:32], key[32:]),)

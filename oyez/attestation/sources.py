"""Where collateral comes from: files, a PCCS or Intel's own service, the simulated platform.

Each gives QuoteCollateralV3 JSON. Nothing here is believed: what is wrong in it the chain refuses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import requests

from oyez.attestation.collateral import MAX_COLLATERAL
from oyez.attestation.simulated import SimulatedPlatform
from oyez.chain.client import LOOPBACK
from oyez.chain.urls import verify_url
from oyez.protocol.errors import Fatal, Invalid, Temporary

TIMEOUT_SECONDS = (5, 30)
#: Intel's own service has the root's list elsewhere; a PCCS has it beside the others.
INTEL_HOST = "api.trustedservices.intel.com"
INTEL_ROOT_LIST = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
ENVELOPE = re.compile(r'\{"(\w+)":(\{.*\}),"signature":"([0-9a-fA-F]{128})"\}', re.DOTALL)
HEX = re.compile(rb"(?:[0-9a-fA-F]{2})+")


class CollateralSource(Protocol):
    """Gives collateral when asked."""

    def fetch(self, now: int) -> list[str]:
        """Return QuoteCollateralV3 JSON texts, best at this time, in seconds since 1970.

        Raises:
            Temporary: it does not answer now.
        """
        ...


class FileSource:
    """A file, or every `*.json` in a folder, read anew each time.

    Rule: ENCLAVE-10
    """

    def __init__(self, path: Path) -> None:
        """Name the file or folder."""
        self._path = path

    def fetch(self, now: int) -> list[str]:
        """Return the texts; files that are no text of this size are Temporary, as half-written."""
        paths = sorted(self._path.glob("*.json")) if self._path.is_dir() else [self._path]
        try:
            texts = [path.read_text(encoding="utf-8") for path in paths]
        except (OSError, UnicodeDecodeError) as error:
            raise Temporary(f"cannot read collateral at {self._path} ({error})") from error
        if not texts:
            raise Temporary(f"{self._path} holds no *.json: put collateral there")
        return texts


class SimulatedSource:
    """The simulated platform's own, issued when asked: for development chains.

    Rule: ENCLAVE-10
    """

    def __init__(self, platform: SimulatedPlatform) -> None:
        """Take the platform."""
        self._platform = platform

    def fetch(self, now: int) -> list[str]:
        """Return collateral that is in force at this time."""
        return [self._platform.collateral(now)]


class PccsSource:
    """A caching service (PCCS), or Intel's own, version 4 of its interface.

    Rule: ENCLAVE-10
    """

    def __init__(self, url: str, fmspcs: Sequence[bytes]) -> None:
        """Take the service's address, e.g. https://api.trustedservices.intel.com, and the families.

        Args:
            url: what stands before /sgx/certification/v4 and /tdx/certification/v4.
            fmspcs: of whose machines collateral is wanted, 6 bytes each.

        Raises:
            Invalid: CLI-11, the address is none.
            Fatal: no family is named.
        """
        verify_url(url, "the collateral's address")
        if not fmspcs:
            raise Fatal("collateral of which machines? give --fmspc, six bytes in hex")
        self._url, self._fmspcs = url.rstrip("/"), list(fmspcs)
        self._session = requests.Session()
        self._session.trust_env = urlsplit(url).hostname not in LOOPBACK

    def fetch(self, now: int) -> list[str]:
        """Return one text for each family."""
        sgx, tdx = f"{self._url}/sgx/certification/v4", f"{self._url}/tdx/certification/v4"
        list_, issuers = self._get(f"{sgx}/pckcrl?ca=platform&encoding=der", "SGX-PCK-CRL")
        is_intel = urlsplit(self._url).hostname == INTEL_HOST
        root_list, _ = self._get(INTEL_ROOT_LIST if is_intel else f"{sgx}/rootcacrl", None)
        enclave, enclave_chain = self._get(f"{tdx}/qe/identity", "SGX-Enclave-Identity")
        shared = {
            "pck_crl_issuer_chain": issuers,
            "root_ca_crl": _unhex(root_list).hex(),
            "pck_crl": _unhex(list_).hex(),
            "qe_identity_issuer_chain": enclave_chain,
        } | self._open(enclave, "enclaveIdentity", "qe_identity")
        found = []
        for fmspc in self._fmspcs:
            info, chain = self._get(f"{tdx}/tcb?fmspc={fmspc.hex()}", "TCB-Info")
            own = self._open(info, "tcbInfo", "tcb_info") | {"tcb_info_issuer_chain": chain}
            found.append(json.dumps(shared | own))
        return found

    def _get(self, url: str, header: str | None) -> tuple[bytes, str]:
        """Return an answer and the chain that its header has; no header asked for: no chain."""
        try:
            answer = self._session.get(url, timeout=TIMEOUT_SECONDS, stream=True)
            data = answer.raw.read(MAX_COLLATERAL + 1, decode_content=True)
        except OSError as error:  # requests' own errors are OSErrors
            raise Temporary(f"no collateral from {url} ({type(error).__name__})") from error
        if answer.status_code != 200 or len(data) > MAX_COLLATERAL:
            raise Temporary(f"no collateral from {url} (status {answer.status_code})")
        if header is None:
            return data, ""
        chain = unquote(answer.headers.get(f"{header}-Issuer-Chain", ""))
        if not chain:
            raise Temporary(f"{url} answered without its issuer's chain: is it a PCCS?")
        return data, chain if chain.endswith("\n") else chain + "\n"

    def _open(self, data: bytes, wanted: str, name: str) -> dict[str, str]:
        """Return a document's exact text and its signature."""
        match = ENVELOPE.fullmatch(data.decode("latin-1").strip())
        if match is None or match.group(1) != wanted:
            raise Temporary(f"{self._url} answered no signed {wanted}: is it a PCCS?")
        return {name: match.group(2), f"{name}_signature": match.group(3).lower()}


def _unhex(data: bytes) -> bytes:
    """Return DER that a service may have written as hex."""
    text = data.strip()
    return bytes.fromhex(text.decode("ascii")) if HEX.fullmatch(text) else data


def build_source(text: str, fmspcs: Sequence[bytes] = ()) -> CollateralSource:
    """Return the source that a user names: `simulated`, an http(s) address, a file or folder.

    Raises:
        Invalid: ENCLAVE-10, nothing is named; CLI-11, an address that is none.
        Fatal: an address without families.
    """
    if not text:
        raise Invalid("ENCLAVE-10", "no collateral is named: give a file, a folder or an address")
    if text == "simulated":
        return SimulatedSource(SimulatedPlatform())
    if text.startswith(("http://", "https://")):
        return PccsSource(text, fmspcs)
    return FileSource(Path(text))

"""Intel's two signed documents: a platform's TCB info and the quoting enclave's identity."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from oyez.attestation.signed_json import Reader

MODULE = re.compile(r"TDX_([0-9A-F]{2})")


class Status(Enum):
    """What Intel says of a level, in the words of its documents."""

    UP_TO_DATE = "UpToDate"
    SW_HARDENING = "SWHardeningNeeded"
    CONFIGURATION = "ConfigurationNeeded"
    CONFIGURATION_AND_SW = "ConfigurationAndSWHardeningNeeded"
    OUT_OF_DATE = "OutOfDate"
    OUT_OF_DATE_CONFIGURATION = "OutOfDateConfigurationNeeded"
    REVOKED = "Revoked"


@dataclass(frozen=True, slots=True)
class SvnLevel:
    """The status of a TDX module or quoting enclave from this ISVSVN on."""

    isv_svn: int
    status: Status


@dataclass(frozen=True, slots=True)
class TcbLevel:
    """The status of a platform that reaches all of these numbers."""

    components: bytes  # 16 SVNs
    pcesvn: int
    tdx: bytes  # 16 SVNs
    status: Status


@dataclass(frozen=True, slots=True)
class Module:
    """A TDX module's signer and attributes; `levels` are empty for version 0."""

    version: int  # 0..255, TEE_TCB_SVN[1]
    mr_signer: bytes  # 48
    attributes: bytes  # 8
    mask: bytes  # 8
    levels: tuple[SvnLevel, ...]


@dataclass(frozen=True, slots=True)
class TcbInfo:
    """What Intel says of the platforms of one FMSPC."""

    issued: int  # seconds since 1970
    until: int
    fmspc: bytes  # 6
    evaluation: int
    modules: tuple[Module, ...]
    levels: tuple[TcbLevel, ...]


@dataclass(frozen=True, slots=True)
class QeIdentity:
    """What Intel says of its quoting enclave for TDX."""

    issued: int  # seconds since 1970
    until: int
    evaluation: int
    misc_select: bytes  # 4
    misc_mask: bytes  # 4
    attributes: bytes  # 16
    attributes_mask: bytes  # 16
    mr_signer: bytes  # 32
    isv_prod_id: int
    levels: tuple[SvnLevel, ...]


def _status(read: Reader, level: dict[str, object]) -> Status:
    """Return a level's status, its date and advisories being of their form."""
    read.moment(level["tcbDate"], "tcbDate")
    for advisory in read.array(level.get("advisoryIDs", [""]), "advisoryIDs"):
        read.text(advisory, "an advisory")
    word = read.text(level["tcbStatus"], "tcbStatus")
    read.must(word in {status.value for status in Status}, "tcbStatus is no status")
    return Status(word)


def _svn_levels(read: Reader, value: object) -> Iterator[SvnLevel]:
    """Yield the levels of a module or enclave."""
    for one in read.array(value, "tcbLevels"):
        level = read.members(one, "tcb", "tcbDate", "tcbStatus", "advisoryIDs?")
        tcb = read.members(level["tcb"], "isvsvn")
        yield SvnLevel(read.integer(tcb["isvsvn"], 65_535, "isvsvn"), _status(read, level))


def _components(read: Reader, value: object) -> bytes:
    """Return sixteen component SVNs."""
    svns = []
    for one in read.array(value, "components"):
        component = read.members(one, "svn", "category?", "type?")
        svns.append(read.integer(component.pop("svn"), 255, "svn"))
        for name, text in component.items():
            read.text(text, name)
    read.must(len(svns) == 16, "components are not sixteen")
    return bytes(svns)


def _tcb_levels(read: Reader, value: object) -> Iterator[TcbLevel]:
    """Yield the levels of a platform, highest first as Intel lists them."""
    for one in read.array(value, "tcbLevels"):
        level = read.members(one, "tcb", "tcbDate", "tcbStatus", "advisoryIDs?")
        tcb = read.members(level["tcb"], "sgxtcbcomponents", "pcesvn", "tdxtcbcomponents")
        yield TcbLevel(
            _components(read, tcb["sgxtcbcomponents"]),
            read.integer(tcb["pcesvn"], 65_535, "pcesvn"),
            _components(read, tcb["tdxtcbcomponents"]),
            _status(read, level),
        )


def _module(read: Reader, fields: dict[str, object]) -> Module:
    """Return a module's identity, or version 0's where there is no id."""
    match = MODULE.fullmatch(read.text(fields.get("id", "TDX_00"), "id"))
    read.must(match is not None, "id of a module is not TDX_ and two hex digits")
    levels = _svn_levels(read, fields["tcbLevels"]) if "tcbLevels" in fields else iter(())
    return Module(
        int(match.group(1), 16) if match else 0,
        read.octets(fields["mrsigner"], 48, "mrsigner"),
        read.octets(fields["attributes"], 8, "attributes"),
        read.octets(fields["attributesMask"], 8, "attributesMask"),
        tuple(levels),
    )


def parse_tcb_info(text: str) -> TcbInfo:
    """Return a TCB info of version 3 for TDX.

    Raises:
        Invalid: ATTEST-9, with the first member that is wrong.

    Rule: ATTEST-9
    """
    read = Reader("ATTEST-9", "TCB info")
    value = read.document(text)
    read.must(isinstance(value, dict) and value.get("id") == "TDX", "id is not TDX")
    info = read.members(
        value, "id", "version", "issueDate", "nextUpdate", "fmspc", "pceId", "tcbType",
        "tcbEvaluationDataNumber", "tdxModule", "tdxModuleIdentities?", "tcbLevels",
    )  # fmt: skip
    read.must(read.integer(info["version"], 255, "version") == 3, "version is not 3")
    read.must(info["pceId"] == "0000", "pceId is not 0000")
    read.must(read.integer(info["tcbType"], 255, "tcbType") == 0, "tcbType is not 0")
    names = ("mrsigner", "attributes", "attributesMask")
    modules = [_module(read, read.members(info["tdxModule"], *names))]
    if "tdxModuleIdentities" in info:
        for one in read.array(info["tdxModuleIdentities"], "tdxModuleIdentities"):
            modules.append(_module(read, read.members(one, "id", *names, "tcbLevels")))
    versions = [module.version for module in modules]
    read.must(len(set(versions)) == len(versions), "a module has two identities")
    return TcbInfo(
        read.moment(info["issueDate"], "issueDate"),
        read.moment(info["nextUpdate"], "nextUpdate"),
        read.octets(info["fmspc"], 6, "fmspc"),
        read.integer(info["tcbEvaluationDataNumber"], 65_535, "tcbEvaluationDataNumber"),
        tuple(modules),
        tuple(_tcb_levels(read, info["tcbLevels"])),
    )


def parse_qe_identity(text: str) -> QeIdentity:
    """Return an identity of version 2 of the quoting enclave for TDX.

    Raises:
        Invalid: ATTEST-10, with the first member that is wrong.

    Rule: ATTEST-10
    """
    read = Reader("ATTEST-10", "QE identity")
    value = read.members(
        read.document(text), "id", "version", "issueDate", "nextUpdate", "tcbEvaluationDataNumber",
        "miscselect", "miscselectMask", "attributes", "attributesMask", "mrsigner", "isvprodid",
        "tcbLevels",
    )  # fmt: skip
    read.must(value["id"] == "TD_QE", "id is not TD_QE")
    read.must(read.integer(value["version"], 255, "version") == 2, "version is not 2")
    return QeIdentity(
        read.moment(value["issueDate"], "issueDate"),
        read.moment(value["nextUpdate"], "nextUpdate"),
        read.integer(value["tcbEvaluationDataNumber"], 65_535, "tcbEvaluationDataNumber"),
        read.octets(value["miscselect"], 4, "miscselect"),
        read.octets(value["miscselectMask"], 4, "miscselectMask"),
        read.octets(value["attributes"], 16, "attributes"),
        read.octets(value["attributesMask"], 16, "attributesMask"),
        read.octets(value["mrsigner"], 32, "mrsigner"),
        read.integer(value["isvprodid"], 65_535, "isvprodid"),
        tuple(_svn_levels(read, value["tcbLevels"])),
    )

"""For each refusal of a quote, of collateral or of a key a change that lets it pass, and its test.

Tags are rules of docs/spec/attest.md. `without` drops the checks of reasons. Every altered quote of
tdx_cases.py has a mutant that its own test notices.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from tests.contracts import tdx_cases
from tests.contracts.named_mutants import Named

ROOT = Path(__file__).resolve().parents[2]
HERE = "tests/contracts/test_tdx_"
QUOTE = f"{HERE}quotes.py::test_an_altered_quote_is_refused_by_name"
COLLATERAL, REGISTRY = "TdxCollateralSim", "TdxRegistrySim"


def find_check(file: str, reason: str) -> str:
    """Return the text of the assertion that has a reason, from its keyword to its end."""
    folder = "contracts" if file.startswith("Tdx") else "contracts/modules"
    text = (ROOT / folder / f"{file}.vy").read_text(encoding="utf-8")
    end = text.index(f'"{reason}"') + len(reason) + 2
    start = [match.start() for match in re.finditer(r"(?m)^ +assert ", text[:end])][-1]
    return text[start:end].lstrip()


def without(target: str, file: str, tag: str, tests: dict[str, str]) -> list[Named]:
    """Return mutants that drop checks: reason -> test."""
    return [
        Named(f"ATTEST-{tag}", target, file, find_check(file, reason), "pass", test)
        for reason, test in tests.items()
    ]


def case(name: str) -> str:
    return f"{QUOTE}[{name}]"


LISTS = f"{HERE}issuers.py::test_lists_are_signed_in_force_and_newer"
ISSUERS = f"{HERE}issuers.py::test_issuers_come_from_the_root_alone"
BARE = f"{HERE}issuers.py::test_without_a_roots_list_there_are_no_issuers"
CA_REVOKED = f"{HERE}issuers.py::test_a_revoked_ca_vouches_for_nothing"
SIGNER_REVOKED = f"{HERE}issuers.py::test_a_revoked_signers_documents_count_no_longer"
FORGED = f"{HERE}issuers.py::test_what_a_revoked_signer_added_counts_no_longer"
STAYS = f"{HERE}issuers.py::test_whoever_is_revoked_stays_revoked"
DOCUMENTS = f"{HERE}collateral.py::test_documents_are_signed_in_force_and_newer"
EXPIRED = f"{HERE}collateral.py::test_what_has_expired_judges_nothing"
BAD_NEWS = (
    f"{HERE}collateral.py::test_a_newer_document_whose_first_level_is_not_up_to_date_ends_all"
)
RAISED = f"{HERE}collateral.py::test_a_newer_tcb_info_raises_the_standard"
LEFT_OUT = f"{HERE}collateral.py::test_a_module_that_a_newer_tcb_info_leaves_out_is_unknown"
PARTS = f"{HERE}collateral.py::test_a_quote_needs_its_certificates_signature_whole"
TIMES = f"{HERE}readers.py::test_what_is_no_time_is_refused_by_name"
LENGTHS = f"{HERE}readers.py::test_lists_of_any_length_up_to_the_bound"
TCB_INFO = f"{HERE}readers.py::test_what_is_no_tcb_info_is_refused_by_name"
QE_IDENTITY = f"{HERE}readers.py::test_what_is_no_qe_identity_is_refused_by_name"
SIXTEEN = f"{HERE}readers.py::test_sixteen_components_no_more_and_no_less"
MODULES = f"{HERE}readers.py::test_modules_stand_at_most_once"
BOUND = f"{HERE}registry.py::test_a_quote_names_key_registry_and_chain"
BLOCKS = f"{HERE}registry.py::test_a_quote_is_of_one_of_the_last_256_blocks"
HELD = f"{HERE}registry.py::test_others_need_the_keys_own_signature"
ONCE = f"{HERE}registry.py::test_a_quote_registers_once"
PRUNED = f"{HERE}registry.py::test_a_pruned_key_stays_out_until_a_later_quote"
BEHIND = f"{HERE}registry.py::test_whoever_falls_behind_is_pruned"
LISTED = f"{HERE}registry.py::test_only_a_listed_workload_registers"
HOLDS = f"{HERE}registry.py::test_what_only_time_has_ended_is_not_pruned"
CURATOR = f"{HERE}registry.py::test_the_curator_alone_changes_the_list"
WITHOUT_DELAY = f"{HERE}registry.py::test_a_curator_has_a_delay"
LOCAL = f"{HERE}builds.py::test_the_simulated_build_lives_on_local_chains_alone"
NO_P256 = f"{HERE}builds.py::test_a_chain_without_the_precompile_is_refused"

CHECKS = [
    *without(REGISTRY, "quotes", "1", {
        "quote: body of another type": case("body 4 of 648 bytes"),
        "quote: version not 4 or 5": case("version 3"),
        "quote: of another length": PARTS,
        "quote: key not of p256": case("key of P-384"),
        "quote: not of tdx": case("an SGX quote"),
        "quote: enclave not of intel": case("another vendor"),
        "quote: certification type": case("certified by 5"),
        "quote: auth data": case("auth said to be 0"),
        "quote: certificates type": case("chain of type 4"),
        "quote: block length": case("short block"),
        "quote: certification length": case("short chain"),
    }),
    *without(REGISTRY, "quotes", "12", {
        "quote: report not by the pck": case("report by no PCK"),
        "quote: another attestation key": case("another key named"),
        "quote: report data has a tail": case("tail"),
        "quote: not by its key": case("s = 0"),
    }),
    *without(REGISTRY, "quotes", "14", {
        "tdx: domain in debug mode": case("TDATTRIBUTES 0100001000000000"),
        "tdx: untrusted attribute": case("TDATTRIBUTES 0200001000000000"),
        "tdx: sept_ve_disable not set": case("TDATTRIBUTES 0000000000000000"),
        "tdx: migratable domain": case("TDATTRIBUTES 0000003000000000"),
        "tdx: reserved attribute": case("TDATTRIBUTES 0001001000000000"),
        "tdx: seam attributes": case("SEAMATTRIBUTES 0"),
        "tdx: bound service domain": case("MRSERVICETD 0"),
    }),
    *without(REGISTRY, "quotes", "15", {
        "tdx: module of another signer": case("MRSIGNERSEAM 0"),
    }),
    *without(REGISTRY, "enclaves", "6", {
        "tdx: pck not valid yet": case("not valid yet"),
        "tdx: pck expired": case("expired"),
        "tdx: unknown issuer": case("issued by root"),
        "tdx: pck not signed": case("signed by itself"),
    }),
    *without(REGISTRY, "enclaves", "24", {
        "tdx: issuer expired": EXPIRED,
        "tdx: revocation list expired": EXPIRED,
        "tdx: tcb info expired": EXPIRED,
        "tdx: qe identity expired": EXPIRED,
        "tdx: signer revoked": SIGNER_REVOKED,
        "tdx: issuer revoked": CA_REVOKED,
    }),
    *without(REGISTRY, "enclaves", "22", {
        "tdx: no tcb info": BARE,
        "tdx: no qe identity": BARE,
    }),
    *without(REGISTRY, "enclaves", "7", {"tdx: pck revoked": STAYS}),
    *without(REGISTRY, "enclaves", "17", {
        "tdx: no platform up to date": f"{BAD_NEWS}[OutOfDate]",
        "tdx: no enclave up to date": f"{BAD_NEWS}[Revoked]",
    }),
    *without(REGISTRY, "enclaves", "26", {"tdx: signature length": PARTS}),
    *without(REGISTRY, "enclaves", "13", {
        "tdx: enclave in debug mode": case("enclave in debug mode"),
        "tdx: another enclave": case("enclave's signer"),
    }),
    *without(REGISTRY, "enclaves", "16", {
        "tdx: unknown module": case("unknown module"),
        "tdx: platform not up to date": case("old PCESVN"),
        "tdx: module not up to date": case("old module"),
        "tdx: enclave not up to date": case("old enclave"),
    }),
    *without(REGISTRY, "enclaves", "28", {
        "enclaves: block not mined yet": BLOCKS,
        "enclaves: block too old": BLOCKS,
        "enclaves: quote for another key": BOUND,
        "enclaves: no proof of possession": HELD,
        "enclaves: quote not newer": ONCE,
    }),
    *without(REGISTRY, "enclaves", "27", {
        "enclaves: workload not allowed": f"{LISTED}[mr_td]",
    }),
    *without(REGISTRY, "enclaves", "29", {
        "enclaves: no such key": f"{HERE}registry.py::test_nobody_prunes_by_other_evidence",
        "enclaves: other evidence": f"{HERE}registry.py::test_nobody_prunes_by_other_evidence",
        "enclaves: key still holds": HOLDS,
    }),
    *without(REGISTRY, "workloads", "27", {
        "workloads: curator only": CURATOR,
        "workloads: already on the list": CURATOR,
        "workloads: not the curator": CURATOR,
        "workloads: not on the list": CURATOR,
        "workloads: curator without delay": WITHOUT_DELAY,
    }),
    *without(COLLATERAL, "issuers", "21", {
        "issuers: list not newer": LISTS,
        "issuers: list of later": LISTS,
        "issuers: list expired": LISTS,
        "issuers: list not signed": LISTS,
        "issuers: signature length": LISTS,
    }),
    *without(COLLATERAL, "issuers", "22", {
        "issuers: not issued by the root": ISSUERS,
        "issuers: not valid yet": ISSUERS,
        "issuers: expired": ISSUERS,
        "issuers: not signed": ISSUERS,
        "issuers: not newer": ISSUERS,
        "issuers: root list expired": BARE,
        "issuers: revoked": CA_REVOKED,
    }),
    *without(COLLATERAL, "issuers", "6", {
        "issuers: unknown": f"{HERE}issuers.py::test_only_a_stored_ca_issues_lists",
    }),
    *without(COLLATERAL, "issuers", "24", {
        "issuers: no longer valid": EXPIRED,
        "issuers: revoked since": SIGNER_REVOKED,
    }),
    *without(COLLATERAL, "collateral", "11", {
        "collateral: not signed": f"{DOCUMENTS}[submit_tcb_info]",
        "collateral: of later": f"{DOCUMENTS}[submit_qe_identity]",
        "collateral: expired": f"{DOCUMENTS}[submit_tcb_info]",
    }),
    *without(COLLATERAL, "collateral", "17", {
        "collateral: not newer": f"{DOCUMENTS}[submit_tcb_info]",
        "collateral: evaluation number": f"{DOCUMENTS}[submit_qe_identity]",
    }),
    *without(COLLATERAL, "collateral", "11", {
        "collateral: not signed": f"{DOCUMENTS}[submit_qe_identity]",
        "collateral: of later": f"{DOCUMENTS}[submit_tcb_info]",
        "collateral: expired": f"{DOCUMENTS}[submit_qe_identity]",
    }),
    *without(COLLATERAL, "collateral", "17", {
        "collateral: not newer": f"{DOCUMENTS}[submit_qe_identity]",
        "collateral: evaluation number": f"{DOCUMENTS}[submit_tcb_info]",
    }),
    *without(COLLATERAL, "documents", "20", {
        "documents: not the template": QE_IDENTITY,
        "documents: no hex": QE_IDENTITY,
    }),
    *without(COLLATERAL, "times", "4", {
        "times: no time in utc": TIMES,
        "times: utc after 2049": TIMES,
        "times: no digits": TIMES,
        "times: no such month": TIMES,
        "times: no such hour": TIMES,
        "times: no such day": TIMES,
    }),
    *without(COLLATERAL, "times", "8", {
        "times: not of this century": TIMES,
        "times: no iso time": TIMES,
    }),
    *without(REGISTRY, "x509", "5", {
        "x509: not the template": case("PCE id 0001"),
        "x509: serial of another length": case("serial of 22 bytes"),
        "x509: serial out of range": case("serial 0"),
    }),
    *without(COLLATERAL, "x509", "21", {"x509: serial not the shortest": LENGTHS}),
    *without(COLLATERAL, "revocations", "21", {
        "list: not the template": LENGTHS,
        "list: too many entries": LENGTHS,
    }),
    *without(COLLATERAL, "documents", "19", {
        "documents: ends too early": f"{HERE}readers.py::test_levels_that_never_end_are_refused",
        "documents: not the template": TCB_INFO,
        "documents: no number": TCB_INFO,
        "documents: a leading zero": TCB_INFO,
        "documents: no hex": TCB_INFO,
        "documents: no component": TCB_INFO,
        "documents: no svn of a byte": TCB_INFO,
        "documents: not 16 components": SIXTEEN,
        "documents: a module twice": MODULES,
    }),
    *without(COLLATERAL, "p256", "18", {
        "p256: no precompile": NO_P256,
        "p256: accepts a false signature": NO_P256,
    }),
    *without(COLLATERAL, COLLATERAL, "25", {
        "collateral: no local chain": LOCAL,
        "collateral: simulated as intel": LOCAL,
    }),
    *without(REGISTRY, REGISTRY, "25", {
        "enclaves: no local chain": LOCAL,
        "enclaves: real collateral": LOCAL,
    }),
    *without("TdxRegistryIntel", "TdxRegistryIntel", "25", {"enclaves: not under intel": LOCAL}),
]  # fmt: skip


def registry(tag: int, file: str, old: str, new: str, test: str) -> Named:
    return Named(f"ATTEST-{tag}", REGISTRY, file, old, new, test)


def collateral(tag: int, file: str, old: str, new: str, test: str) -> Named:
    return Named(f"ATTEST-{tag}", COLLATERAL, file, old, new, test)


CHANGES = [
    # what stands behind a document in calldata is no part of it
    collateral(
        19, "documents", find_check("documents", "documents: not all of it signed"), "pass",
        f"{HERE}collateral.py::test_what_stands_behind_a_document_is_no_part_of_it",
    ),
    # an empty answer is no signature
    collateral(
        18, "p256", "return done and len(answer) == 32 and convert(answer, uint256) == 1",
        "return done and (len(answer) == 0 or convert(answer, uint256) == 1)",
        f"{HERE}builds.py::test_without_the_precompile_nothing_is_verified",
    ),
    collateral(19, "documents", "svn < 256 and (w >> 248 == COMMA or w >> 248 == END)",
               "svn < 256", TCB_INFO),
    # the first two TDX SVNs are the module identity's
    registry(16, "quotes", "svns | FIRST_TWO if has_identity else svns", "svns",
             f"{HERE}quotes.py::test_what_a_quote_may_be_is_accepted"
             "[lower first SVN, of the module's identity alone]"),
    registry(16, "quotes", "svns | FIRST_TWO if has_identity else svns", "svns | FIRST_TWO",
             case("old module of version 0")),
    # TEE_TCB_SVN_2 of TD 1.5
    registry(16, "quotes", "if fault == c.FAULT_NONE and evidence.svns_2 != evidence.svns:",
             "if False:", case("old module by now")),
    registry(15, "quotes", "standard.svns, standard.module_2)", "standard.svns, standard.module)",
             case("unknown module by now")),
    registry(16, "quotes", "if not self._is_reached(evidence.svns >> 128, standard.svns >> 128):",
             "if False:", case("component 0 is 3")),
    registry(16, "quotes", "if evidence.pcesvn < standard.pcesvn:",
             "if evidence.pcesvn > standard.pcesvn:", case("old PCESVN")),
    registry(13, "quotes", "evidence.qe_signer != standard.qe_signer\n        or ", "",
             case("enclave's signer")),
    registry(13, "quotes", "or (numbers >> 16) & c.M16 != (wanted >> 16) & c.M16",
             "or (numbers >> 16) & c.M8 != (wanted >> 16) & c.M8",
             case("enclave's product, high byte")),
    registry(13, "quotes", "or (numbers >> 32) & (wanted >> 32) & c.M32 != wanted >> 64\n",
             "\n", case("enclave's miscselect, first")),
    registry(13, "quotes", "or evidence.qe_attributes & mask != standard.qe_attributes >> 128",
             "", case("enclave's attributes, first")),
    registry(14, "quotes", "service == empty(bytes32) and rest == empty(bytes32)",
             "service == empty(bytes32)", case("MRSERVICETD 47")),
    registry(15, "quotes", "signer == empty(bytes32) and last == empty(bytes32)",
             "signer == empty(bytes32)", case("MRSIGNERSEAM 47")),
    registry(14, "quotes", "UNTRUSTED: constant(uint256) = 255 * 2**56",
             "UNTRUSTED: constant(uint256) = 127 * 2**56", case("TDATTRIBUTES 8000001000000000")),
    registry(14, "quotes", "FREE: constant(uint256) = (16 + 64 + 128) * 2**32 + 128",
             "FREE: constant(uint256) = (16 + 64 + 128) * 2**32 + 64",
             case("TDATTRIBUTES 0000001000000040")),
    registry(26, "quotes", "workload=keccak256(slice(quote, at + 120, 352))",
             "workload=keccak256(slice(quote, at + 120, 304))",
             f"{LISTED}[rt_mr2]"),
    registry(26, "quotes", "workload=keccak256(slice(quote, at + 120, 352))",
             "workload=keccak256(slice(quote, at + 128, 344))",
             f"{LISTED}[td_attributes]"),
    registry(26, "quotes", "workload=keccak256(slice(quote, at + 120, 352))",
             "workload=keccak256(slice(quote, at + 120, 400))",
             f"{HERE}registry.py::"
             "test_what_grows_while_a_domain_runs_is_no_part_of_its_workload"),
    # a key's other names, and its ends
    registry(28, "enclaves", "c.ENCLAVE, chain.id, self,",
             "c.ENCLAVE, convert(31_337, uint256), self,",
             f"{HERE}registry.py::test_another_chains_id_is_not_this_ones"),
    registry(28, "enclaves", "if len(possession) != 65 or signer == empty(address):",
             "if len(possession) != 65:", HELD),
    registry(28, "enclaves", "min(verdict.until, block.timestamp + LIFETIME)", "verdict.until",
             f"{HERE}registry.py::test_a_registration_lasts_its_lifetime"),
    registry(28, "enclaves", "until=min(standard.until, pck.not_after)", "until=standard.until",
             f"{HERE}registry.py::test_a_key_expires_with_the_first_that_vouches_for_it"),
    registry(28, "enclaves", "    self.words[signer] = block.number\n",
             "    self.words[signer] = word & c.M40\n", PRUNED),
    registry(29, "enclaves", "    self.words[signer] = block.number\n", "", BEHIND),
    registry(30, "enclaves", "if block.timestamp > (word >> 40) & c.M40:",
             "if block.timestamp > (word >> 40) & c.M40 + 1:",
             f"{HERE}registry.py::test_a_registration_lasts_its_lifetime"),
    registry(30, "enclaves", "return not staticcall COLLATERAL.is_revoked(mark)", "return True",
             f"{HERE}registry.py::test_revocation_reaches_a_live_key_at_once"),
    registry(29, "enclaves", "if fault < c.FAULT_REVOKED and not workloads._is_allowed(",
             "if fault == c.FAULT_NONE and not workloads._is_allowed(",
             f"{HERE}registry.py::"
             "test_a_withdrawn_workload_ends_its_keys_also_while_collateral_is_late"),
    registry(29, "enclaves", "if fault < c.FAULT_REVOKED and not workloads._is_allowed(",
             "if fault > c.FAULT_REVOKED and not workloads._is_allowed(",
             f"{HERE}registry.py::test_a_withdrawn_workload_ends_its_keys"),
    registry(27, "workloads", "return start != 0 and block.timestamp >= start",
             "return start != 0",
             f"{LISTED}[xfam]"),
    # collateral
    collateral(23, "collateral", "(issued == known_issued and epoch != known_epoch)",
               "(issued == known_issued)", SIGNER_REVOKED),
    collateral(23, "collateral",
               "(info >> 24) & c.M32 != epoch or (qe >> 104) & c.M32 != epoch",
               "(qe >> 104) & c.M32 != epoch", SIGNER_REVOKED),
    collateral(23, "collateral",
               "(info >> 24) & c.M32 != epoch or (qe >> 104) & c.M32 != epoch",
               "(info >> 24) & c.M32 != epoch", SIGNER_REVOKED),
    collateral(23, "issuers", "            if is_root and self.signers[mark]:\n",
               "            if False:\n",
               SIGNER_REVOKED),
    collateral(21, "issuers", "            self.revoked[mark] = True\n", "", STAYS),
    collateral(21, "issuers", "if not self.revoked[mark]:", "if True:",
               f"{HERE}collateral.py::test_the_usual_collateral_is_stored_and_logged"),
    collateral(24, "collateral", "if word >> 24 == info >> 24 and word & 1 == 1 else",
               "if word & 1 == 1 else", LEFT_OUT),
    collateral(23, "collateral", "if word >> 24 == info >> 24 and word & 1 == 1 else",
               "if word >> 56 == info >> 56 and word & 1 == 1 else", FORGED),
    # a list's nextUpdate is too late
    collateral(21, "issuers", "block.timestamp < read.next_update",
               "block.timestamp <= read.next_update", LISTS),
    collateral(22, "issuers", "block.timestamp < (self.root_word >> 32) & c.M40",
               "block.timestamp <= (self.root_word >> 32) & c.M40", EXPIRED),
    collateral(24, "collateral", "if block.timestamp >= next_list:",
               "if block.timestamp > next_list:", EXPIRED),
    collateral(24, "collateral", "min(until, next_list - 1)", "min(until, next_list)", EXPIRED),
    # who may be an issuer, a leaf, and of which machine
    collateral(6, "collateral", "if word & c.M8 != x509.ROLE_CA:", "if word & c.M8 == 0:",
               case("issued by signer")),
    registry(5, "x509",
             "    self._must(convert(extract32(padded, at), uint256) >> 16 == "
             "convert(LEAF, uint256))\n", "", case("a CA's usage")),
    registry(5, "x509",
             "    self._must(convert(extract32(padded, at + 17), uint256) >> 128 == found.svns)\n",
             "", case("CPUSVN of others")),
    registry(5, "x509",
             "    self._must(convert(extract32(padded, at), uint256) >> 112 == "
             "convert(PCE_ID, uint256))\n", "", case("PCE id 0001")),
    collateral(5, "x509", "length >= 256 and length + 4 == size", "length >= 256",
             f"{HERE}collateral.py::test_a_byte_behind_a_certificate_is_refused"),
    collateral(6, "x509", "found.issuer = keccak256(concat(issuer, slice(padded, at + 13, 20)))",
               "found.issuer = keccak256(concat(issuer, slice(padded, at + 14, 19)))",
               "tests/contracts/test_tdx_issuers.py::"
               "test_the_name_of_an_issuer_alone_says_nothing"),
    registry(16, "quotes", "((have & ~need) | (~(have ^ need) & difference)) & TOPS == TOPS",
             "difference & TOPS == TOPS", f"{HERE}readers.py::"
             "test_sixteen_bytes_are_compared_one_by_one"),
    collateral(19, "documents", "module.is_current = module.is_current and is_usual",
               "module.is_current = module.is_current", LEFT_OUT),
    collateral(24, "collateral", "return min(until, (by.word >> 56) & c.M40)", "return until",
               EXPIRED),
    collateral(17, "collateral", "    if info & 1 == 0:\n        return c.FAULT_TCB_WITHDRAWN, 0\n",
               "", f"{BAD_NEWS}[SWHardeningNeeded]"),
    collateral(17, "collateral", "    if (qe >> 96) & 1 == 0:\n"
               "        return c.FAULT_QE_WITHDRAWN, 0\n",
               "", f"{BAD_NEWS}[ConfigurationNeeded]"),
    collateral(5, "x509", "found.issuer = keccak256(concat(issuer, slice(padded, at + 13, 20)))",
               "found.issuer = keccak256(concat(issuer, slice(padded, at + 12, 20)))",
               f"{HERE}readers.py::test_what_intel_issued_reads_as_in_python[certificate]"),
    collateral(22, "issuers", "| (known.word & (c.M40 << 8))\n", "\n",
               f"{HERE}collateral.py::test_the_usual_collateral_is_stored_and_logged"),
]  # fmt: skip


def cover() -> list[Named]:
    """Return a mutant for each altered quote that none above names: its reason's check dropped."""
    named = {mutant.test for mutant in (*CHECKS, *CHANGES)}
    checks = {mutant.old[mutant.old.rindex(', "') + 3 : -1]: mutant for mutant in CHECKS}
    found = []
    for altered in tdx_cases.list_cases():
        mutant, test = checks[altered.reason], case(altered.name)
        if test not in named:
            found.append(dataclasses.replace(mutant, tag=altered.rule or mutant.tag, test=test))
    return found


MUTANTS = (*CHECKS, *CHANGES, *cover())

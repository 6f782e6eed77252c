# pragma version 0.4.3
"""
@title Intel's TCB info and QE identity, by a strict template of their JSON
@notice Read is what is needed to tell what is UpToDate: the head, each TDX module's first level, the
        platform's first level. A first level of any other status makes nothing acceptable. What
        follows is signed, and not read.
@dev A document is read where it lies in calldata, as the first argument of the call: handing it from
     function to function would take a third of the contract's code.
"""
from contracts import constants as c
from contracts.modules import times

WORDS: constant(uint256) = c.MAX_DOCUMENT_BYTES // 30
MOMENT: constant(uint256) = 20
# keccak of the signer, attributes and mask that Intel gives all its TDX modules
USUAL_MODULE_BYTES: constant(uint256) = 177
USUAL_MODULE: constant(bytes32) = keccak256(
    '"mrsigner":"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000","attributes":"0000000000000000","attributesMask":"FFFFFFFFFFFFFFFF"'
)
STATUS: constant(uint256) = 9  # bytes
UP_TO_DATE: constant(bytes9) = 0x5570546f4461746522
COMPONENT: constant(bytes7) = 0x7b2273766e223a
LEVELS_END: constant(bytes3) = 0x7d5d7d
IDENTITIES: constant(bytes23) = 0x227464784d6f64756c654964656e746974696573223a5b
COMMA: constant(uint256) = 44
END_ARRAY: constant(uint256) = 93
END: constant(uint256) = 125
# a component's end, and the next one or the array's end
NEXT: constant(uint256) = 256 * END + COMMA
LAST: constant(uint256) = 256 * END + END_ARRAY


struct Module:
    version: uint256
    isvsvn: uint256  # of the first level
    is_current: bool


struct TcbInfo:
    issued: uint256
    until: uint256
    fmspc: bytes6
    evaluation: uint256
    modules: DynArray[Module, c.MAX_TDX_MODULES]
    svns: uint256  # 16 of SGX 128 | 16 of TDX 128
    pcesvn: uint256
    is_current: bool


struct QeIdentity:
    issued: uint256
    until: uint256
    evaluation: uint256
    signer: bytes32
    attributes: uint256  # value 128 | mask 128
    miscselect: uint256  # value 32 | mask 32
    product: uint256
    isvsvn: uint256
    is_current: bool


@internal
@view
def _start() -> uint256:
    """
    @dev Where the call's first argument, of dynamic size, begins.
    """
    return convert(slice(msg.data, 4, 32), uint256) + 36


@internal
@view
def _word(at: uint256) -> uint256:
    """
    @dev The 32 bytes of calldata at a place.
    """
    assert at + 32 <= len(msg.data), "documents: ends too early"
    return convert(slice(msg.data, at, 32), uint256)


@internal
@view
def _skip(at: uint256, literal: Bytes[32]) -> uint256:
    """
    @dev Where a text that must stand here ends.
         # rule: ATTEST-19
    """
    length: uint256 = len(literal)
    assert (
        self._word(at) >> (256 - 8 * length) == convert(literal, uint256)
    ), "documents: not the template"
    return at + length


@internal
@view
def _number(at: uint256) -> (uint256, uint256):
    """
    @dev A decimal of at most 65,535 without leading zeros, and where it ends.
    """
    w: uint256 = self._word(at)
    value: uint256 = 0
    digits: uint256 = 0
    for i: uint256 in range(6):
        digit: uint256 = (w >> (248 - 8 * i)) & 255
        if digit < 48 or digit > 57:
            break
        value = 10 * value + digit - 48
        digits += 1
    assert digits > 0 and value <= c.M16, "documents: no number"
    if digits > 1:
        assert w >> 248 != 48, "documents: a leading zero"
    return value, at + digits


@internal
@view
def _hex(at: uint256, digits: uint256) -> uint256:
    """
    @dev The value of at most 32 hex digits of either case.
    """
    w: uint256 = self._word(at)
    value: uint256 = 0
    for i: uint256 in range(digits, bound=32):
        digit: uint256 = (w >> (248 - 8 * i)) & 255
        if digit >= 97 and digit <= 102:
            digit -= 87
        elif digit >= 65 and digit <= 70:
            digit -= 55
        else:
            assert digit >= 48 and digit <= 57, "documents: no hex"
            digit -= 48
        value = (value << 4) | digit
    return value


@internal
@view
def _moments(start: uint256) -> (uint256, uint256, uint256):
    """
    @dev issueDate, nextUpdate, and where the latter's digits end.
    """
    at: uint256 = self._skip(start, b'"issueDate":"')
    issued: uint256 = times._read_iso(self._word(at))
    at = self._skip(at + MOMENT, b'","nextUpdate":"')
    return issued, times._read_iso(self._word(at)), at + MOMENT


@internal
@view
def _is_current(start: uint256) -> (bool, uint256):
    """
    @dev Whether a level whose numbers end here is UpToDate, and where its status begins.
    """
    at: uint256 = self._skip(start, b'},"tcbDate":"')
    at = self._skip(at + MOMENT, b'","tcbStatus":"')
    return self._word(at) >> 184 == convert(UP_TO_DATE, uint256), at


@internal
@view
def _check_end(at: uint256):
    """
    @dev The status that begins here is part of the document, and so is all that was read before it: what
         follows a document in calldata is nobody's word.
         # rule: ATTEST-19
    """
    start: uint256 = self._start()
    assert at + STATUS <= start + self._word(start - 32), "documents: not all of it signed"


@internal
@view
def _is_usual(start: uint256) -> (bool, uint256):
    """
    @dev Whether a TDX module's signer and attributes are those that quotes are held to; where they end.
    """
    at: uint256 = self._skip(start, b'"mrsigner":"')
    at = self._skip(at + 96, b'","attributes":"')
    at = self._skip(at + 16, b'","attributesMask":"')
    at = self._skip(at + 16, b'"')
    return keccak256(slice(msg.data, start, USUAL_MODULE_BYTES)) == USUAL_MODULE, at


@internal
@view
def _find_levels_end(start: uint256) -> uint256:
    """
    @dev Where a module's levels and its identity end: no other place of it has a brace, a bracket and a
         brace closed after each other.
    """
    at: uint256 = start
    for _: uint256 in range(WORDS):
        w: uint256 = self._word(at)
        for i: uint256 in range(30):
            if w >> 232 == convert(LEVELS_END, uint256):
                return at + i + 3
            w = w << 8
        at += 30
    raise UNREACHABLE  # no document is that long


@internal
@view
def _components(start: uint256) -> (uint256, uint256):
    """
    @dev Sixteen SVNs, the first highest, and where their array ends. Of a component its svn is read.
    """
    at: uint256 = start
    svns: uint256 = 0
    for k: uint256 in range(16):
        assert self._word(at) >> 200 == convert(COMPONENT, uint256), "documents: no component"
        svn: uint256 = 0
        svn, at = self._number(at + 7)
        w: uint256 = self._word(at)
        assert svn < 256 and (w >> 248 == COMMA or w >> 248 == END), "documents: no svn of a byte"
        svns = (svns << 8) | svn
        for _: uint256 in range(8):
            w = self._word(at)
            for i: uint256 in range(31):
                if w >> 248 == END:
                    break
                w = w << 8
                at += 1
            if w >> 248 == END:
                break
        w = self._word(at) >> 240
        assert w == (NEXT if k < 15 else LAST), "documents: not 16 components"
        at += 2
    return svns, at


@internal
@view
def _read_tcb_info() -> TcbInfo:
    """
    @dev # rule: ATTEST-19
    """
    info: TcbInfo = empty(TcbInfo)
    at: uint256 = self._skip(self._start(), b'{"id":"TDX","version":3,')
    info.issued, info.until, at = self._moments(at)
    at = self._skip(at, b'","fmspc":"')
    info.fmspc = convert(convert(self._hex(at, 12), uint48), bytes6)
    at = self._skip(at + 12, b'","pceId":"0000","tcbType":0,"tc')
    at = self._skip(at, b'bEvaluationDataNumber":')
    info.evaluation, at = self._number(at)
    at = self._skip(at, b',"tdxModule":{')
    is_usual: bool = False
    is_usual, at = self._is_usual(at)
    info.modules.append(Module(version=0, isvsvn=0, is_current=is_usual))
    at = self._skip(at, b'},')
    if self._word(at) >> 72 == convert(IDENTITIES, uint256):
        info.modules, at = self._read_modules(at + 23, info.modules[0])
    at = self._skip(at, b'"tcbLevels":[{"tcb":{"sgxtcbcomp')
    at = self._skip(at, b'onents":[')
    sgx: uint256 = 0
    tdx: uint256 = 0
    sgx, at = self._components(at)
    at = self._skip(at, b',"pcesvn":')
    info.pcesvn, at = self._number(at)
    at = self._skip(at, b',"tdxtcbcomponents":[')
    tdx, at = self._components(at)
    info.svns = (sgx << 128) | tdx
    info.is_current, at = self._is_current(at)
    self._check_end(at)
    return info


@internal
@view
def _read_modules(
    start: uint256, first: Module
) -> (DynArray[Module, c.MAX_TDX_MODULES], uint256):
    """
    @dev The identities of the versions of the TDX module, each at most once, behind that of version 0.
         # rule: ATTEST-19
    """
    found: DynArray[Module, c.MAX_TDX_MODULES] = [first]
    seen: uint256 = 1
    at: uint256 = start
    for _: uint256 in range(c.MAX_TDX_MODULES - 1):
        module: Module = empty(Module)
        is_usual: bool = False
        at = self._skip(at, b'{"id":"TDX_')
        module.version = self._hex(at, 2)
        assert seen & (1 << module.version) == 0, "documents: a module twice"
        seen = seen | (1 << module.version)
        at = self._skip(at + 2, b'",')
        is_usual, at = self._is_usual(at)
        at = self._skip(at, b',"tcbLevels":[{"tcb":{"isvsvn":')
        module.isvsvn, at = self._number(at)
        module.is_current, at = self._is_current(at)
        module.is_current = module.is_current and is_usual
        found.append(module)
        at = self._find_levels_end(at)
        if (self._word(at) >> 248) == END_ARRAY:
            return found, self._skip(at, b'],')
        at = self._skip(at, b',')
    raise "documents: too many modules"


@internal
@view
def _read_qe_identity() -> QeIdentity:
    """
    @dev # rule: ATTEST-20
    """
    qe: QeIdentity = empty(QeIdentity)
    value: uint256 = 0
    at: uint256 = self._skip(self._start(), b'{"id":"TD_QE","version":2,')
    qe.issued, qe.until, at = self._moments(at)
    at = self._skip(at, b'","tcbEvaluationDataNumber":')
    qe.evaluation, at = self._number(at)
    at = self._skip(at, b',"miscselect":"')
    value = self._hex(at, 8)
    at = self._skip(at + 8, b'","miscselectMask":"')
    qe.miscselect = (value << 32) | self._hex(at, 8)
    at = self._skip(at + 8, b'","attributes":"')
    value = self._hex(at, 32)
    at = self._skip(at + 32, b'","attributesMask":"')
    qe.attributes = (value << 128) | self._hex(at, 32)
    at = self._skip(at + 32, b'","mrsigner":"')
    value = self._hex(at, 32)
    qe.signer = convert((value << 128) | self._hex(at + 32, 32), bytes32)
    at = self._skip(at + 64, b'","isvprodid":')
    qe.product, at = self._number(at)
    at = self._skip(at, b',"tcbLevels":[{"tcb":{"isvsvn":')
    qe.isvsvn, at = self._number(at)
    qe.is_current, at = self._is_current(at)
    self._check_end(at)
    return qe

# pragma version 0.4.3
"""
@title The software that an enclave may run
@notice A list of workloads. The curator adds to it after a delay, in which everyone can look at what is
        to be trusted, and takes from it at once; without a curator it is fixed for ever.
"""
from contracts import constants as c
from contracts.interfaces import ITdxRegistry

CURATOR: immutable(address)
DELAY: immutable(uint256)

# workload => since when it is allowed; 0: it is not
starts: HashMap[bytes32, uint256]


@deploy
def __init__(curator: address, delay: uint256, workloads: DynArray[bytes32, c.MAX_WORKLOADS]):
    """
    @param curator May change the list; zero is nobody.
    @param delay Seconds before an announced workload is allowed; above 0 with a curator.
    @param workloads Allowed at once.
    """
    assert curator == empty(address) or delay != 0, "workloads: curator without delay"
    CURATOR = curator
    DELAY = delay
    for workload: bytes32 in workloads:
        self._announce(workload, block.timestamp)


@external
def announce_workload(workload: bytes32):
    """
    @notice Allow a workload after the delay.
    @custom:rule ATTEST-27
    @param workload Keccak of TDATTRIBUTES to RTMR2.
    """
    assert msg.sender == CURATOR, "workloads: curator only"
    assert self.starts[workload] == 0, "workloads: already on the list"
    self._announce(workload, block.timestamp + DELAY)


@external
def withdraw_workload(workload: bytes32):
    """
    @notice Take a workload off the list, at once; what runs it can be pruned.
    @custom:rule ATTEST-27
    @param workload Of the list.
    """
    assert msg.sender == CURATOR, "workloads: not the curator"
    assert self.starts[workload] != 0, "workloads: not on the list"
    self.starts[workload] = 0
    log ITdxRegistry.WorkloadWithdrawn(workload=workload)


@view
@external
def allowed_from(workload: bytes32) -> uint256:
    """
    @notice Since when a workload is allowed.
    @param workload Keccak of TDATTRIBUTES to RTMR2.
    @return Seconds since 1970, 0 for one that is not on the list.
    """
    return self.starts[workload]


@view
@external
def workload_curator() -> address:
    """
    @notice Who changes the list; zero is nobody.
    @return The address.
    """
    return CURATOR


@view
@external
def workload_delay() -> uint256:
    """
    @notice Seconds between a workload's announcement and its effect.
    @return The delay.
    """
    return DELAY


@internal
@view
def _is_allowed(workload: bytes32) -> bool:
    start: uint256 = self.starts[workload]
    return start != 0 and block.timestamp >= start


@internal
def _announce(workload: bytes32, start: uint256):
    self.starts[workload] = start
    log ITdxRegistry.WorkloadAnnounced(workload=workload, allowed_from=start)

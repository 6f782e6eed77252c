# pragma version 0.4.3
"""
@title TdxRegistrySim
@notice Keys held by enclaves of a simulated platform: for local chains alone.
"""
from contracts import constants as c
from contracts.interfaces import IEnclaveRegistry
from contracts.interfaces import ITdxCollateral
from contracts.interfaces import ITdxRegistry
from contracts.modules import enclaves
from contracts.modules import roots
from contracts.modules import workloads

implements: IEnclaveRegistry
implements: ITdxRegistry

initializes: workloads
initializes: enclaves[workloads := workloads]

exports: (
    enclaves.register,
    enclaves.prune,
    enclaves.verify,
    enclaves.is_active,
    enclaves.application,
    enclaves.enclave,
    enclaves.collateral,
    enclaves.lifetime,
    workloads.announce_workload,
    workloads.withdraw_workload,
    workloads.allowed_from,
    workloads.workload_curator,
    workloads.workload_delay,
)


@deploy
def __init__(
    collateral: ITdxCollateral,
    lifetime: uint256,
    curator: address,
    delay: uint256,
    allowed: DynArray[bytes32, c.MAX_WORKLOADS],
):
    """
    @custom:rule ATTEST-25
    @param collateral A TdxCollateralSim.
    @param lifetime The most seconds that a registration lasts.
    @param curator May change the list of workloads; zero is nobody.
    @param delay Seconds before a workload that the curator announces is allowed.
    @param allowed Workloads allowed from the start.
    """
    assert roots._is_local(), "enclaves: no local chain"
    assert staticcall collateral.is_simulated(), "enclaves: real collateral"
    workloads.__init__(curator, delay, allowed)
    enclaves.__init__(collateral, lifetime)


@view
@external
def is_simulated() -> bool:
    """
    @notice Whether a simulated platform is taken for a real one.
    @return True.
    """
    return True

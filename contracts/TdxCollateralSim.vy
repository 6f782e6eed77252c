# pragma version 0.4.3
"""
@title TdxCollateralSim
@notice Collateral of a simulated platform, under a root of its own: for local chains alone.
"""
from contracts.interfaces import ITdxCollateral
from contracts.modules import collateral
from contracts.modules import issuers
from contracts.modules import roots

implements: ITdxCollateral

initializes: issuers
initializes: collateral[issuers := issuers]

exports: (
    issuers.submit_list,
    issuers.submit_issuer,
    collateral.submit_tcb_info,
    collateral.submit_qe_identity,
    issuers.root,
    collateral.standard,
    issuers.is_revoked,
    issuers.issuer,
    issuers.list_dates,
    collateral.tcb_info,
    collateral.qe_identity,
)


@deploy
def __init__(root: issuers.Root):
    """
    @custom:rule ATTEST-25
    @param root Of the simulated platform, never Intel's.
    """
    assert roots._is_local(), "collateral: no local chain"
    assert root.id != roots.INTEL_ID and root.x != roots.INTEL_X, "collateral: simulated as intel"
    issuers.__init__(root)


@view
@external
def is_simulated() -> bool:
    """
    @notice Whether a simulated platform is taken for a real one.
    @return True.
    """
    return True

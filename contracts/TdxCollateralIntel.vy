# pragma version 0.4.3
"""
@title TdxCollateralIntel
@notice Collateral of real TDX platforms, under Intel's root alone. Nobody owns it.
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
def __init__():
    """
    @notice Refused where the chain has no P-256 precompile.
    """
    issuers.__init__(
        issuers.Root(id=roots.INTEL_ID, x=roots.INTEL_X, y=roots.INTEL_Y)
    )


@view
@external
def is_simulated() -> bool:
    """
    @notice Whether a simulated platform is taken for a real one.
    @return False.
    """
    return False

"""Names the parts of the soak. A new part is one module with its `PART` and one line here."""

from __future__ import annotations

from scripts.soak import (
    adversaries,
    around,
    assault,
    calls,
    clocks,
    economics,
    flips,
    frame_openings,
    interrupted,
    invariants,
    kernels,
    machines,
    manifests,
    mutants,
    odd_steps,
    openings,
    real_steps,
    step_compute,
    step_layer,
    step_roots,
    step_rows,
    steps,
    tdx,
    trees,
)
from scripts.soak.part import Part

PARTS: dict[str, Part] = {
    part.name: part
    for part in (
        *(calls.PART, manifests.PART, trees.PART, economics.PART, machines.PART),
        *(adversaries.PART, assault.PART, interrupted.PART),
        *(machines.DUELS, clocks.PART, invariants.PART, invariants.STEP_PART, invariants.CROWDS),
        *(flips.PART, around.PART, openings.PART, frame_openings.PART),
        *(tdx.PART, tdx.MUTATED),
        *(step_layer.PART, step_rows.PART, odd_steps.PART, step_compute.PART),
        *mutants.PARTS,
        *steps.PARTS,
        *step_roots.PARTS,
        *real_steps.PARTS,
        *kernels.PARTS,
    )
}

"""Intel TDX quotes: parsed, checked against Intel's collateral, accepted or refused with a rule."""

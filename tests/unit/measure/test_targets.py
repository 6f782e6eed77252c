"""Every bound of the issue is judged, on its right side."""

from __future__ import annotations

from typing import Any

from oyez.measure import targets


def build_result(**changed: Any) -> dict[str, Any]:
    return {
        "kl_exact": {"a": 3e-5, "b": 2e-5},
        "kl_llamacpp": {"a": 5e-3, "b": 1e-5},
        "nll_float": {"a": 2.0},
        "nll_exact": {"a": 1.9996},
        **{name: must for name, (must, _) in targets.LEAST.items()},
        **{name: aim for name, (_, aim) in targets.MOST.items()},
        "start": {"first_load_s": {"median": 4.1}},
        "bandwidth": {"decode_share": 0.85},
        **changed,
    }


def judge(result: dict[str, Any]) -> dict[str, str]:
    return {target.name: target.verdict for target in targets.judge(result)}


def test_bounds_are_kept_at_the_bound() -> None:
    found = judge(build_result())
    assert found["kl_exact a"] == "aim"
    assert found["kl_exact b"] == "missed"  # farther from the model than llama.cpp
    assert found["nll_exact a, off by"] == "aim"
    assert {found[name] for name in targets.LEAST} == {"must"}
    assert {found[name] for name in targets.MOST} == {"aim"}
    assert found["first load, s"] == "missed"
    assert found["share of the read bandwidth"] == "aim"


def test_bounds_are_missed_beyond_it() -> None:
    least = {name: must * 0.999 for name, (must, _) in targets.LEAST.items()}
    most = {name: must * 1.001 for name, (must, _) in targets.MOST.items()}
    found = judge(build_result(**least, **most, nll_exact={"a": 2.0021}, kl_exact={"a": 1.1e-4}))
    assert {found[name] for name in (*least, *most)} == {"missed"}
    assert found["nll_exact a, off by"] == found["kl_exact a"] == "missed"
    assert judge(build_result(nll_exact={"a": 1.9}))["nll_exact a, off by"] == "missed"


def test_what_was_not_measured_is_not_judged() -> None:
    assert judge({"prefill_ratio": 5.0, "avx2_ratio": None}) == {"prefill_ratio": "aim"}


def test_the_bounds_are_the_issues() -> None:
    assert targets.LEAST == {
        "decode_ratio_0": (1.5, 2.0),
        "decode_ratio_300": (1.5, 2.0),
        "prefill_ratio": (3.0, 5.0),
        "batch16_vs_turn": (4.0, 8.0),
        "batch16_vs_batch": (1.5, 2.5),
        "call_ratio": (3.0, 5.0),
        "avx2_ratio": (1.0, 1.4),
    }
    assert targets.MOST == {
        "trace_share_decode": (0.05, 0.02),
        "trace_share_prefill": (0.10, 0.05),
        "peak_mb": (450.0, 250.0),
        "start_s": (0.5, 0.2),
    }

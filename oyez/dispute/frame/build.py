"""Makes the inner trace of a record around a call's tokens, by the record's kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from oyez.derivation.history import Batch
from oyez.dispute.frame.compute import put_compute
from oyez.dispute.frame.entry import build_entry
from oyez.dispute.frame.facts import CallFacts, Preimages, RootsBefore
from oyez.dispute.frame.output import put_output
from oyez.dispute.frame.prompt import build_prompt
from oyez.dispute.frame.roots import build_last, build_roots
from oyez.dispute.frame.scalars import put_scalars
from oyez.dispute.frame.state import build_state
from oyez.engines.exact.inner_leaves import InnerLeaves
from oyez.protocol.assertions import compute_empty_outbox_root
from oyez.protocol.constants import RECEIPTS_HEIGHT
from oyez.protocol.inner import Layout
from oyez.protocol.inner_frame import Frame
from oyez.protocol.merkle import Frontier
from oyez.protocol.transition import CallRecords
from oyez.protocol.types import Hash32, Manifest
from oyez.protocol.vocabulary import Vocabulary

#: Makes all leaves of a record of one kind; the preimages take what proofs of its lanes bring.
Builder = Callable[[Layout, CallFacts, Preimages], InnerLeaves]


def build_facts(
    batch: Batch,
    records: Sequence[CallRecords],
    index: int,
    fetch_manifest: Callable[[Hash32], Manifest],
    vocabulary: Vocabulary,
) -> CallFacts:
    """Return what a call's frame follows from.

    Args:
        batch: the call's.
        records: of all calls of the batch.
        index: the call's, within the batch.
        fetch_manifest: by hash; of the entry, and of the cell that it meets.
        vocabulary: the model's.
    """
    call = records[index]
    execution = call.execution
    before = execution.cell_before
    if index:
        ending = records[index - 1].ending
        roots = RootsBefore(ending.state_root, ending.outbox_root, ending.receipts)
    else:
        empty = Frontier.empty(RECEIPTS_HEIGHT)
        roots = RootsBefore(call.before.root, compute_empty_outbox_root(), empty)
    return CallFacts(
        header=batch.header,
        entries=batch.entries,
        index=index,
        manifest=fetch_manifest(execution.manifest_hash),
        previous=None if before is None else fetch_manifest(before.manifest_hash),
        prologue=call.contents,
        epilogue=call.ending,
        execution=execution,
        before=call.before,
        after=call.after,
        roots=roots,
        vocabulary=vocabulary,
    )


def _build_prompt(layout: Layout, facts: CallFacts, _: Preimages) -> InnerLeaves:
    """Return all leaves of a call's record PROMPT; its steps ask for no preimage."""
    return build_prompt(layout, facts.prologue, facts.manifest, facts.vocabulary)


def _build_output(layout: Layout, facts: CallFacts, _: Preimages) -> InnerLeaves:
    """Return all leaves of a call's record OUTPUT; its steps ask for no preimage."""
    leaves = InnerLeaves(layout)
    manifest, epilogue, vocabulary = facts.manifest, facts.epilogue, facts.vocabulary
    put_output(leaves, manifest, vocabulary, facts.execution.tokens)
    put_scalars(leaves, manifest, vocabulary, epilogue.output_tokens, epilogue.output)
    put_compute(leaves, manifest, vocabulary, facts.prologue, epilogue)
    return leaves


#: Kind -> what makes it; of the last record from the facts of the batch's last call.
BUILDERS: Mapping[Frame, Builder] = MappingProxyType(
    {
        Frame.ENTRY: build_entry,
        Frame.STATE: build_state,
        Frame.PROMPT: _build_prompt,
        Frame.OUTPUT: _build_output,
        Frame.ROOTS: build_roots,
        Frame.LAST: build_last,
    }
)

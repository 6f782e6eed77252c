"""The sequencer: follows the inbox, executes in order, proposes batches."""

// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.4;

// What a call came to: `Receipt.outcome`.
uint256 constant OUTCOME_ACCEPTED = 1;
uint256 constant OUTCOME_REJECTED = 2;
uint256 constant OUTCOME_EXPIRED = 3;

// How far a call has come: `finality`.
uint256 constant FINALITY_UNKNOWN = 0;
uint256 constant FINALITY_QUEUED = 1;
uint256 constant FINALITY_POSTED = 2;
uint256 constant FINALITY_FINAL = 3;

/// @title What other contracts read of Oyez's Rollup
/// @notice Final roots by batch, and proofs against them. Nothing here can be paused, changed or
///         owned, and no root of a batch that is not final is ever read. Batches count from 1; batch 0
///         is the empty beginning. Names are the ABI's: Rollup.vy and IRollup.vyi have the same.
/// @dev A true answer is about the past: a field had that value after batch n. Say how old a root you
///      take (`finalized_at`), and never go back behind a batch you have taken: BallotReader.sol.
///      The JSON of `oyez prove` holds every argument; docs/guides/readers.md says where each stands.
interface IOyezRollup {
    /// @notice A field's place under a state root. Siblings run from the leaf upwards.
    /// @param manifest_hash The cell's manifest, that of its last accepted call.
    /// @param version How many calls the cell has accepted, at least 1.
    /// @param field_siblings In the cell's own tree.
    /// @param siblings In the state tree, at most 256: as many as the cell is deep.
    struct FieldProof {
        bytes32 manifest_hash;
        uint256 version;
        bytes32[5] field_siblings;
        bytes32[] siblings;
    }

    /// @notice What stands where an absent cell's key leads: nothing, or another cell.
    /// @param other_key Key of the other cell; 0 if there is none.
    /// @param other_manifest_hash Its manifest.
    /// @param other_fields_root Root of its fields' tree.
    /// @param other_version 0: the place is empty.
    /// @param siblings In the state tree, from that place upwards, at most 256.
    struct AbsenceProof {
        bytes32 other_key;
        bytes32 other_manifest_hash;
        bytes32 other_fields_root;
        uint256 other_version;
        bytes32[] siblings;
    }

    /// @notice How one call ended.
    /// @param call_id The call.
    /// @param outcome OUTCOME_ACCEPTED, OUTCOME_REJECTED or OUTCOME_EXPIRED.
    /// @param code Why it was rejected, 1 to 7; else 0.
    /// @param detail Which byte, field or guard; else 0.
    /// @param manifest_hash Of the manifest that it was queued with.
    /// @param cell_key Of the cell that it ran on.
    /// @param cell_leaf The cell after it; 0 if it is absent.
    /// @param output_hash keccak256 of the output.
    /// @param positions Tokens of prompt and output; 0 if the model never ran.
    /// @param fee What it paid, in wei.
    struct Receipt {
        uint256 call_id;
        uint256 outcome;
        uint256 code;
        uint256 detail;
        bytes32 manifest_hash;
        bytes32 cell_key;
        bytes32 cell_leaf;
        bytes32 output_hash;
        uint256 positions;
        uint256 fee;
    }

    /// @notice The last final batch.
    function head() external view returns (uint256);

    /// @notice The final assertion of batch n; 0 while there is none.
    function final_id(uint256 n) external view returns (bytes32);

    /// @notice The state after final batch n; reverts for any other, since 0 is the empty state's root.
    function state_root(uint256 n) external view returns (bytes32);

    /// @notice The receipts of final batch n; reverts for any other.
    function receipts_root(uint256 n) external view returns (bytes32);

    /// @notice When batch n became final, in Unix seconds; reverts for one that is not.
    function finalized_at(uint256 n) external view returns (uint256);

    /// @notice How far a call has come.
    /// @param call_id The call.
    /// @param n The batch that its CallQueued names.
    /// @return FINALITY_UNKNOWN: no such call in that batch. FINALITY_POSTED is said of the batch after
    ///         the head alone; later ones are FINALITY_QUEUED here.
    function finality(uint256 call_id, uint256 n) external view returns (uint256);

    /// @notice Whether a field had this value after final batch n; about 21k gas at 20 levels.
    /// @param n The batch; false while it is not final.
    /// @param action_id The action.
    /// @param k Which cell: 0 the shared one, a caller's address as a number, keccak256 of a name.
    /// @param index The field's place in the manifest.
    /// @param name_hash keccak256 of its name.
    /// @param type_hash keccak256 of its type's descriptor.
    /// @param word An integer or boolean as int256; keccak256 of a string's or option's bytes, or of an
    ///        array's words joined.
    /// @param proof Where it stands.
    function verify_field(
        uint256 n,
        bytes32 action_id,
        bytes32 k,
        uint256 index,
        bytes32 name_hash,
        bytes32 type_hash,
        bytes32 word,
        FieldProof calldata proof
    ) external view returns (bool);

    /// @notice Whether a cell did not exist after final batch n: its fields had their initial values.
    /// @param n The batch; false while it is not final.
    /// @param action_id The action.
    /// @param k As for `verify_field`.
    /// @param proof What stands in its place.
    function verify_absent(
        uint256 n,
        bytes32 action_id,
        bytes32 k,
        AbsenceProof calldata proof
    ) external view returns (bool);

    /// @notice Whether a call of final batch n ended like this.
    /// @param n The batch; false while it is not final.
    /// @param receipt All of it.
    /// @param siblings From the leaf upwards.
    function verify_receipt(
        uint256 n,
        Receipt calldata receipt,
        bytes32[8] calldata siblings
    ) external view returns (bool);
}

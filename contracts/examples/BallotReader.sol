// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {IOyezRollup} from "../interfaces/solidity/IOyezRollup.sol";

/// @title BallotReader
/// @notice A consumer: keeps the newest final count of a shared ballot cell. Anyone may bring a proof;
///         nobody is trusted but the Rollup's log of final roots. Twin of BallotReader.vy.
/// @dev Fresh means: no root that became final more than max_age seconds ago is taken, and none of a
///      batch at or before the one kept. A count kept grows old too: act on `fresh_count` alone.
contract BallotReader {
    bytes32 private constant SHARED = 0; // the key part of an action's one shared cell

    IOyezRollup public immutable rollup;
    bytes32 public immutable action_id;
    uint256 public immutable index;
    bytes32 public immutable name_hash;
    bytes32 public immutable type_hash;
    /// @notice Seconds since its finality for which a root is taken.
    uint256 public immutable max_age;

    /// @notice Final batch of the count kept.
    uint256 public batch;
    /// @notice Value of the field after that batch.
    uint256 public count;

    event CountRecorded(uint256 indexed batch, uint256 count);

    error RollupHasNoCode(address rollup);
    error NotNewer(uint256 n, uint256 kept);
    error RootTooOld(uint256 n, uint256 finalized_at, uint256 max_age);
    error ProofDoesNotHold(uint256 n);
    error NothingRecorded();

    /// @param rollup_ Rollup.
    /// @param action_id_ The ballot.
    /// @param index_ Place of the counting field in its state.
    /// @param name_hash_ keccak256 of the field's name.
    /// @param type_hash_ keccak256 of its type's descriptor: an upgrade that changes it is not read.
    /// @param max_age_ Seconds since its finality for which a root is taken.
    constructor(
        IOyezRollup rollup_,
        bytes32 action_id_,
        uint256 index_,
        bytes32 name_hash_,
        bytes32 type_hash_,
        uint256 max_age_
    ) {
        if (address(rollup_).code.length == 0) revert RollupHasNoCode(address(rollup_));
        rollup = rollup_;
        action_id = action_id_;
        index = index_;
        name_hash = name_hash_;
        type_hash = type_hash_;
        max_age = max_age_;
    }

    /// @notice Keep the field's value after final batch n, newer than the one kept.
    /// @param n A batch that became final at most max_age seconds ago.
    /// @param word The value.
    /// @param proof As `oyez prove` prints it.
    function record(uint256 n, bytes32 word, IOyezRollup.FieldProof calldata proof) external {
        if (n <= batch) revert NotNewer(n, batch);
        _check_age(n);
        if (!rollup.verify_field(n, action_id, SHARED, index, name_hash, type_hash, word, proof)) {
            revert ProofDoesNotHold(n);
        }

        batch = n;
        count = uint256(word);

        emit CountRecorded(n, uint256(word));
    }

    /// @notice The count kept, for whoever acts on it; reverts once its root is too old.
    function fresh_count() external view returns (uint256) {
        if (batch == 0) revert NothingRecorded();
        _check_age(batch);
        return count;
    }

    /// @dev The Rollup reverts for a batch that is not final.
    function _check_age(uint256 n) private view {
        uint256 at = rollup.finalized_at(n);
        if (block.timestamp - at > max_age) revert RootTooOld(n, at, max_age);
    }
}

"""What the contracts cost: whole transactions on a fresh local chain, read off their receipts."""

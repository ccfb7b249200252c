"""Small faults planted in a copy of the instrument, one at a time: proof that its tests notice them."""

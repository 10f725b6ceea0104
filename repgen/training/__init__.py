"""What `fit` stands on: players, the record of losses, checkpoints, randomness, precision, processes."""

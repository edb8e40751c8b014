"""What a model looked like in training: what monitoring compares with."""

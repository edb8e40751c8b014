"""How good a model is: metrics with their intervals, naive baselines, and whether one model is better than another."""

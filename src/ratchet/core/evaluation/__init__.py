"""How good a model is: counts of scores and labels, and what is computed from them."""

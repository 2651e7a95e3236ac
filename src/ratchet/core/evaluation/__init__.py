"""Model quality: counts of scores and labels, and the metrics computed from them."""

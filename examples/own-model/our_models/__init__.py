"""Models of our own, which Ratchet trains, compares and serves."""

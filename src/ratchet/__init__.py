"""Ratchet retrains a binary classifier on a schedule; a new version serves only when it is measurably better."""

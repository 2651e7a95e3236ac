"""Proposes a configuration for a table that Ratchet has not seen: `ratchet init`."""

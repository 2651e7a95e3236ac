"""The tables that verbs print; `cli` alone calls it."""

"""Servers of a version: the requests that they answer, and the trial that a version must pass."""

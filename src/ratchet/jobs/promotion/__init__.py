"""From a candidate to a serving version: decision, staging, trial, conclusion, rollout; manual moves of `champion`."""

"""From a candidate to a serving version: decision, staging, trial, conclusion, rollout; and manual moves of
`champion`."""

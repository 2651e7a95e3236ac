"""A trainer: reading, comparison, measurement, and logging to MLflow."""

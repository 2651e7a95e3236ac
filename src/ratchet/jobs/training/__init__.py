"""A trainer: what it reads, compares with, measures and leaves in MLflow."""

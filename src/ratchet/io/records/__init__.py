"""MLflow: runs and their evidence, registered models and their versions, and the lock on them."""

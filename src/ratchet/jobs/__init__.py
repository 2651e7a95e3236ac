"""The steps of a cycle, a module each: settings in, MLflow out."""

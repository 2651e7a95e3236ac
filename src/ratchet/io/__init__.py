"""The edges: the table of events, and MLflow's runs and registry."""

"""Input and output: the table of events, MLflow, servers and the cluster."""

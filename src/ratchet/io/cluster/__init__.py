"""A cluster as the runner of a cycle's steps: the coordinator's view of Kubernetes.

`coordinator` provides the runner for `jobs.retrain`. Objects are plain JSON, as the API sends them: `api` fetches them,
and functions without side effects in `step_objects`, `pending` and `exit_status` interpret them.
"""

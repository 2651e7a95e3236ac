"""A cluster as the place where a cycle's steps run: the coordinator's view of Kubernetes.

`coordinator` has what `jobs.retrain` is handed. Objects are plain JSON, as the API sends them: `api` fetches them, and
what they mean is decided by functions without side effects in `step_objects`, `pending` and `exit_status`.
"""

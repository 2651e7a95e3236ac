"""What is kept of a failed cluster test: what was there, what it said of itself, and its logs."""

from tests.e2e.cluster import ClusterError, command, every, kubectl, name_of

_KINDS = "pods,jobs,cronjobs,sparkapplications,deployments,statefulsets"


def save(folder, failure):
    """Write it all below `folder`, and return where. What can't be had is a line, not a second failure."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "failure.txt").write_text(failure)
    parts = {
        "objects.txt": ("get", _KINDS, "-o", "wide"),
        "described.txt": ("describe", _KINDS),
        "events.txt": ("get", "events", "--sort-by=.lastTimestamp"),
        "objects.yaml": ("get", "pods,jobs,sparkapplications,leases", "-o", "yaml"),
        "nodes.txt": ("describe", "nodes"),
        "operator.log": ("logs", "-n", "spark-operator", "-l", "app.kubernetes.io/name=spark-operator", "--tail=500"),
    }
    for name, words in parts.items():
        (folder / name).write_text(_said(kubectl, *words))
    (folder / "memory.txt").write_text(_said(command, "docker", "stats", "--no-stream"))
    try:
        pods = [name_of(pod) for pod in every("pods")]
    except ClusterError:
        pods = []
    for pod in pods:
        (folder / f"{pod}.log").write_text(_said(kubectl, "logs", pod, "--all-containers", "--prefix", "--tail=2000"))
        before = _said(kubectl, "logs", pod, "--all-containers", "--prefix", "--tail=500", "--previous")
        if "previous terminated container" not in before:
            (folder / f"{pod}-before.log").write_text(before)
    return f"logs and descriptions are in {folder}"


def _said(run, *words):
    try:
        return run(*words)
    except ClusterError as error:
        return f"{error}\n"

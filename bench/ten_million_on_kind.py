"""Ten million rows with Spark on the kind cluster: its driver and one executor as the overlay `local` has them.

Writes the flights thirty times over (`larger.py`), puts them into the data bucket, runs a cycle of Spark alone on them,
and prints its log and what memory its pods had at most. Usage: python bench/ten_million_on_kind.py
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3

sys.path.insert(0, str(Path(__file__).parent))

from kind_cluster import KUBECTL, NODE, kubectl
from larger import write

TIMES = 30
TABLE = Path(tempfile.gettempdir()) / "ratchet-bench" / f"flights-{TIMES}"
SECRET = Path("k8s/overlays/local/secrets/s3-sample-data.env")
DEADLINE_SECONDS = 3600


def main() -> None:
    """Run it once; the table stays in the bucket."""
    if not TABLE.exists():
        write(TIMES, TABLE)
    _upload(TABLE, f"flights-{TIMES}")
    job = f"rows-{datetime.now(UTC):%H%M%S}"
    _start(job, f"s3://ratchet-data/flights-{TIMES}")
    peaks: dict[str, int] = {}
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (ended := _ended(job)):
        if time.monotonic() > deadline:
            sys.exit(f"{job} has not ended within an hour")
        for name, peak in _peaks(f"{job}-spark"):
            peaks[name] = max(peak, peaks.get(name, 0))
        time.sleep(2)
    print(kubectl("logs", f"job/{job}"))
    for name, peak in peaks.items():
        print(f"{name}: at most {peak / 1024**2:.0f} MiB")
    print(f"{job}: {ended}")


def _upload(folder: Path, prefix: str) -> None:
    keys = dict(line.split("=", 1) for line in SECRET.read_text(encoding="utf-8").splitlines())
    with _forwarded() as address:
        client = boto3.client(
            "s3",
            endpoint_url=address,
            region_name="us-east-1",
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )
        there = client.list_objects_v2(Bucket="ratchet-data", Prefix=f"{prefix}/").get("KeyCount", 0)
        files = sorted(folder.rglob("*.parquet"))
        for file in files if there < len(files) else ():
            client.upload_file(str(file), "ratchet-data", f"{prefix}/{file.relative_to(folder)}")


@contextmanager
def _forwarded() -> Iterator[str]:
    command = [*KUBECTL, "port-forward", "--address", "127.0.0.1", "service/minio", ":9000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield f"http://{line.split()[2]}"
        finally:
            process.terminate()


def _start(job: str, uri: str) -> None:
    made = json.loads(kubectl("create", "job", job, "--from=cronjob/retrain", "--dry-run=client", "-o", "json"))
    settings = (f"data.uri={uri}", f"model={job}", "retrain.engines=[spark]")
    container = made["spec"]["template"]["spec"]["containers"][0]
    container["args"] += [word for setting in settings for word in ("--set", setting)]
    kubectl("create", "-f", "-", stdin=json.dumps(made))


def _ended(job: str) -> str:
    conditions = json.loads(kubectl("get", "job", job, "-o", "json"))["status"].get("conditions", [])
    kinds = [each["type"] for each in conditions if each["status"] == "True"]
    return next((kind for kind in kinds if kind in ("Complete", "Failed")), "")


def _peaks(application: str) -> Iterator[tuple[str, int]]:
    """The largest memory so far of each running pod, by its control group (either version), and of Python in it."""
    pods: list[dict[str, Any]] = json.loads(
        kubectl("get", "pods", "-l", f"spark-app-name={application}", "-o", "json")
    )["items"]
    for pod in pods:
        uid, name = pod["metadata"]["uid"].replace("-", "[-_]"), pod["metadata"]["name"]
        files = "-name memory.max_usage_in_bytes -o -name memory.peak"
        if whole := _largest(f"find /sys/fs/cgroup -path '*{uid}*' \\( {files} \\) -exec cat {{}} +"):
            yield name, whole
        inside = f"find /sys/fs/cgroup -path '*{uid}*' -name cgroup.procs -exec cat {{}} +"
        peak = "awk '/VmHWM/ {print $2 * 1024}' /proc/$p/status"
        python = f"for p in $({inside}); do grep -qs python /proc/$p/comm && {peak}; done"
        if process := _largest(python):
            yield f"{name}, its Python process", process


def _largest(command: str) -> int:
    """The largest of the numbers that a command on the node prints; 0 where it prints none."""
    node = ("docker", "exec", NODE, "sh", "-c", f"({command}) 2> /dev/null | sort -n | tail -n 1")
    done = subprocess.run(node, capture_output=True, text=True, check=False, timeout=60)
    return int(done.stdout or 0)


if __name__ == "__main__":
    main()

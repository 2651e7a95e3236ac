"""A cycle as a test starts and watches it: a Job made from the CronJob, small, with a model of its own."""

import copy
import json
import secrets
from contextlib import contextmanager
from dataclasses import dataclass

from tests.e2e.cluster import ClusterError, create, every, get, kubectl, logs, name_of, wait_until

# A month trains and few resamples compare: what is tested is the cycle, not the model. Of July's flights so many were
# late that even such a model is better than none.
SMALL = ("windows.train=1mo", "evaluation.bootstrap_samples=100")
# The servers are of the model that is deployed, not of a test's own, unless the test says so.
NOT_SERVED = ("promotion.validation=false", "serving.deployments=false")
SERVED = ("promotion.validation=true", "serving.deployments=true", "serving.settle_seconds=5")
AS_OF = "2013-08-01"
# One that hangs; a cycle of both engines takes four minutes where nothing else runs, and nine where much does.
CYCLE_SECONDS = 900
BOTH = ("sklearn", "spark")
STEPS = ("retrain", "sklearn", "spark", "executor", "register")
# Where a trainer is when it is lost: the data are read, the fit has not ended.
READ = "train.read"
SLOT = "batch.kubernetes.io/cronjob-scheduled-timestamp"


@dataclass(frozen=True)
class Cycle:
    """A cycle that was started: its Job, and the model that it trains. id: what its children are named after."""

    job: str
    model: str
    id: str

    def child(self, step):
        """The name of a step's Job or SparkApplication."""
        return f"{self.id}-{step}"

    def object_of(self, step):
        return get("sparkapplication" if step == "spark" else "job", self.child(step))

    def pods_of(self, step):
        """The pods of a step: those of its Job, or Spark's driver; retrain: the coordinator's."""
        if step == "spark":
            return every("pods", f"spark-app-name={self.child('spark')},spark-role=driver")
        if step == "executor":
            return every("pods", f"spark-app-name={self.child('spark')},spark-role=executor")
        return every("pods", f"batch.kubernetes.io/job-name={self.job if step == 'retrain' else self.child(step)}")

    def running_pod_of(self, step, seconds=180):
        """The name of the step's newest pod, once its container runs."""

        def running():
            self.must_not_have_ended(step)
            return [
                name_of(pod)
                for pod in self.pods_of(step)
                if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]
            ]

        return wait_until(f"a pod of {step} of {self.id} runs", running, seconds)[-1]

    def wait_for_event(self, pod, event, seconds=180):
        """Until a pod's log has the event: then the step is where the test wants it."""
        wait_until(f"{pod} logs {event}", lambda: event in logs(pod), seconds)

    def must_not_have_ended(self, wanted):
        assert not self.ended, f"the cycle {self.id} ended before {wanted} ran:\n{self.described()}"

    @property
    def conditions(self):
        conditions = (get("job", self.job) or {"status": {}})["status"].get("conditions", [])
        return {condition["type"] for condition in conditions if condition["status"] == "True"}

    @property
    def ended(self):
        return bool(self.conditions & {"Complete", "Failed"})

    def end(self, seconds=CYCLE_SECONDS):
        """Wait for its end: `Complete` or `Failed`."""
        wait_until(f"the cycle {self.id} has ended", lambda: self.ended, seconds)
        return "Complete" if "Complete" in self.conditions else "Failed"

    def must_complete(self, seconds=CYCLE_SECONDS):
        assert self.end(seconds) == "Complete", self.described()

    def must_fail(self, *reasons, seconds=CYCLE_SECONDS):
        """It ends as failed, and `kubectl describe` of its Job says why."""
        assert self.end(seconds) == "Failed", self.described()
        described = self.described().lower()
        for reason in reasons:
            assert reason.lower() in described, f"{reason!r} is not in:\n{described}"

    @property
    def exit_code(self):
        """With what the coordinator's last pod ended."""
        statuses = self.pods_of("retrain")[-1]["status"]["containerStatuses"]
        return statuses[0]["state"]["terminated"]["exitCode"]

    def described(self):
        return kubectl("describe", "job", self.job)

    def remove(self):
        """Its Job with all that it owns. Pods that still run are awaited: the next test's need their place."""
        if self.ended:
            owners = (f"job/{self.job}", f"sparkapplication/{self.child('spark')}")
            kubectl("delete", *owners, "--ignore-not-found", "--wait=false")
            wait_until(f"no pod of {self.id} runs", lambda: not self._running(), 90)
            return
        for kind, name in (("job", self.job), ("sparkapplication", self.child("spark"))):
            kubectl("delete", kind, name, "--ignore-not-found", "--cascade=foreground", "--timeout=90s", seconds=100)
        for step in ("register", "sklearn", "validate-sklearn", "rollout"):
            kubectl("delete", "job", self.child(step), "--ignore-not-found", "--timeout=90s", seconds=100)
        wait_until(
            f"the pods of {self.id} are gone",
            lambda: not any(self.pods_of(step) for step in STEPS),
            90,
        )

    def _running(self):
        pods = [pod for step in STEPS for pod in self.pods_of(step)]
        return [name_of(pod) for pod in pods if pod["status"]["phase"] in ("Pending", "Running")]


@contextmanager
def starting():
    """`start` for as long as the block lasts: the cycles are removed after it."""
    started = []

    def begin(model, *settings, **options):
        started.append(start(model, *settings, **options))
        return started[-1]

    try:
        yield begin
    finally:
        for cycle in started:
            cycle.remove()


def start(model, *settings, engines=("sklearn",), job=None, slot=None, served=False, as_of=AS_OF):
    """Start a small cycle. settings: what `--set` takes. slot: the time for which a CronJob would have made the Job.

    served: whether the servers are to follow its champion. as_of: None where the cycle itself is to find the day.
    """
    job = job or f"e2e-{secrets.token_hex(4)}"
    chosen = [
        f"model={model}",
        f"retrain.engines=[{', '.join(engines)}]",
        *SMALL,
        *(SERVED if served else NOT_SERVED),
        *settings,
    ]
    words = [word for setting in chosen for word in ("--set", setting)]
    create(job_from("retrain", job, *(("--as-of", as_of) if as_of else ()), *words, slot=slot))
    return Cycle(job, model, job if slot is None else cycle_of(slot))


def cycle_of(slot):
    """The id of a slot's cycle: 2026-01-02T03:04:00Z → retrain-20260102-0304."""
    return f"retrain-{slot[:10].replace('-', '')}-{slot[11:16].replace(':', '')}"


def job_from(cronjob, name, *arguments, slot=None):
    """A Job as the CronJob would make it, its container with more arguments."""
    owner = get("cronjob", cronjob)
    template = copy.deepcopy(owner["spec"]["jobTemplate"])
    template["spec"]["template"]["spec"]["containers"][0].setdefault("args", []).extend(arguments)
    annotations = {} if slot is None else {SLOT: slot}
    labels = {**template.get("metadata", {}).get("labels", {}), "ratchet-e2e": "true"}
    metadata = {"name": name, "labels": labels, "annotations": annotations}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}


def job_end(name, seconds=180):
    """The exit code of a Job's last container, once the Job has ended."""

    def ended():
        conditions = get("job", name)["status"].get("conditions", [])
        return [each for each in conditions if each["type"] in ("Complete", "Failed") and each["status"] == "True"]

    wait_until(f"the Job {name} has ended", ended, seconds)
    pods = every("pods", f"batch.kubernetes.io/job-name={name}")
    return pods[-1]["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"]


def logs_of_job(name):
    try:
        return kubectl("logs", f"job/{name}", "--tail", "100")
    except ClusterError as error:
        return str(error)


def evict(pod):
    """Ask the API to evict a pod, as a node that is drained does."""
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    path = f"/api/v1/namespaces/ratchet/pods/{pod}/eviction"
    kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))


def delete_pod(pod, *, force=False):
    how = ["--grace-period=0", "--force"] if force else []
    kubectl("delete", "pod", pod, "--wait=false", *how)

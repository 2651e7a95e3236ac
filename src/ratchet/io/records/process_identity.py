"""The identity of a process, and whether such a process is gone for good.

A registrar's lock and a trainer's run record it, so that later processes need not wait for dead ones.
"""

import getpass
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# The suffix that turns a Job's name into a pod's.
_POD = re.compile(r"-[a-z0-9]{5}$")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process.

    place: the machine's boot and process namespace, in which `pid` and `started` identify one process permanently;
    empty if the system doesn't provide it.
    """

    host: str
    place: str
    pid: int
    started: str


def who() -> str:
    """The user and the machine of this process, for readers of a record.

    The user is who the cluster says has created a Job by hand, or else MLflow's account, or else the machine's user.
    """
    user = os.environ.get("RATCHET_USER") or os.environ.get("MLFLOW_TRACKING_USERNAME")
    try:
        user = user or getpass.getuser()
    except (KeyError, OSError):  # a container's numeric user has no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def own() -> ProcessIdentity:
    """The identity of this process."""
    pid = os.getpid()
    return ProcessIdentity(socket.gethostname(), _place(), pid, _started(pid) or "")


def gone(there: ProcessIdentity) -> bool:
    """Whether the process is known to be gone: same boot of the same machine, but the process no longer exists."""
    if not there.place or there.place != _place():
        return False
    started = _started(there.pid)
    return started is None or bool(started and there.started and started != there.started)


def at_work(there: ProcessIdentity) -> bool:
    """Whether the process is known to be alive: same boot of the same machine, and it is running."""
    return bool(there.place) and there.place == _place() and not gone(there)


def replaced(there: ProcessIdentity, here: ProcessIdentity, variables: Mapping[str, str] = os.environ) -> bool:
    """Whether a cluster replaced that process with this one: another pod of the same Job or application.

    A Job creates its next pod after the previous one has ended, and two pods of one name can't coexist.
    """
    in_cluster = "KUBERNETES_SERVICE_HOST" in variables
    return in_cluster and there != here and _POD.sub("", there.host) == _POD.sub("", here.host)


def _place() -> str:
    """The scope in which a process id is unique: this boot of this machine, this process namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """When a process started, in kernel ticks since boot; None if it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError:
        return ""
    return None if fields[0] in ("Z", "X") else fields[19]

"""Where a process works, and whether one that worked there is gone for good.

A registrar's lock and a trainer's run carry it, so that whoever comes later need not wait for the dead.
"""

import getpass
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# What a Job's name gets behind it to name a pod.
_POD = re.compile(r"-[a-z0-9]{5}$")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process.

    place: the machine's boot and process namespace, in which `pid` and `started` name one process for good; empty
    where the system doesn't say.
    """

    host: str
    place: str
    pid: int
    started: str


def who() -> str:
    """The user and the machine of this process, for those who read a record."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's numeric user has no name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"


def own() -> ProcessIdentity:
    """Those of the process that asks."""
    pid = os.getpid()
    return ProcessIdentity(socket.gethostname(), _place(), pid, _started(pid) or "")


def gone(there: ProcessIdentity) -> bool:
    """Whether the process is known to be gone: same boot of the same machine, and no such process any more."""
    if not there.place or there.place != _place():
        return False
    started = _started(there.pid)
    return started is None or bool(started and there.started and started != there.started)


def at_work(there: ProcessIdentity) -> bool:
    """Whether the process is known to be there still: same boot of the same machine, and it runs."""
    return bool(there.place) and there.place == _place() and not gone(there)


def replaced(there: ProcessIdentity, here: ProcessIdentity, variables: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is what a cluster put in the place of that one: another pod of the same Job or application.

    A Job has its next pod made when the one before has ended, and two pods of one name can't be there at once.
    """
    in_cluster = "KUBERNETES_SERVICE_HOST" in variables
    return in_cluster and there != here and _POD.sub("", there.host) == _POD.sub("", here.host)


def _place() -> str:
    """Where a process's number means one process: this boot of this machine, this namespace of processes."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """When a process began, in the kernel's ticks since boot; None where it is gone or has only not been reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError:
        return ""
    return None if fields[0] in ("Z", "X") else fields[19]

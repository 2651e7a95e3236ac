"""Somebody who is killed right after one of the writes to MLflow."""

from contextlib import contextmanager
from dataclasses import dataclass

from mlflow.tracking import MlflowClient

_WRITES = ("set_", "log_", "delete_", "create_model", "update_")


class Killed(BaseException):
    pass


@dataclass
class End:
    killed: bool = False


@contextmanager
def killed_after(monkeypatch, writes):
    """The block ends, in peace for the test, when so many writes are done; `killed` says whether there were as many."""
    left, end = [writes], End()
    with monkeypatch.context() as patched:
        for name in dir(MlflowClient):
            if name.startswith(_WRITES):
                patched.setattr(MlflowClient, name, _counted(getattr(MlflowClient, name), left))
        try:
            yield end
        except Killed:
            end.killed = True


def _counted(write, left):
    def written(*args, **kwargs):
        done = write(*args, **kwargs)
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return done

    return written

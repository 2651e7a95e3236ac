"""Rolls the servers of a cluster to the champion, or rolls both the servers and `champion` back.

`jobs.promotion.rollout` calls it at the end of a cycle, `jobs.promotion.promote` when a user moves `champion` manually.
"""

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog
from mlflow.tracking import MlflowClient

from ratchet.io.cluster import credentials
from ratchet.io.cluster.api import Api
from ratchet.io.cluster.deployment import ServerDeployment
from ratchet.io.records.registered_model import champion_of
from ratchet.io.records.version import CHAMPION
from ratchet.jobs.promotion.case import held_model
from ratchet.jobs.promotion.conclude import go_back
from ratchet.settings import Settings

log = structlog.get_logger()

_POLL_SECONDS = 1.0


@dataclass
class _Rollout:
    """The rollout of an engine's servers to a version. begun, ready: clock times; ready may still be None."""

    engine: str
    servers: ServerDeployment
    version: int
    begun: float
    ready: float | None = None


class Servers:
    """The servers of all engines in one namespace. api: None is the API of this pod, or of the kubeconfig."""

    def __init__(
        self,
        settings: Settings,
        client: MlflowClient,
        api: Api | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._client = client
        self._api = api or _open(settings)
        self._clock = clock
        self._sleep = sleep

    def follow(self, engines: Collection[str], fresh: Collection[str] = ()) -> Mapping[str, str]:
        """Roll each engine's servers to its champion; returns the reason for each engine that was rolled back.

        fresh: engines with a new champion, which are watched for a while even if its servers are already in place.
        """
        begun = self._clock()
        rollouts = []
        for engine in engines:
            servers = ServerDeployment(self._api, engine)
            champion = champion_of(self._client, self._settings.registered_name(engine))
            if champion is None or not servers.exists():
                continue
            moved = servers.told() != champion
            if moved:
                servers.tell(champion)
                log.info("rollout.begun", deployment=servers.name, version=champion)
            if moved or engine in fresh:
                rollouts.append(_Rollout(engine, servers, champion, begun))
        return self._watch(rollouts)

    def _watch(self, rollouts: Sequence[_Rollout]) -> dict[str, str]:
        back, left = dict[str, str](), list(rollouts)
        while left:
            for rollout in list(left):
                if (why := self._wrong(rollout)) is not None:
                    back[rollout.engine] = self._go_back(rollout, why)
                    left.remove(rollout)
                elif self._settled(rollout):
                    log.info("rollout.done", deployment=rollout.servers.name, version=rollout.version)
                    left.remove(rollout)
            if left:
                self._sleep(_POLL_SECONDS)
        return back

    def _settled(self, rollout: _Rollout) -> bool:
        settle = self._settings.serving.settle_seconds
        return rollout.ready is not None and self._clock() - rollout.ready >= settle

    def _wrong(self, rollout: _Rollout) -> str | None:
        """Why a rollout has failed; None if it has not so far."""
        servers, version = rollout.servers, rollout.version
        if rollout.ready is not None:
            return servers.unwell(version)
        look, seconds = servers.look(version), self._clock() - rollout.begun
        if look.state == "ready":
            log.info("rollout.ready", deployment=servers.name, version=version, seconds=round(seconds, 1))
            rollout.ready = self._clock()
            return servers.unwell(version)
        limit = self._settings.serving.ready_seconds
        if look.state == "waiting" and seconds > limit:
            return f"its servers were not ready within {limit} s: {look.why}"
        return look.why if look.state == "failed" else None

    def _go_back(self, rollout: _Rollout, why: str) -> str:
        version, name = rollout.version, self._settings.registered_name(rollout.engine)
        reason = f"version {version} was promoted, and its servers were taken back: {why}"
        with held_model(self._client, self._settings, name, "rollout") as model:
            if model.aliases.get(CHAMPION) == version:  # else another process has moved it
                go_back(model, version, reason)
            champion = model.aliases.get(CHAMPION)
        rollout.servers.tell(champion)
        log.error("rollout.went_back", deployment=rollout.servers.name, version=champion, why=reason)
        return reason


def follow_by_hand(settings: Settings, client: MlflowClient, model: str) -> str | None:
    """Roll one model's servers after its champion was moved; returns why both were rolled back, if they were."""
    engines = [engine for engine in settings.retrain.engines if settings.registered_name(engine) == model]
    back = Servers(settings, client).follow(engines) if settings.serving.deployments else {}
    return next(iter(back.values()), None)


def _open(settings: Settings) -> Api:
    namespace = os.environ.get("RATCHET_NAMESPACE") or settings.serving.namespace
    return Api(credentials.inside() or credentials.outside(), namespace)

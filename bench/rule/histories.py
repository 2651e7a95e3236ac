"""The candidates of all histories, trained in as many processes as there are cores.

A module of its own, because a process that is spawned can't import `__main__`.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context

from bench.rule.candidates import Candidate, candidates
from bench.rule.worlds import WORLDS

from ratchet import configuration


def trained(names: Sequence[str]) -> Iterator[tuple[str, list[list[Candidate]]]]:
    """Each world with the candidates of its histories, in order."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        running: Mapping[str, list[Future[list[Candidate]]]] = {
            name: [pool.submit(_history, name, place) for place in range(len(WORLDS[name].histories))] for name in names
        }
        for name, histories in running.items():
            yield name, [history.result() for history in histories]


def _history(name: str, place: int) -> list[Candidate]:
    settings = configuration.load("dev")
    return list(candidates(WORLDS[name].histories[place](settings.data), settings))

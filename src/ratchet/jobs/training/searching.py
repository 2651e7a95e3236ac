"""A bounded search for better parameters, before the fit, on folds of the training window (Optuna's TPE sampler).

Called by `jobs.training.train`. Calibration and test rows have no part in it; only afterwards the untuned model is
measured on them, beside which the tuned one is reported. A trial's proposal depends on the trials before it and its
number alone, so a search that was killed and goes on ends as if it had not been.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import structlog

from ratchet.core.evaluation.f1 import f1_of
from ratchet.core.evaluation.few_positives import calibration_method
from ratchet.core.evaluation.threshold import choose, choose_expected
from ratchet.core.search import Params, Searched, Trial, best
from ratchet.engines.base import Engine, Searchable
from ratchet.io.records.search_trials import SearchTrials
from ratchet.io.records.tracking import Run
from ratchet.settings import Settings
from ratchet.settings.forms import Section
from ratchet.settings.search import Range, Search

if TYPE_CHECKING:
    from optuna import Study

log = structlog.get_logger()


def search(settings: Settings, engine: Engine, run: Run, cycle: str) -> Searched | None:
    """Search, and give the engine the best parameters; None if that is off. Raises RatchetError.

    The engine must have read the windows.
    """
    section = settings.sklearn if engine.name == "sklearn" else settings.spark
    chosen = section.search
    if chosen is None:
        return None
    able = cast("Searchable", engine)
    records = SearchTrials(run.client, run.experiment_id, run.run_id, _key(settings, section, cycle))
    trials = _trials(settings, chosen, able, records)
    seconds, found = sum(trial.seconds for trial in trials), best(trials)
    begin = time.monotonic()
    untuned = None if found.number == 0 else _untuned_f1(settings, able)
    able.tune(found.params)
    seconds += time.monotonic() - begin
    log.info("search.done", trials=len(trials) - 1, best=found.number, seconds=round(seconds, 1))
    stopped = len(trials) <= chosen.trials
    return Searched(settings.promotion.objective, trials, chosen.folds, seconds, stopped, untuned)


def _key(settings: Settings, section: Section, cycle: str) -> str:
    what = (section.model_dump_json(), settings.seed, settings.windows, settings.promotion.objective)
    return f"{cycle}-{hashlib.sha256(repr(what).encode()).hexdigest()[:12]}"


def _trials(settings: Settings, chosen: Search, engine: Searchable, records: SearchTrials) -> Sequence[Trial]:
    trials = list(records.finished())
    study = _study(chosen, trials)
    for number in range(len(trials), chosen.trials + 1):
        # The untuned parameters are always tried.
        if number and sum(trial.seconds for trial in trials) >= 60 * chosen.minutes:
            break
        begin = time.monotonic()
        asked = _asked(study, chosen, settings.seed + number) if number else None
        params: Params = {} if asked is None else asked.params
        value = _value(settings, engine, params)
        trial = Trial(number, params, value, round(time.monotonic() - begin, 3))
        records.write(trial)
        trials.append(trial)
        if asked is not None:
            study.tell(asked, value)
        log.info("search.trial", number=number, value=round(value, 4), seconds=trial.seconds, **params)
    return trials


def _value(settings: Settings, engine: Searchable, params: Params) -> float:
    """The mean over the folds of the objective at its best threshold, which calibration would not change."""
    objective = settings.promotion.objective
    return float(np.mean([choose(counts, objective).achieved for counts in engine.count_folds(params)]))


def _untuned_f1(settings: Settings, engine: Searchable) -> float:
    calibration, test = engine.count_untuned()
    choice = choose_expected if calibration_method(calibration.positives) == "sigmoid" else choose
    return f1_of(test.confusion(choice(calibration, settings.promotion.objective).value))


def _study(chosen: Search, trials: Sequence[Trial]) -> "Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    space = _space(chosen)
    for trial in trials[1:]:
        study.add_trial(optuna.trial.create_trial(params=dict(trial.params), distributions=space, value=trial.value))
    return study


def _asked(study: "Study", chosen: Search, seed: int) -> Any:
    from optuna.samplers import TPESampler

    study.sampler = TPESampler(seed=seed % 2**32)
    return study.ask(_space(chosen))


def _space(chosen: Search) -> dict[str, Any]:
    return {name: _distribution(values) for name, values in chosen.space.items()}


def _distribution(values: Range | tuple[Any, ...]) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(values, Range):
        return CategoricalDistribution(values)
    whole = isinstance(values.low, int) and isinstance(values.high, int)
    return (IntDistribution if whole else FloatDistribution)(values.low, values.high, log=values.log)


def parameters(searched: Searched | None) -> Mapping[str, str]:
    """The best parameters as those of the run."""
    return {} if searched is None else {f"search.best.{name}": str(at) for name, at in searched.best.params.items()}

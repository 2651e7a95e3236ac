"""Tries an engine on a few hundred rows: fit, calibrate, choose the threshold, save, load, serve one request.

The steps are those of `jobs.training.train` and `jobs.serve`, with the engine's own code, so that what fails on any
table fails here: parameters, an estimator of the team's own, a model that can't be stored or served. The rows are
written to a temporary folder, as a table of their own, and the model is saved there; MLflow's store is not touched.
"""

import math
import time

from ratchet.core.evaluation.few_positives import calibration_method
from ratchet.core.evaluation.threshold import choose, choose_expected
from ratchet.core.windows import Windows
from ratchet.engines import serving
from ratchet.engines.base import Engine, Sample
from ratchet.engines.opening import open_engine
from ratchet.errors import FailedError
from ratchet.io.records.samples import SampleRows, plain_rows
from ratchet.io.serving import in_process
from ratchet.io.serving.exchange import Limits
from ratchet.io.serving.scoring_server import ScoringServer
from ratchet.io.table import inspection
from ratchet.jobs.checking.few_rows import FewRows
from ratchet.settings import Settings

_SAME_PROBABILITY = 1e-6


def tried(engine: str, few: FewRows, windows: Windows, folder: str) -> list[str]:
    """Try an engine; returns what was done, in sentences. folder: a new one, for the model. Raises RatchetError."""
    begin = time.monotonic()
    with open_engine(engine, few.settings) as opened:
        sample = _trained(opened, few.settings, windows, folder)
        _serve(opened, few.settings, folder, sample)
    choice, seconds = getattr(few.settings, engine).estimator, time.monotonic() - begin
    return [
        f"{choice} fitted on {few.rows:,} rows, calibrated, with a threshold, saved",
        f"loaded as a server does; {len(sample.labels)} rows served as in training ({seconds:.1f} s in all)",
    ]


def _trained(engine: Engine, settings: Settings, windows: Windows, folder: str) -> Sample:
    """Save a model in a folder; returns rows with the labels that it gives them here."""
    engine.read(inspection.inspect(settings.data), windows, ())
    engine.fit()
    counts = engine.calibrate()
    choice = choose_expected if calibration_method(counts.positives) == "sigmoid" else choose
    engine.set_threshold(choice(counts, settings.promotion.objective).value)
    engine.count_test()
    engine.save_model(folder)
    sample = engine.sample()
    _check_sane(sample, engine.name)
    return sample


def _check_sane(sample: Sample, engine: str) -> None:
    wrong = next((value for value in sample.probabilities if not 0 <= value <= 1), None)
    if wrong is not None or not {*sample.labels} <= {0, 1}:
        found = f"the probability {wrong}" if wrong is not None else f"the labels {sorted({*sample.labels})}"
        message = f"the model of {engine} gives {found}; probabilities from 0 to 1 and the labels 0 and 1 are accepted"
        raise FailedError(message)


def _serve(engine: Engine, settings: Settings, folder: str, sample: Sample) -> None:
    with serving.loaded(engine.name, settings, folder, beside=engine) as model:
        app = ScoringServer(Limits.of(settings.serving))
        app.serve(model.labels, model.both, settings.registered_name(engine.name), 0, model.plan)
        rows = SampleRows(tuple(sample.rows.columns), plain_rows(sample.rows), sample.labels, sample.probabilities)
        answers = in_process.predictions(app, rows.request(0, len(rows.rows)))
    same = len(answers) == len(rows.rows) and all(
        answer["label"] == label and math.isclose(answer["probability"], probability, abs_tol=_SAME_PROBABILITY)
        for answer, label, probability in zip(answers, rows.labels, rows.probabilities, strict=True)
    )
    if not same:
        message = f"the model of {engine.name}, saved and loaded, labels rows differently from the one that was saved"
        raise FailedError(message)

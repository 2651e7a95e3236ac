# ruff: noqa: SLF001  # a watch measures one logged model; this compares two that are not logged
"""What the refit gains in Spark: F1 in the month after each candidate's test month, measured and refitted model.

`python bench/refit_spark.py` prints a line per candidate and the mean difference; about a minute each on two cores. The
scikit-learn engine's worlds are `make rule`.
"""

from datetime import date
from statistics import mean

from ratchet import configuration
from ratchet.core.evaluation.f1 import f1_of
from ratchet.core.evaluation.threshold import choose
from ratchet.core.windows import Period, Window, windows_until
from ratchet.engines.base import Role
from ratchet.engines.spark import reading
from ratchet.engines.spark.engine import Spark
from ratchet.io.table import inspection
from ratchet.io.table.reader import WINDOW

MONTHS = [date(2013, month, 1) for month in range(5, 13)]
_MONTH = Period(1, "mo")


def main() -> None:
    """Replay the flights by month."""
    settings = configuration.load("dev")
    table = inspection.inspect(settings.data)
    gains = []
    with Spark(settings) as engine:
        for as_of in MONTHS:
            engine.read(table, windows_until(as_of, _MONTH, _MONTH, None), ())
            engine.fit()
            threshold = choose(engine.calibrate()).value
            engine.set_threshold(threshold)
            flips = engine.refit()
            end = date(as_of.year + as_of.month // 12, as_of.month % 12 + 1, 1)
            rows = reading.frame(engine._session.get(), table, [Window("test", as_of, end)]).where(f"{WINDOW} = 0")
            roles: tuple[Role, Role] = ("measured", "refitted")
            before, after = (
                f1_of(engine._counts(engine._model(role).transform(rows)).confusion(threshold)) for role in roles
            )
            gains.append(after - before)
            print(
                f"{as_of:%b}: {before:.4f} -> {after:.4f} ({after - before:+.4f}), {flips:.1%} labelled differently",
                flush=True,
            )
    print(f"mean {mean(gains):+.4f}, better in {sum(gain > 0 for gain in gains)} of {len(gains)}")


if __name__ == "__main__":
    main()

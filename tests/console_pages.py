"""What the console's tests show on it: facts as the sources give them, rich or poor."""

from math import sin

from ratchet.core.exported import Champion, CycleFacts, ModelFacts, SourceState
from ratchet.core.history import Curve, CycleNow, CycleStep, Trained
from ratchet.report.console.page import Seen

NOW = 1_795_000_000.0  # 18 Nov 2026, 11:06 UTC
DAY = 20_770  # 13 Nov 2026
MLFLOW = "https://mlflow.example.org/"
UP = (SourceState("mlflow", up=True, answered=NOW - 20), SourceState("cluster", up=True, answered=NOW - 5))

F1 = Curve(
    "F1",
    {DAY - day: 0.53 + 0.05 * sin(day / 9) for day in range(120) if day not in (40, 41)},
    {DAY - day: 0.5 for day in range(110) if day not in (40, 41)},
)
COST = Curve("cost", {DAY - day: 0.21 for day in range(1, 60)} | {DAY: 0.24}, {DAY: 0.23}, greater_is_better=False)
PROMOTED = Trained(
    "retrain-20261111-040000-1f",
    NOW - 7 * 86_400,
    "FINISHED",
    "promoted",
    "F1 0.538 beats version 2 on the same rows, difference +0.012; better on days like these with a probability of"
    " 99.1 %; what serves is refitted on all rows before 2026-11-01",
    "#/experiments/1/runs/a",
    "#/experiments/1/runs/a/artifacts/report.html",
    0.538,
    0.521,
    0.555,
)
FAILED = Trained("retrain-20261104-040000-77", NOW - 14 * 86_400, "FAILED", page="#/experiments/1/runs/b")
CHAMPION = Champion(
    3, NOW - 6 * 86_400, 0.538, f1_low=0.521, f1_high=0.555, moved="anna: complaints from sales", curve=F1
)
MODEL = ModelFacts("flights-sklearn", CHAMPION, 3, {"promoted": 3, "held": 9, "staged": 0}, trained=[PROMOTED, FAILED])
BY_COST = ModelFacts("flights-spark", Champion(12, None, 0.52, objective=-0.213, curve=COST), 12, trained=[FAILED])
RUNNING = CycleNow(
    "retrain-20261118-110000-2c",
    "running",
    NOW - 400,
    None,
    [CycleStep("sklearn", "done", 312), CycleStep("spark", "running", 88, "waits: 0/1 nodes are available")],
)
BROKEN = CycleNow(
    "retrain-20261104-040000-77", "failed", NOW - 14 * 86_400, None, [CycleStep("spark", "failed", 3, "?")]
)
CLUSTER = CycleFacts(newest=(RUNNING, BROKEN))


def seen(models=(MODEL, BY_COST), cluster=CLUSTER, states=UP, name="flights"):
    return Seen(name, NOW, states, models, cluster, MLFLOW)

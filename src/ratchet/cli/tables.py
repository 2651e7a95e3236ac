"""The tables that verbs print on stdout; used only by `cli`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ratchet.jobs.promotion.results import MEASURES, Result
from ratchet.settings import Settings

if TYPE_CHECKING:
    from ratchet.jobs.checking.findings import Finding

    # It imports MLflow, which the coordinator does not need.
    from ratchet.jobs.show import Row
    from ratchet.jobs.status import CycleStatus

_COLOURS = {
    "promoted": "green",
    "staged": "cyan",
    "held": "yellow",
    "missing": "red",
    "failed": "red",
    "done": "green",
    "running": "cyan",
    "ok": "green",
    "warning": "yellow",
    "skipped": "cyan",
    "error": "red",
}
# The width if stdout is not a terminal; longer text is wrapped, not truncated.
_WIDE = 120
# The error of a failed image pull fills a page; `--json` and `kubectl describe` show all of it.
_LONGEST_REASON = 300


def console() -> Console:
    """The terminal, or a page of fixed width if stdout is not one."""
    found = Console()
    return found if found.is_terminal else Console(width=_WIDE)


def print_results(results: Sequence[Result], settings: Settings) -> None:
    """A row for each engine with the decision and its reason; then the addresses of the evidence."""
    table = Table(title=f"Cycle {results[0].cycle or '(none)'}", title_justify="left", show_lines=True)
    for name in ("engine", "version", *MEASURES, "decision", "reason"):
        table.add_column(name, justify="right" if name in MEASURES or name == "version" else "left", overflow="fold")
    for result in results:
        table.add_row(
            result.engine,
            "–" if result.version is None else str(result.version),
            *(_number((result.metrics or {}).get(key)) for key in MEASURES.values()),
            Text(result.outcome, style=_COLOURS[result.outcome]),
            Text(result.reason),
        )
    out = console()
    out.print(table)
    for result in results:
        if result.report is not None:
            out.print(f"report of {result.engine}: {result.report}", soft_wrap=True, markup=False, highlight=False)
    uri = settings.tracking.uri
    by_make = "make ui, then http://127.0.0.1:5000"
    in_cluster = settings.retrain.runner == "kubernetes"
    look = by_make if uri.startswith("sqlite") else f"{by_make} (in the cluster: {uri})" if in_cluster else uri
    out.print(f"all runs and models: {look}; all versions: ratchet show", soft_wrap=True, markup=False, highlight=False)


def print_versions(rows: Sequence["Row"], *, as_json: bool) -> None:
    """A row for each version, and for the newest candidate if it has no version; as JSON with all fields."""
    out = console()
    if as_json:
        _print_json(out, rows)
        return
    if not rows:
        out.print("No version and no complete run yet; ratchet retrain creates the first.")
        return
    table = Table(show_lines=True)
    by = rows[0].objective
    values = [f"{name} {when}" for name in ("F1", by) if name for when in ("on its own rows", "today")]
    for name in ("model", "version", "aliases", *values, "as of", "decision", "reason"):
        table.add_column(name, justify="right" if name in ("version", *values) else "left", overflow="fold")
    for row in rows:
        table.add_row(*_cells(row, by))
    out.print(table)
    for row in rows:
        if row.not_yet_known is not None:
            what = (
                f"{row.model}, cycle {row.cycle}: {row.not_yet_known:,} rows from {row.as_of} on had no final label yet"
            )
            out.print(what, soft_wrap=True, markup=False, highlight=False)


def _cells(row: "Row", objective: str | None) -> tuple[str | Text, ...]:
    decision = row.decision or "not decided"
    return (
        row.model,
        "–" if row.version is None else str(row.version),
        ", ".join(row.aliases) or "–",
        *map(_number, (row.f1, row.f1_today, *((row.objective_value, row.objective_today) if objective else ()))),
        row.as_of or "–",
        Text(decision, style=_COLOURS.get(decision, "")),
        Text(row.reason or "–"),
    )


def _print_json(out: Console, rows: "Sequence[Row | CycleStatus]") -> None:
    text = json.dumps([asdict(row) for row in rows], default=str, ensure_ascii=False, indent=2)
    out.print(text, soft_wrap=True, markup=False, highlight=False)


def print_cycles(cycles: Sequence["CycleStatus"], *, as_json: bool) -> None:
    """A row for each step of each cycle, the newest cycle first; as JSON with all fields."""
    out = console()
    if as_json:
        _print_json(out, cycles)
        return
    if not cycles:
        out.print("No cycle yet; make retrain or kubectl create job --from=cronjob/retrain NAME starts one.")
        return
    table = Table()
    for name in ("cycle", "state", "began", "step", "step's state", "seconds", "decision or reason"):
        justify: Literal["left", "right"] = "right" if name == "seconds" else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=name == "cycle")
    for cycle in cycles:
        state = Text(cycle.state, style=_COLOURS.get(cycle.state, ""))
        heads: list[str | Text] = [cycle.cycle, state, cycle.began or "–"]
        for step in cycle.steps:
            seconds = "–" if step.seconds is None else f"{step.seconds:.0f}"
            table.add_row(
                *heads,
                step.step,
                Text(step.state, style=_COLOURS.get(step.state, "")),
                seconds,
                Text(_first(step.said)),
            )
            heads = ["", "", ""]
        if not cycle.steps:
            table.add_row(*heads, "–", "–", "–", Text(_first(cycle.said)))
        table.add_section()
    out.print(table)


def print_finding(finding: "Finding") -> None:
    """One line, or more if it is wide: the check, how much the finding matters, and what was found."""
    line = Table.grid(padding=(0, 2))
    for width in (8, 7):
        line.add_column(width=width, no_wrap=True)
    line.add_column(overflow="fold")
    line.add_row(finding.check, Text(finding.level, style=_COLOURS[finding.level]), Text(finding.sentence))
    console().print(line)


def print_findings(findings: Sequence["Finding"]) -> None:
    """All findings as JSON."""
    text = json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2)
    console().print(text, soft_wrap=True, markup=False, highlight=False)


def _first(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + "…"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"

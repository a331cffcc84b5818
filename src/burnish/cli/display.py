"""How results look on a terminal; all of it goes to standard output."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from burnish.records import Finding, Prediction, Score

if TYPE_CHECKING:
    from burnish.pipeline.check import Checked
    from burnish.pipeline.run import Outcome

_SIGN = {"error": "[red]error[/]", "warning": "[yellow]warning[/]", "info": "info"}
_VERDICT = {
    "ship": "[bold green]ship[/]",
    "keep-baseline": "[bold yellow]keep the cheap one[/]",
    "need-more-data": "[bold yellow]need more data[/]",
}


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


@contextmanager
def counting(words: str) -> Iterator[Callable[[int], None]]:
    """Yield what is told a number from time to time; a terminal shows the latest."""
    columns = (TextColumn("{task.completed:,} " + words), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:
        task = shown.add_task(words, total=None)
        yield lambda number: shown.update(task, completed=number)


def show_outcome(outcome: "Outcome") -> None:
    """Print verdict, reasons, the ladder of systems, and where the report lies."""
    console = Console()
    verdict = outcome.verdict
    console.print(f"\nverdict: {_VERDICT[verdict['verdict']]}")
    for sentence in (*verdict["reasons"], *verdict.get("caveats", ())):
        console.print(f"  {escape(sentence)}")
    judged = [s for s in outcome.scores if s.split == verdict["split"]]
    main = [s for s in judged if s.metric == verdict["metric"]]
    console.print()
    show_scores(sorted(main, key=lambda s: s.value))
    console.print(f"\nreport: {escape(str(outcome.folder.report))}")


def show_scores(scores: Sequence[Score]) -> None:
    """Print scores with their intervals."""
    table = _table("system", "split", "metric", "value", "95 % interval", "n")
    for s in scores:
        interval = "–" if math.isnan(s.low) else f"{s.low:.3f} … {s.high:.3f}"
        table.add_row(
            escape(s.system), escape(s.split), s.metric, f"{s.value:.3f}", interval, str(s.n)
        )
    Console().print(table)


def show_findings(findings: Sequence[Finding]) -> None:
    """Print what the data checks said, the gravest first."""
    console = Console()
    order = {"error": 0, "warning": 1, "info": 2}
    for f in sorted(findings, key=lambda one: order[one.severity]):
        place = f" [dim]{escape(f.file)}{f' row {f.row}' if f.row else ''}[/]" if f.file else ""
        console.print(f"{_SIGN[f.severity]} {f.code}: {escape(f.message)} ({f.action}){place}")


def show_check(checked: "Checked") -> None:
    """Print ledger, findings, splits, truncation, and the expected cost of training."""
    console = Console()
    table = _table("stage", "split", "rows in", "kept", "dropped", "moved", "cut")
    for e in checked.entries:
        dropped = ", ".join(f"{n} {reason}" for reason, n in e.dropped.items()) or "0"
        moved = ", ".join(f"{n} → {to}" for to, n in e.moved.items()) or "0"
        cut = str(e.rows_cut) if e.stage == "encode" else ""
        table.add_row(e.stage, e.split, f"{e.rows_in:,}", f"{e.kept:,}", dropped, moved, cut)
    console.print(table)
    console.print()
    show_findings(checked.findings)
    for line in checked.remarks:
        console.print(escape(line))


def show_answers(answers: Sequence[Prediction]) -> None:
    """Print one JSON line an answer, so that the output can be piped on."""
    import json
    import sys

    for answer in answers:
        sys.stdout.write(json.dumps(answer.to_json(), ensure_ascii=False) + "\n")


def show_doctor(findings: dict[str, Any]) -> None:
    """Print what the machine can do, a line a fact."""
    console = Console()
    for section, facts in findings.items():
        console.print(f"[bold]{section}[/]")
        for name, value in facts.items():
            if isinstance(value, list | tuple):
                for item in value:
                    console.print(f"  {escape(str(item))}")
            else:
                console.print(f"  {name}: {escape(str(value))}")

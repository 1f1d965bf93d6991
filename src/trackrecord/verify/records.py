"""Spans and what is made from them: one pass over every run with its spans, each compared with its refold.

Also looks at the spans themselves on the way, for they are the largest table and are read only once.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Final

from trackrecord.record.pricing import NANOS_PER_DOLLAR
from trackrecord.record.spans import Span
from trackrecord.store import refold
from trackrecord.store.differences import Difference, named
from trackrecord.store.reader import SqliteReader
from trackrecord.store.refold import StoredRun
from trackrecord.verify.findings import Notebook
from trackrecord.verify.owners import find_orphans, is_elsewhere
from trackrecord.verify.rules import Name

_CREDITS: Final = frozenset({"credits_used", "credit_rule", "user_credits_used"})
_EXACT: Final = Context(prec=200, rounding=ROUND_HALF_EVEN)


def check_records(reader: SqliteReader, notebook: Notebook) -> None:
    """Every run: its spans are such as a run may leave, and it is what they add up to."""
    for run in refold.stored_runs(reader):
        _check_spans(reader, notebook, run)
        if not run.has_ended:
            continue
        for name in ("records", "log_contents", "credits"):
            notebook.count(name)
            if run.is_cut:
                notebook.leave(name)
        for difference in refold.differences(run):
            notebook.differ(_rule_of(difference), difference)


def _rule_of(difference: Difference) -> Name:
    if difference.column in _CREDITS:
        return "credits"
    if difference.derived is None and isinstance(difference.stored, int):
        return "unknown"
    return "records" if difference.table == "agent_executions" else "log_contents"


def _check_spans(reader: SqliteReader, notebook: Notebook, run: StoredRun) -> None:
    count = len(run.spans) + len(run.unreadable)
    for name in ("parents", "tenants", "epochs", "usage_places", "unknown", "money"):
        notebook.count(name, count)
    for difference in run.unreadable:
        notebook.differ("records", difference)
    if run.row is None:
        place, there = (run.tenant_id, "run_id", run.run_id), is_elsewhere(reader, run.run_id)
        find_orphans(notebook, "run_spans", place, count, is_elsewhere=there)
    epoch = None if run.row is None else run.row["epoch"]
    for span in run.spans:
        if epoch is not None and span.epoch > epoch:
            _find(notebook, "epochs", run, span, f"it is of epoch {span.epoch}, its run only of {epoch}")
        if span.kind == "model":
            _check_model(notebook, run, span)
        elif span.usage is not None or span.cost_nanos is not None or span.cost_usd is not None:
            _find(notebook, "usage_places", run, span, f"a span of kind {span.kind!r} carries usage or cost")


def _check_model(notebook: Notebook, run: StoredRun, span: Span) -> None:
    usage = span.usage
    if usage is None:
        _find(notebook, "unknown", run, span, "a model attempt does not say where its figures come from")
    elif usage.provenance == "unknown":
        figures = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
        if any(figure is not None for figure in (*figures, usage.reasoning_tokens, span.cost_nanos)):
            _find(notebook, "unknown", run, span, "its usage is unknown, and yet it carries a figure")
    if span.cost_nanos is not None or span.cost_usd is not None:
        complaint = _complaint(span.cost_nanos, span.cost_usd)
        if complaint is not None:
            _find(notebook, "money", run, span, complaint)


def _complaint(nanos: int | None, dollars: str | None) -> str | None:
    """What is wrong with a cost; None when its two forms agree."""
    if nanos is None or dollars is None:
        return f"cost_nanos is {nanos} while cost_usd is {dollars}"
    try:
        exact = Decimal(dollars)
        rounded = _EXACT.to_integral_value(_EXACT.multiply(exact, NANOS_PER_DOLLAR))
    except InvalidOperation:
        return f"cost_usd {dollars!r} is no decimal number"
    if not exact.is_finite() or exact < 0 or rounded != nanos:
        return f"cost_usd {dollars} is not cost_nanos {nanos}"
    return None


def _find(notebook: Notebook, name: Name, run: StoredRun, span: Span, message: str) -> None:
    row = named(run.tenant_id, run_id=run.run_id, path=span.path, attempt=span.attempt)
    notebook.find(name, "run_spans", row, message)

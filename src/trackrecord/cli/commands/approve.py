"""`trackrecord approve`: yes to what a run asks."""

from __future__ import annotations

from trackrecord.cli.answering import BY, AskingRun, By, Comment, QuestionPath, answer
from trackrecord.cli.typed import AsJson, Db


def command(
    run: AskingRun,
    path: QuestionPath = None,
    by: By = BY,
    comment: Comment = None,
    db: Db = None,
    is_json: AsJson = False,
) -> int:
    """Approve what a run asks.

    Of two that decide at once one wins, and the other is told who. Where all
    approvers must approve, the run goes on when the last one has.
    """
    return answer(run, db, lambda tr, run_id: tr.approve(run_id, path, by=by, comment=comment), is_json=is_json)

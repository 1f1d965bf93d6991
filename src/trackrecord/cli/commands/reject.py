"""`trackrecord reject`: no to what a run asks."""

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
    """Reject what a run asks. One rejection decides, also where all approvers must approve."""
    return answer(run, db, lambda tr, run_id: tr.reject(run_id, path, by=by, comment=comment), is_json=is_json)

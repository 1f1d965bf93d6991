"""Steps that judge data and have no effect: validate and compare."""

from __future__ import annotations

from trackrecord.canonical import Json, clean
from trackrecord.context.step import StepScope
from trackrecord.engines.orchestrator.place import Place
from trackrecord.errors import StepFailed
from trackrecord.json_schema import compile_schema
from trackrecord.workflow.comparing import compare
from trackrecord.workflow.expressions import ExpressionError
from trackrecord.workflow.steps import CompareBody, Rule, Step, ValidateBody
from trackrecord.workflow.values import text_of

_MOST_ERRORS = 1_000


def run_validate(place: Place, step: Step, body: ValidateBody, span: StepScope) -> Json:
    """{valid, errors}: what of the schema does not fit, then which rules do not hold.

    Raises:
        StepFailed: something is wrong, and that is to fail the step.
    """
    value = clean(body.value.render(place.scope))
    errors: list[Json] = []
    if body.schema is not None:
        errors.extend(compile_schema(body.schema).problems(value, most=_MOST_ERRORS))
    scope: dict[str, object] = {**place.scope, "value": value}
    errors.extend(text for rule in body.rules if (text := _broken(rule, scope)) is not None)
    if errors and body.on_failure == "fail":
        said = "; ".join(map(str, errors))
        raise StepFailed(f"step {step.id!r}: the data is not valid: {said}", path=place.path_of(step.id))
    if errors and body.on_failure == "skip":
        span.status = "skipped"
    return {"valid": not errors, "errors": errors}


def _broken(rule: Rule, scope: dict[str, object]) -> str | None:
    """What is said of a rule that does not hold; None of one that does. One that cannot be asked does not hold."""
    reason = ""
    try:
        if rule.condition.holds(scope):
            return None
    except ExpressionError as error:
        reason = f": {error.message}"
    if rule.message is not None:
        try:
            return text_of(clean(rule.message.render(scope)))
        except ExpressionError:
            pass  # a message about data that is not there; the rule itself says enough
    return f"{rule.condition.source} does not hold{reason}"


def run_compare(place: Place, body: CompareBody) -> Json:
    """True or false, or the list of differences."""
    left, right = (clean(side.render(place.scope)) for side in (body.left, body.right))
    return compare(body.operation, left, right)

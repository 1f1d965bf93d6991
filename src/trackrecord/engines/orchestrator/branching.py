"""Steps of which one arm runs: conditional and switch. The choice is pure, so a resumed run makes it again."""

from __future__ import annotations

from trackrecord.canonical import Json, clean
from trackrecord.context.step import StepScope
from trackrecord.engines.orchestrator.place import Place
from trackrecord.errors import StepFailed
from trackrecord.workflow.steps import ConditionalBody, Step, SwitchBody
from trackrecord.workflow.values import as_number, is_number, kind, text_of


async def run_conditional(place: Place, body: ConditionalBody, segment: str, span: StepScope) -> Json:
    """One of two arms; data {result, branch}. An empty arm is a decision too."""
    result = body.condition.holds(place.scope)
    span.items = 1
    branch, steps = ("then", body.then) if result else ("else", body.otherwise)
    await place.run_list(place.below(f"{segment}/b:{branch}"), steps)
    return {"result": result, "branch": branch}


async def run_switch(place: Place, step: Step, body: SwitchBody, segment: str, span: StepScope) -> Json:
    """The steps of the case that fits; data {case}: its key, `default`, or null when nothing ran.

    Raises:
        StepFailed: the value is a list or an object, which no case can be.
    """
    value = clean(body.value.render(place.scope))
    if isinstance(value, list | dict):
        raise StepFailed(
            f"step {step.id!r}: `value` gives {kind(value)}, and cases are text, numbers, true, false or null",
            cure="Point `value` at one of its fields.",
            path=place.path_of(step.id),
        )
    span.items = 1
    chosen = _fitting([key for key, _ in body.cases], value)
    if chosen is not None:
        case, steps = body.cases[chosen]
        await place.run_list(place.below(f"{segment}/case:{chosen + 1}"), steps)
        return {"case": case}
    if body.default is None:
        return {"case": None}
    await place.run_list(place.below(f"{segment}/case:default"), body.default)
    return {"case": "default"}


def _fitting(keys: list[str], value: Json) -> int | None:
    """The place of the key that is the value's text; of a number also one that stands for an equal number."""
    text = text_of(value)
    if text in keys:
        return keys.index(text)
    if is_number(value):
        return next((place for place, key in enumerate(keys) if as_number(key) == value), None)
    return None

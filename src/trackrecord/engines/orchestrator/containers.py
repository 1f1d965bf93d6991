"""Steps that repeat or fan out: loop, parallel, map. Each says in its span how many it started."""

from __future__ import annotations

from collections.abc import Mapping

from trackrecord.canonical import Json, clean
from trackrecord.context.step import StepScope
from trackrecord.engines.orchestrator.place import Place
from trackrecord.engines.race import Lane, Race
from trackrecord.engines.window import slide
from trackrecord.errors import LimitReached, RunError, StepFailed
from trackrecord.workflow.references import Template
from trackrecord.workflow.steps import MAX_ITEMS, LoopBody, MapBody, ParallelBody, Step, StepList
from trackrecord.workflow.values import kind

_FEWER = "Raise max_iterations, or cut the work into several runs."
_SPLIT = "Split the list over several steps or runs."


async def run_loop(place: Place, step: Step, body: LoopBody, segment: str, span: StepScope) -> Json:
    """The outputs of the iterations, in order."""
    if body.while_ is not None:
        return await _run_while(place, step, body, segment, span)
    items = _items(place, step, body.over)
    if len(items) > body.max_iterations:
        raise _too_many(place, step, f"{len(items):,} items, and max_iterations allows {body.max_iterations:,}", _FEWER)
    span.items = 0

    async def iterate(index: int) -> Json:
        span.items = (span.items or 0) + 1
        return await _body(place, f"{segment}/i:{index + 1}", body.steps, _bound(body.as_, items[index], index))

    return await slide(len(items), body.concurrency, iterate)


async def _run_while(place: Place, step: Step, body: LoopBody, segment: str, span: StepScope) -> Json:
    """Iterations while the condition holds; it sees the steps of the iteration before."""
    outputs: list[Json] = []
    span.items = 0
    seen = place.below(segment, {"index": 0, "previous": None})
    while body.while_ is not None and body.while_.holds(seen.scope):
        index = len(outputs)
        if index >= body.max_iterations:
            what = f"its condition still holds after {body.max_iterations:,} iterations, all that max_iterations allows"
            raise _too_many(place, step, what, _FEWER)
        span.items = index + 1
        inner = place.below(f"{segment}/i:{index + 1}", {"index": index, "previous": seen.scope["previous"]})
        outputs.append(await place.run_list(inner, body.steps))
        seen = inner
        seen.scope.update(index=index + 1, previous=outputs[-1])
        await place.pulse.beat()
    return outputs


async def run_parallel(place: Place, body: ParallelBody, segment: str, span: StepScope) -> Json:
    """Every branch's last data, by branch name; of a race only the winner's."""
    span.items = 0
    if body.join == "any":
        return await _run_race(place, body, segment, span)
    width = body.max_concurrency or place.agent.limits.max_parallel_steps

    async def branch(index: int) -> Json:
        name, steps = body.branches[index]
        span.items = (span.items or 0) + 1
        return await _body(place, f"{segment}/b:{name}", steps, {})

    results = await slide(len(body.branches), width, branch)
    return {name: result for (name, _), result in zip(body.branches, results, strict=True)}


async def _run_race(place: Place, body: ParallelBody, segment: str, span: StepScope) -> Json:
    """The first branch that succeeds; a resumed run that had a winner runs that branch and no other."""
    names = [name for name, _ in body.branches]
    width = body.max_concurrency or place.agent.limits.max_parallel_steps
    relative = f"{place.above}{segment}"

    async def branch(index: int, lane: Lane) -> Json:
        name, steps = body.branches[index]
        span.items = (span.items or 0) + 1
        return await _body(place.racing(lane), f"{segment}/b:{name}", steps, {})

    decided = place.ctx.decided(relative)
    if isinstance(decided, dict):
        name, started = str(decided["branch"]), decided["started"]
        result = await branch(names.index(name), Lane(place.lane))
        span.items = started if isinstance(started, int) else span.items
        return {name: result}
    won = await Race(len(names), width, branch, place.lane).run()

    async def choose() -> Json:
        return {"branch": names[won.index], "started": span.items}

    await place.ctx.decide(relative, choose)
    return {names[won.index]: won.result}


async def run_map(place: Place, step: Step, body: MapBody, segment: str, span: StepScope) -> Json:
    """The collected results of every item, errors beside them when they are to be kept."""
    items = _items(place, step, body.over)
    if len(items) > MAX_ITEMS:
        raise _too_many(place, step, f"{len(items):,} items, and a map takes at most {MAX_ITEMS:,}", _SPLIT)
    errors: dict[int, Json] = {}
    inside = place.tolerant() if body.on_item_error == "collect" else place
    span.items = 0

    async def one(index: int) -> Json:
        span.items = (span.items or 0) + 1
        try:
            return await _body(inside, f"{segment}/i:{index + 1}", body.steps, _bound(body.as_, items[index], index))
        except RunError as error:
            if body.on_item_error == "fail" or not error.is_tolerable:
                raise
            errors[index] = {"index": index, "code": error.code, "message": error.message}
            return None

    width = body.max_concurrency or place.agent.limits.max_parallel_steps
    results = await slide(len(items), width, one)
    if body.on_item_error == "fail":
        return _collected(place, step, body, results)
    kept = [result for index, result in enumerate(results) if index not in errors]
    return {"results": _collected(place, step, body, kept), "errors": [errors[index] for index in sorted(errors)]}


async def _body(place: Place, segments: str, steps: StepList, bound: Mapping[str, object]) -> Json:
    await place.pulse.beat()
    return await place.run_list(place.below(segments, bound), steps)


def _bound(name: str, item: Json, index: int) -> dict[str, object]:
    return {"item": item, name: item, "index": index}


def _items(place: Place, step: Step, over: Template | None) -> list[Json]:
    value = clean(over.render(place.scope)) if over is not None else None
    if isinstance(value, list):
        return value
    raise StepFailed(
        f"step {step.id!r}: `over` gives {kind(value)}, not a list",
        cure="Point `over` at a list, like {{ steps.fetch.data.items }}.",
        path=place.path_of(step.id),
    )


def _collected(place: Place, step: Step, body: MapBody, results: list[Json]) -> Json:
    match body.collect:
        case "list":
            return results
        case "flatten":
            return [part for result in results for part in (result if isinstance(result, list) else [result])]
        case "merge":
            merged: dict[str, Json] = {}
            for result in results:
                if not isinstance(result, dict):
                    raise _uncollectable(place, step, "merge", "objects", result)
                merged |= result
            return merged
        case "sum":
            total: int | float = 0
            for result in results:
                if isinstance(result, bool) or not isinstance(result, int | float):
                    raise _uncollectable(place, step, "sum", "numbers", result)
                total += result
            return total


def _too_many(place: Place, step: Step, what: str, cure: str) -> LimitReached:
    return LimitReached(f"step {step.id!r}: {what}", cure=cure, path=place.path_of(step.id))


def _uncollectable(place: Place, step: Step, how: str, wanted: str, result: Json) -> StepFailed:
    return StepFailed(
        f"step {step.id!r}: collect: {how} takes {wanted}, an item gave {kind(result)}",
        cure="Let the last inner step give the right kind, or use collect: list.",
        path=place.path_of(step.id),
    )

"""Steps that judge data: validate and compare. Their checked fields in, their bodies out.

A function returns None when something it cannot do without is missing or wrong; the problem has been added then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from trackrecord.canonical import Json
from trackrecord.workflow import schemas
from trackrecord.workflow.fields import describe, join, read
from trackrecord.workflow.site import Site
from trackrecord.workflow.steps import CompareBody, Comparison, OnInvalid, Rule, ValidateBody
from trackrecord.workflow.vocabulary import RULE

Values = Mapping[str, Json]
_ASKING = frozenset({"field", "operator", "value", "all", "any", "not"})  # of these is a condition that is a mapping
_FORM = "Write {condition: 'value.total > 0', message: …}."


def validate(values: Values, site: Site) -> ValidateBody | None:
    """The body of a validate step."""
    value = site.template(values["value"], "value")
    schema, given = values["schema"], values["rules"]
    if schema is None and not given:
        site.add("", "a validate step has neither 'schema' nor 'rules'", "Give one of them, or both.")
    if schema is not None:
        schemas.check(schema, join(site.path, "schema"), site.problems)
    inside = site.within(site.scope.also("value"))
    rules = [
        _rule(rule, f"rules[{index}]", inside) for index, rule in enumerate(given if isinstance(given, list) else [])
    ]
    if value is None:
        return None
    return ValidateBody(
        value=value,
        schema=cast("dict[str, Json] | None", schema),
        rules=tuple(rule for rule in rules if rule is not None),
        on_failure=cast("OnInvalid", values["on_failure"]),
    )


def _rule(given: Json, name: str, site: Site) -> Rule | None:
    """A condition alone, or one with a message beside it."""
    if isinstance(given, dict) and "condition" not in given and "message" in given and len(given) > 1:
        condition: Json = {key: item for key, item in given.items() if key != "message"}
        asked, message = site.condition(condition, name), site.template(given["message"], f"{name}.message")
    elif isinstance(given, dict) and ("condition" in given or "message" in given or not _ASKING & given.keys()):
        values = read(given, RULE, path=join(site.path, name), what="a rule", problems=site.problems)
        asked = site.condition(values["condition"], f"{name}.condition")
        message = site.template(values["message"], f"{name}.message")
    elif isinstance(given, str | dict):
        asked, message = site.condition(given, name), None
    else:
        site.add(name, f"a rule must be a condition, not {describe(given)}", _FORM)
        return None
    return None if asked is None else Rule(condition=asked, message=message)


def compare(values: Values, site: Site) -> CompareBody | None:
    """The body of a compare step."""
    left, right = (site.template(values[name], name) for name in ("left", "right"))
    if left is None or right is None:
        return None
    return CompareBody(operation=cast("Comparison", values["operation"]), left=left, right=right)

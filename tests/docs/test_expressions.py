"""The language of expressions, templates and conditions: complete on its page, and every example of it true."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping

import pytest
import yaml
from tests.docs import pages
from tests.docs.pages import REFERENCE, figures, names, only, plain

from trackrecord.canonical import Json
from trackrecord.workflow import bounds, functions, paths, questions, references, transforms, tree
from trackrecord.workflow import expressions as language
from trackrecord.workflow.bounds import ExpressionError
from trackrecord.workflow.conditions import compile_condition
from trackrecord.workflow.expressions import compile_expression
from trackrecord.workflow.operators import ARITHMETIC, COMPARISONS
from trackrecord.workflow.references import compile_template

EXPRESSIONS = REFERENCE / "expressions.md"
DATA: dict[str, Json] = yaml.safe_load(pages.blocks(EXPRESSIONS)[0].text)
SYMBOLS: Mapping[type[ast.AST], str] = {
    **{ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%"},
    **{ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="},
    **{ast.In: "in", ast.NotIn: "not in", ast.Not: "not", ast.USub: "-", ast.UAdd: "+"},
}
ALWAYS = ("and", "or", "if else", "[ ]", "[:]", "[, ]", "{: }")  # what the compiler handles by itself


def whole(cell: str) -> str:
    """The code that a cell is, backticks in it kept."""
    assert cell.startswith("`"), cell
    assert cell.endswith("`"), cell
    return cell[1:-1]


def test_operators() -> None:
    """Each operator of the language is there, and no other."""
    known = {SYMBOLS[one] for one in (*ARITHMETIC, *COMPARISONS, *language._UNARY)}
    assert known | set(ALWAYS) == set(names(EXPRESSIONS, "Operators", "operator"))


def test_functions() -> None:
    """Each function is there, written as the error messages write it."""
    written = [plain(cell) for cell in pages.table(EXPRESSIONS, "Functions").column("function")]
    usages = {one.usage for one in functions.FUNCTIONS.values()} | set(language._SPECIAL.values())
    assert usages == set(written)
    assert len(written) == len(set(written))


@pytest.mark.parametrize("heading", ["Operators", "Functions"])
def test_examples_of_expressions(heading: str) -> None:
    """Each example gives what stands beside it."""
    table = pages.table(EXPRESSIONS, heading)
    for example, given in zip(table.column("example"), table.column("gives"), strict=True):
        assert json.loads(whole(given)) == compile_expression(only(example)).evaluate(DATA), example


def test_examples_of_functions_call_them() -> None:
    """The example of a function is one of that function."""
    table = pages.table(EXPRESSIONS, "Functions")
    for written, example in zip(table.column("function"), table.column("example"), strict=True):
        name = plain(written).partition("(")[0]
        assert only(example).startswith(f"{name}("), written


def test_examples_of_templates() -> None:
    """Each template gives what stands beside it."""
    for template, given in pages.table(EXPRESSIONS, "Templates").rows:
        assert json.loads(whole(given)) == compile_template(whole(template)).render(DATA), template


def test_what_is_not_part_of_the_language() -> None:
    """Each of these is refused, in the words that are shown."""
    for written, told in pages.table(EXPRESSIONS, "Not part of the language").rows:
        with pytest.raises(ExpressionError, match=re.escape(only(told))):
            compile_expression(only(written)).evaluate(DATA)


def test_operators_of_conditions() -> None:
    """Each operator of a question is there, and its example uses it and holds; the example of groups holds too."""
    table = pages.table(EXPRESSIONS, "Conditions")
    assert list(questions.NAMES) == names(EXPRESSIONS, "Conditions", "operator")
    for operator, example in table.rows:
        question = yaml.safe_load(only(example))
        assert only(operator) == question["operator"]
        assert compile_condition(question).holds(DATA), example
    group = yaml.safe_load(pages.blocks(EXPRESSIONS)[1].text)
    assert compile_condition(group).holds(DATA)


def test_roots_of_references() -> None:
    """Each root is there, and the data of the page has it."""
    assert list(paths.ROOTS) == names(EXPRESSIONS, "References", "root")
    assert set(paths.ROOTS) == set(DATA)
    assert {"true", "false", "null"} == set(tree.WORDS)


LIMITS: Mapping[str, str] = {
    "source of an expression, in bytes": "MAX_SOURCE_BYTES",
    "nesting of an expression": "MAX_DEPTH",
    "whole number, either sign": "MAX_INT",
    "text made by an expression, in characters": "MAX_TEXT",
    "entries of a list": "MAX_LIST",
    "nodes visited": "MAX_VISITS",
    "values walked over, hundred of them counting as one visit": "MAX_VALUES",
    "values that a template or transform puts together": "MAX_SIZE",
}


def test_limits_of_expressions() -> None:
    """Each limit is there with its figure."""
    assert {name for name in vars(bounds) if name.startswith("MAX_")} == set(LIMITS.values())
    assert 100 == bounds.VALUES_PER_VISIT
    expected = {what: getattr(bounds, name) for what, name in LIMITS.items()} | {
        "text filled in by a template, in characters": references.MAX_RENDERED,
        "values a transform walks over": transforms.MAX_WORK,
    }
    assert expected == figures(EXPRESSIONS, "Limits")

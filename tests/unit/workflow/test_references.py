"""Templates: what is filled in, with which type, and that data never becomes an expression."""

from __future__ import annotations

from collections import ChainMap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.canonical import Json, dumps
from trackrecord.workflow.expressions import ExpressionError
from trackrecord.workflow.references import MAX_RENDERED, Reference, compile_template

SCOPE: dict[str, Any] = {
    "inputs": {"n": 3, "t": "abc", "l": [1, "x"], "d": {"b": 1, "a": "é"}, "none": None, "yes": True, "f": 0.5},
    "steps": ChainMap({}, {"a": {"data": {"total": 7}, "status": "completed", "error": None}}),
    "vars": ChainMap({"v": 1}),
}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ inputs.n }}", 3),
        ("{{inputs.n}}", 3),
        ("  {{ inputs.n }}\n", 3),
        ("{{ inputs.yes }}", True),
        ("{{ inputs.none }}", None),
        ("{{ inputs.l }}", [1, "x"]),
        ("{{ steps.a.data }}", {"total": 7}),
        ("{{ steps.a.data.total + 1 }}", 8),
        ("{{ {'a': {'b': 1}} }}", {"a": {"b": 1}}),
        ("{{{'a': {}}}}", {"a": {}}),
        ("{{ '}}' }}", "}}"),
        ('{{ "{{" }}', "{{"),
        ("{{ vars }}", {"v": 1}),
    ],
)
def test_a_whole_text_keeps_the_type_of_its_expression(template: str, value: Json) -> None:
    """A text that is one expression, white space around it aside, gives its value and no text."""
    given_back = compile_template(template).render(SCOPE)

    assert (value, type(value)) == (given_back, type(given_back))


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("n={{ inputs.n }}", "n=3"),
        ("{{ inputs.t }}{{ inputs.n }}", "abc3"),
        (" {{ inputs.t }} and {{ inputs.t }}.", " abc and abc."),
        ("is {{ inputs.yes }}", "is true"),
        ("is {{ inputs.none }}", "is null"),
        ("is {{ inputs.f }}", "is 0.5"),
        ("is {{ inputs.l }}", 'is [1,"x"]'),
        ("is {{ inputs.d }}", 'is {"a":"é","b":1}'),
        ("}} {{ inputs.n }} }}", "}} 3 }}"),
        ("{ {{ inputs.n }} }", "{ 3 }"),
        ("a {{ '{{' }} b", "a {{ b"),
        ("a {{ default(inputs.z, '}}') }} b", "a }} b"),
    ],
)
def test_an_expression_in_a_longer_text_becomes_text(template: str, text: str) -> None:
    """Text stays, objects and lists are canonical JSON, null, true and false are written as in JSON."""
    assert text == compile_template(template).render(SCOPE)


def test_values_are_filled_in_at_every_depth_and_keys_are_left_alone() -> None:
    """Mappings and lists are templates as a whole; a key is a name."""
    value: Json = {"a": ["{{ inputs.n }}", {"b": "x{{ inputs.n }}", "c": 1.5}], "{{ inputs.t }}": None}

    assert {"a": [3, {"b": "x3", "c": 1.5}], "{{ inputs.t }}": None} == compile_template(value).render(SCOPE)


@pytest.mark.parametrize("value", [None, True, 0, 1.5, "", "plain", "{ x }", "}}", [], {}, {"a": [1, {"b": "c"}]}])
def test_a_value_without_expressions_is_itself(value: Json) -> None:
    """What holds no `{{` comes out as it went in."""
    template = compile_template(value)

    assert template.is_constant
    assert () == template.references
    assert (value, type(value)) == (template.render({}), type(template.render({})))


def test_a_constant_is_never_shared() -> None:
    """Whoever changes a rendered value changes neither the definition nor what the next run gets."""
    definition: dict[str, Any] = {"a": {"b": [1]}, "c": [[2]], "d": "{{ inputs.n }}"}
    template = compile_template(definition)
    first: Any = template.render(SCOPE)
    first["a"]["b"].append(9)
    first["c"][0].append(9)
    definition["a"]["b"].append(8)

    assert {"a": {"b": [1]}, "c": [[2]], "d": 3} == template.render(SCOPE)


def test_what_a_whole_reference_names_is_not_copied() -> None:
    """Large data passes through a reference at no cost, as the very same object."""
    assert SCOPE["inputs"]["l"] is compile_template("{{ inputs.l }}").render(SCOPE)


def test_what_was_filled_in_is_not_filled_in_again() -> None:
    """Data that holds braces, quotes or expressions stays data."""
    scope = {"inputs": {"a": "{{ inputs.b }}", "b": "secret", "c": "' + inputs.b + '"}}
    template = compile_template(["{{ inputs.a }}", "x {{ inputs.a }}", "{{ 'y' + inputs.a }}", "{{ 'z' + inputs.c }}"])

    assert ["{{ inputs.b }}", "x {{ inputs.b }}", "y{{ inputs.b }}", "z' + inputs.b + '"] == template.render(scope)


def test_references_are_listed_once_in_order() -> None:
    """Whoever checks a definition sees everything it looks at."""
    template = compile_template({"a": "{{ steps.b.data }} {{ item }}", "c": ["{{ item }}", "{{ vars.x + 1 }}"]})

    assert (Reference("steps", ("b", "data")), Reference("item"), Reference("vars", ("x",))) == template.references


@pytest.mark.parametrize(
    ("template", "message", "cure"),
    [
        ("{{ inputs.a", "the {{ in front of 'inputs.a' is never closed", "Close it with }}."),
        ("a }} {{ b", "the {{ in front of 'b' is never closed", "Close it with }}."),
        ("{{", "the {{ in front of '' is never closed", "Close it with }}."),
        ("{{}}", "the expression '': the expression is empty", "Write what it should give, like {{ inputs.name }}."),
        ("{{ it's }} {{ x }}", "the expression \"it's\": cannot be read: unterminated string literal (detected at line 1)", ""),  # noqa: E501
        ("{{ {{ x }} }}", "the expression '{{ x }}': a set is not part of the expression language", 'Write a list, [a, b], or an object, {"key": value}. A reference needs no braces inside.'),  # noqa: E501
        ({"a": ["{{ x | y }}"]}, "the expression 'x | y': `|` is not part of the expression language", "Write `or`, or call a function: len(value)."),  # noqa: E501
    ],
)  # fmt: skip
def test_a_broken_template_is_refused_when_it_is_compiled(template: Json, message: str, cure: str) -> None:
    """The expression that is wrong is named, with what to write instead."""
    with pytest.raises(ExpressionError) as caught:
        compile_template(template)

    assert (message, cure) == (caught.value.message, caught.value.cure)


def test_a_value_nested_without_end_is_refused() -> None:
    """Depth is checked while compiling, so that nothing recurses too far."""
    value: Json = "{{ x }}"
    for _ in range(1_000):
        value = [value]

    with pytest.raises(ExpressionError, match="nested more than 64 deep"):
        compile_template(value)


def test_a_missing_path_is_an_error_and_not_empty_text() -> None:
    """What is not there is said, with its path, wherever it stands."""
    for template in ("{{ steps.a.data.totl }}", "x{{ steps.a.data.totl }}", {"a": ["{{ steps.a.data.totl }}"]}):
        with pytest.raises(ExpressionError, match=r"steps\.a\.data\.totl is missing: steps\.a\.data has no 'totl'"):
            compile_template(template).render(SCOPE)


@pytest.mark.parametrize(
    "template",
    [
        "{{ t }}" * 5,
        "{{ t }}" + "x{{ l }}" * 5,
        "{{ l }}" * 5,
        {"a": "x{{ l }}{{ l }}{{ l }}{{ l }}{{ l }}"},
    ],
)
def test_a_text_that_would_be_too_long_is_refused(template: Json) -> None:
    """However often large data is repeated, what it makes is bounded before it is built."""
    scope = {"t": "x" * 1_000_000, "l": ["x" * 1_000_000]}

    with pytest.raises(ExpressionError, match="the text would be longer than 4,194,304 characters"):
        compile_template(template).render(scope)


def test_a_document_can_be_put_into_a_prompt() -> None:
    """The bound of a rendered text lies above what a tool's result may be."""
    text = "x" * 2**20

    assert f"Read: {text}" == compile_template("Read: {{ t }}").render({"t": text})
    assert 2**20 < MAX_RENDERED


def test_data_repeated_in_an_object_is_bounded_too() -> None:
    """References of one template cannot multiply large data, while one alone hands it on whatever its size."""
    large = {"l": [[0] * 10] * 100_000}

    assert large["l"] is compile_template("{{ l }}").render(large)
    with pytest.raises(ExpressionError, match="the result holds more than 2,000,000 values"):
        compile_template({"a": "{{ l }}", "b": "{{ l }}"}).render(large)


def test_templates_of_one_source_are_equal() -> None:
    """A template is a value: what it was compiled from."""
    assert compile_template({"a": "{{ x }}", "b": 1}) == compile_template({"b": 1, "a": "{{ x }}"})
    assert compile_template("{{ x }}") != compile_template("{{ y }}")


_texts = st.lists(st.sampled_from(["{{", "}}", "{", "}", "'", '"', "inputs.n", " ", "x", "\n", "\\", "[", "("])).map(
    "".join
)
_values = st.recursive(
    _texts | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(_values)
def test_any_value_is_a_template_or_an_expression_error(value: Json) -> None:
    """User text never raises anything else; whatever comes out can be written as JSON."""
    try:
        rendered = compile_template(value).render(SCOPE)
    except ExpressionError as error:
        rendered = error.message

    assert dumps(rendered)


@given(_values)
def test_data_goes_through_unread(data: Json) -> None:
    """Whatever a step gave, a reference to it gives the same, and no brace in it is looked at."""
    scope = {"steps": {"a": {"data": data}}}

    assert data is compile_template("{{ steps.a.data }}").render(scope)
    assert {"x": [data]} == compile_template({"x": ["{{ steps.a.data }}"]}).render(scope)


@given(st.text())
def test_text_is_put_into_text_as_it_is(text: str) -> None:
    """Nothing is escaped, trimmed or read."""
    assert f"a{text}b{text}" == compile_template("a{{ t }}b{{ t }}").render({"t": text})

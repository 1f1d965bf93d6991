"""Names, answers, errors and files that want to take a terminal over (fault E7): nothing of them is printed raw."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Type

from trackrecord.cli.look import Look
from trackrecord.cli.pages.runs import runs_page
from trackrecord.clock import now, stamp

RAW = [*(chr(code) for code in (*range(9), *range(11, 32), 127, 0x9B)), "\u202e"]
LOOKS = (
    ("runs",),
    ("agents",),
    ("show",),
    ("show", "--all"),
    ("show", "--json"),
    ("runs", "--json"),
    ("agents", "--json"),
    ("verify",),
)


def raw_in(text: str) -> list[str]:
    return [repr(character) for character in RAW if character in text]


def test_an_answer_cannot_act(typed: Type) -> None:
    """It is shown with its escapes; `--json` has it exactly."""
    done = typed("run", "hostile.yaml")

    assert "one\\e]0;owned\\x07\ttwo\nthree\\u202efour\\x9b31m\n" == done.out
    assert [] == raw_in(done.out + done.err)
    answer = json.loads(typed("show", "--json").out)["answer"]
    assert "one\x1b]0;owned\a\ttwo\r\nthree\u202efour\u009b31m" == answer


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_no_page_prints_them_raw(words: tuple[str, ...], typed: Type) -> None:
    """Nor does JSON, in which an escape means the same."""
    typed("run", "hostile.yaml")
    done = typed(*words)

    assert (0, []) == (done.code, raw_in(done.out + done.err))


def test_a_name_cannot_turn_around_or_hide(typed: Type) -> None:
    """Bidi and zero-width characters in it are shown."""
    typed("run", "hostile.yaml")

    assert "evil \\u202egnp.exe\\u200b  ✓ completed" in typed("show").out


def test_a_name_cannot_forge_a_line() -> None:
    """Whoever wrote the row: a newline in it is shown."""
    row = dict.fromkeys(("error_code", "tokens_used", "execution_duration_ms"), None)
    row |= {
        "id": "0" * 36,
        "agent_name": "a\x1b[2J\r\nb",
        "engine": "x\n",
        "status": "new\x07",
        "origin_kind": "re\ntry",
        "parent_run_id": None,
    }

    head, line, *rest = runs_page([row | {"created_at": stamp(now())}], Look(), now()).split("\n")
    assert [[], [], []] == [raw_in(head), raw_in(line), rest]
    assert "a\\e[2J\\r\\nb" in line


def test_an_error_cannot_act(typed: Type, desk: Path) -> None:
    """Neither what a model said when it failed, nor a file's name, nor a value that was typed."""
    script = 'replies:\n  - {error: {status: 401, message: "no \\e[31m\\u202ekey\\n"}}\n'
    (desk / "fails.script.yaml").write_text(script)
    outputs = [
        typed("run", "fails.yaml"),
        typed("show"),
        typed("run", "gone\x1b[2J.yaml"),
        typed("run", "strict.yaml", "-i", "count=\x1b[2J"),
        typed("run", "strict.yaml", "-i", "\x1b[2J"),
        typed("stats", "no\u202ebody"),
        typed("check", "gone\x07.yaml"),
        typed("runs", "--\x1b[31m"),
    ]

    assert [[]] * len(outputs) == [raw_in(done.out + done.err) for done in outputs]


def test_problems_of_an_agent_file_cannot_act(typed: Type, desk: Path) -> None:
    """A key of a stranger's file is a stranger's text."""
    (desk / "evil.yaml").write_text('name: a\nprompt: b\n"ke\\e[2Jy\\u202e": 1\n')
    done = typed("check", "evil.yaml")

    assert (2, []) == (done.code, raw_in(done.err))

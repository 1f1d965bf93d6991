"""The agents of these tests, each a file in the folder one works in, with the script its model answers from."""

from __future__ import annotations

from typing import Final

FILES: Final = {
    "echo.yaml": """\
name: echo
description: Says what it was told.
prompt: Answer.
model: scripted:echo.script.yaml
plugins_required: [demo]
input_schema:
  - {name: text, type: string, default: nothing}
  - {name: count, type: integer}
  - {name: tags, type: array}
  - {name: loud, type: boolean}
example_inputs: {text: example}
""",
    "echo.script.yaml": """\
replies:
  - tool_calls: [{name: demo__lookup_customer, arguments: {email: nobody@example.org}}]
    usage: {input: 1200, output: 30, cache_read: 1000, reasoning: 8}
  - text: "It was {{ inputs.text }}."
    usage: {input: 1400, output: 20, cache_read: 1000, reasoning: 0}
""",
    "both.yaml": """\
name: both
prompt: Answer.
model: scripted:both.script.yaml
workflow_steps:
  - {id: only, type: agent}
""",
    "both.script.yaml": """\
replies:
  - {text: done, usage: {input: 10, output: 5}}
""",
    "fails.yaml": """\
name: fails
prompt: Answer.
model: scripted:fails.script.yaml
""",
    "fails.script.yaml": """\
replies:
  - {error: {status: 401, message: "no such key"}}
""",
    "slow.yaml": """\
name: slow
prompt: Take your time.
model: scripted:slow.script.yaml
plugins_required: [demo]
""",
    "slow.script.yaml": """\
replies:
  - tool_calls: [{name: demo__list_leads, arguments: {}}]
    usage: {input: 100, output: 10}
  - {text: too late, delay_ms: 60000}
""",
    "hostile.yaml": """\
name: "evil \\u202egnp.exe\\u200b"
prompt: Answer.
model: scripted:hostile.script.yaml
""",
    "hostile.script.yaml": """\
replies:
  - {text: "one\\e]0;owned\\a\\ttwo\\r\\nthree\\u202efour\\u009b31m", usage: {input: 10, output: 5}}
""",
    "typos.yaml": """\
name: typos
promt: Hello
workflow_steps:
  - {id: a, type: acton}
limits: {max_iterations: -3}
""",
    "draft.yaml": "name: draft\nstatus: draft\nprompt: Answer.\nmodel: scripted:both.script.yaml\n",
    "needs.yaml": "name: needs\nprompt: Answer.\nmodel: scripted:both.script.yaml\nplugins_required: [nowhere]\n",
    "strict.yaml": """\
name: strict
prompt: Answer.
model: scripted:both.script.yaml
input_schema:
  - {name: count, type: integer, required: true}
""",
}

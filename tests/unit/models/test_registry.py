"""Models by name: scripts beside the agent, models registered in Python, everything else refused."""

import os
from pathlib import Path

import pytest

from trackrecord.errors import BadInput, Refused, UnknownModel
from trackrecord.models.callable_ import CallableModel
from trackrecord.models.messages import Message, ModelRequest
from trackrecord.models.registry import Models

REQUEST = ModelRequest(model="scripted:x", messages=(Message(role="user", text="hi"),))


def script(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(f"replies: [{text}]\n")
    return file


async def said(models: Models, name: str, base: Path | None = None) -> str | None:
    return (await models.resolve(name, base=base).request(REQUEST)).text


async def test_a_script_is_found_beside_the_agent_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative script is looked for in the agent's folder, then in the working directory; absolute ones anywhere."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    script(here, "a.yaml", "from here")
    agent_file = script(there, "agent.yaml", "unused")
    assert "from here" == await said(Models(), "scripted:a.yaml", there)
    script(there, "a.yaml", "from there")
    assert "from there" == await said(Models(), "scripted:a.yaml", there)
    assert "from there" == await said(Models(), "scripted:a.yaml", agent_file)
    assert "from here" == await said(Models(), "scripted:a.yaml")
    assert "from there" == await said(Models(), f"scripted:{there / 'a.yaml'}")


def test_the_name_in_the_record_is_the_one_written(tmp_path: Path) -> None:
    """A record names the script as the agent does, not by where this machine keeps it."""
    script(tmp_path, "a.yaml", "x")
    model = Models().resolve("scripted:./a.yaml", base=tmp_path)
    assert ("scripted", "./a.yaml") == (model.provider, model.name)


async def test_a_script_is_loaded_once_until_it_changes(tmp_path: Path) -> None:
    """The same file gives the same model; a changed file gives its new content."""
    models = Models()
    file = script(tmp_path, "a.yaml", "old")
    first = models.resolve("scripted:a.yaml", base=tmp_path)
    assert first is models.resolve("scripted:a.yaml", base=tmp_path)
    script(tmp_path, "a.yaml", "new")
    os.utime(file, ns=(1, 1))
    assert "new" == await said(models, "scripted:a.yaml", tmp_path)


async def test_a_model_registered_in_python_wins() -> None:
    """A name given in Python is that model, whatever the name looks like."""
    mine = CallableModel(lambda request: request.messages[-1].text.upper(), name="loud", provider="mock")
    models = Models({"mock:loud": mine, "scripted:a.yaml": mine})
    assert mine is models.resolve("mock:loud")
    assert "HI" == await said(models, "scripted:a.yaml")
    assert ("mock:loud", "scripted:FILE", "scripted:a.yaml") == models.names


@pytest.mark.parametrize(
    ("name", "message", "cure"),
    [
        ("opnai:gpt-5", "no provider 'opnai' is set up", "Did you mean 'openai:gpt-5'"),
        (
            "nobody:x",
            "no provider 'nobody' is set up",
            "Known here: mock:loud, scripted:FILE; providers: openai, ",
        ),
        ("mock:lout", "no provider 'mock' is set up for 'lout'", "Did you mean 'mock:loud'?"),
        ("script:a.yaml", "no provider 'script' is set up", "Did you mean 'scripted:a.yaml'?"),
        ("gpt-5", "the model 'gpt-5' has no provider", "Did you mean 'openai:gpt-5'?"),
        ("openai:", "no provider 'openai' is set up for ''", "Did you mean 'openai:NAME'"),
        ("", "the model '' has no provider", "Known here"),
        ("scripted:", "names no script file", "scripted:FILE"),
        ("scripted:answer.yaml", "there is no script file 'answer.yaml' in", "Did you mean 'answers.yaml'?"),
        ("scripted:deep/none.yaml", "there is no script file 'deep/none.yaml' in", "relative to the agent's file"),
        ("scripted:/nowhere/x.yaml", "there is no script file '/nowhere/x.yaml'", "absolute"),
        ("scripted:a\0b", "there is no script file", "absolute"),
    ],
)
def test_a_model_that_is_not_there_is_refused(tmp_path: Path, name: str, message: str, cure: str) -> None:
    """A refusal names what was asked for, what is known, and the nearest thing."""
    script(tmp_path, "answers.yaml", "x")
    models = Models({"mock:loud": CallableModel(lambda _: "x")})
    with pytest.raises(UnknownModel) as refused:
        models.resolve(name, base=tmp_path)
    assert isinstance(refused.value, Refused)
    assert message in refused.value.message
    assert cure in refused.value.cure


def test_a_script_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    """A broken script is bad input with its problems, not an unknown model."""
    (tmp_path / "a.yaml").write_text("replies: 5\n")
    with pytest.raises(BadInput, match="must be a list"):
        Models().resolve("scripted:a.yaml", base=tmp_path)

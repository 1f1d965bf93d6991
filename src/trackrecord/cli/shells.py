"""Completion for bash, zsh and fish: the script of each, where it belongs, and how what may come next is told to it.

A script asks `trackrecord --complete SHELL …` at every press of the key; nothing in it goes stale. No start-up file of
a shell is ever changed: where one must name the script, whoever installs it is told the line.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from trackrecord.cli import terminal
from trackrecord.cli.completing import SHELLS, Choice, choices
from trackrecord.cli.escape import line
from trackrecord.errors import BadInput

ASKING: Final = "--complete"
_SPECIAL: Final = re.compile(r"([^\w@%+=:,./\-])")
_BREAKS: Final = re.compile(r".*[:=]", re.DOTALL)  # where bash takes a word to end
_SAID: Final = 60

BASH: Final = """\
# bash completion of trackrecord: trackrecord --show-completion bash
_trackrecord() {
    mapfile -t COMPREPLY < <("$1" --complete bash "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/:=] ]]; then
        compopt -o nospace
    fi
}
complete -o nosort -F _trackrecord trackrecord 2>/dev/null || complete -F _trackrecord trackrecord
"""
ZSH: Final = """\
#compdef trackrecord
# zsh completion of trackrecord: trackrecord --show-completion zsh
_trackrecord() {
    local -a values shown open opened
    local value said
    while IFS=$'\\t' read -r value said; do
        if [[ $value == *[/:=] ]]; then
            open+=("$value"); opened+=("$value${said:+  -- $said}")
        else
            values+=("$value"); shown+=("$value${said:+  -- $said}")
        fi
    done < <("${words[1]}" --complete zsh "${(@)words[2,CURRENT]}" 2>/dev/null)
    compadd -V choices -l -d shown -a values
    compadd -V choices -l -S '' -d opened -a open
    return $(( ${#values} + ${#open} == 0 ))
}
if [[ ${funcstack[1]} == _trackrecord ]]; then
    _trackrecord "$@"
elif (( $+functions[compdef] )); then
    compdef _trackrecord trackrecord
fi
"""
FISH: Final = """\
# fish completion of trackrecord: trackrecord --show-completion fish
function __trackrecord_complete
    set -l words (commandline -opc)
    set -l command $words[1]
    set -e words[1]
    $command --complete fish $words (commandline -ct) 2>/dev/null
end
complete -c trackrecord -k -f -a '(__trackrecord_complete)'
"""
SCRIPTS: Final = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def answer(arguments: Sequence[str]) -> int:
    """Tell a shell what may come next, a line each: the word, and for zsh and fish what it is."""
    shell, *words = arguments or ("",)
    if shell == "bash":
        words = split(words[0] if words else "")[1:]
        found = [_for_bash(one, words[-1] if words else "") for one in choices(words)]
    else:
        found = [f"{one.value}\t{line(one.says, _SAID)}" if one.says else one.value for one in choices(words)]
    printable = [text for text in found if text.replace("\t", "").isprintable()]
    sys.stdout.write("".join(f"{text}\n" for text in printable))
    return 0


def show(arguments: Sequence[str]) -> int:
    """Print the script of a shell."""
    sys.stdout.write(SCRIPTS[_shell(arguments)])
    return 0


def install(arguments: Sequence[str]) -> int:
    """Put the script of a shell where the shell looks for it, and tell what is left to do."""
    from trackrecord.cli import placing  # only what writes a file

    shell = _shell(arguments)
    path = _place(shell)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"the folder {str(path.parent)!r} cannot be made: {(error.strerror or '').lower()}",
            cure=f"Write it elsewhere: trackrecord --show-completion {shell} > FILE",
        ) from None
    placing.place({path: SCRIPTS[shell]}, over=True)
    terminal.say(f"{line(str(path))} is written: completion for {shell}.\n{_left_to_do(shell, path)}")
    return 0


def split(text: str) -> list[str]:
    """The words of a command line that may end within a word or a quote; the last one is being typed."""
    words: list[str] = []
    current, quote, is_word = "", "", False
    letters = iter(text)
    for letter in letters:
        if quote:
            if letter == quote:
                quote = ""
            else:
                current += next(letters, "") if letter == "\\" and quote == '"' else letter
        elif letter in "'\"":
            quote, is_word = letter, True
        elif letter == "\\":
            current, is_word = current + next(letters, ""), True
        elif letter.isspace():
            if is_word:
                words.append(current)
            current, is_word = "", False
        else:
            current, is_word = current + letter, True
    return [*words, current]


def _for_bash(choice: Choice, current: str) -> str:
    """What bash puts in place of the last piece of the word; it takes a word to end at each `:` and `=`."""
    broken = _BREAKS.match(current)
    return _SPECIAL.sub(r"\\\1", choice.value[len(broken[0]) if broken else 0 :])


def _shell(arguments: Sequence[str]) -> str:
    """The shell that is named, else the user's own.

    Raises:
        BadInput: there is no completion for it.
    """
    named = arguments[0] if arguments else Path(os.environ.get("SHELL", "")).name
    if named in SHELLS:
        return named
    known = ", ".join(SHELLS)
    if not named:
        raise BadInput(
            "it is not known which shell this is", cure=f"Name it: trackrecord --install-completion {SHELLS[0]}"
        )
    raise BadInput(f"there is no completion for the shell {named!r}", cure=f"There is one for {known}.")


def _place(shell: str) -> Path:
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    match shell:
        case "bash":
            return data / "bash-completion" / "completions" / "trackrecord"
        case "zsh":
            return data / "zsh" / "site-functions" / "_trackrecord"
        case _:
            config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
            return config / "fish" / "completions" / "trackrecord.fish"


def _left_to_do(shell: str, path: Path) -> str:
    match shell:
        case "bash":
            return f"It works in a new shell. If it does not, add to ~/.bashrc:\n  source {path}"
        case "zsh":
            return f"Add to ~/.zshrc, before compinit, and open a new shell:\n  fpath=({path.parent} $fpath)"
        case _:
            return "It works in a new shell."

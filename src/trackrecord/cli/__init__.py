"""The command line: `trackrecord`, a thin door to what the package does. Alone prints; computes nothing of its own.

Exit codes: 0 completed, or all is well · 1 the run failed, or something is off · 2 refused, or bad input; nothing ran ·
3 the run waits for somebody · 129, 130, 143 stopped by SIGHUP, SIGINT (Ctrl-C), SIGTERM; the run is recorded as
cancelled first · 141 whoever read the output went away.

What others wrote (names, answers, errors) is escaped before it is printed; `--json` has it exactly.
"""

from trackrecord.cli.front import main

__all__ = ["main"]

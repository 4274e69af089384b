"""The program that `confined` runs: one job as JSON on standard input, one answer as JSON on standard output; its
arguments are folders with packages.

It imports nothing of Millrace, and bounds its own time and memory before it looks at the job.
"""

import json
import re
import resource
import sys
from collections.abc import Callable
from typing import Any

MEMORY_BYTES = 768 * 1024 * 1024
CPU_SECONDS = 3


class TooMuch(Exception):
    """The answer would have more than was allowed."""


def template(job: dict[str, Any]) -> str:
    """A template of Jinja, in its sandbox: no attribute that begins with an underscore, nothing that changes values."""
    from jinja2 import StrictUndefined  # noqa: PLC0415 - other jobs do not need it
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=job["html"])
    parts, left = [], job["most"]
    for part in environment.from_string(job["template"]).generate(job["values"]):
        left -= len(part)
        if left < 0:
            raise TooMuch
        parts.append(part)
    return "".join(parts)


def regex(job: dict[str, Any]) -> Any:
    """All matches with their groups, or with `replacement` the text that it makes."""
    pattern = re.compile(job["pattern"], sum(getattr(re, flag.upper()) for flag in job["flags"]))
    if job["replacement"] is not None:
        made = pattern.sub(job["replacement"], job["text"])
        if len(made) > job["most"]:
            raise TooMuch
        return made
    found: list[dict[str, Any]] = []
    for match in pattern.finditer(job["text"]):
        if len(found) == job["matches"]:
            break
        found.append({"match": match[0], "start": match.start(), "groups": match.groups(), "named": match.groupdict()})
    return found


JOBS: dict[str, Callable[[dict[str, Any]], Any]] = {"template": template, "regex": regex}


def main() -> None:
    """Answers `{"ok": …}` or `{"error": …}`."""
    sys.path += sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    job = json.load(sys.stdin)
    try:
        answer: dict[str, Any] = {"ok": JOBS[job["job"]](job)}
    except TooMuch:
        answer = {"too_much": True}
    except MemoryError:
        answer = {"error": "it needs too much memory"}
    except Exception as error:  # noqa: BLE001 - whatever an author's template or pattern does wrong
        answer = {"error": f"{type(error).__name__}: {error}"[:500]}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()

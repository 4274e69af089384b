"""Work that an author's text steers and that may not end by itself, in a process of its own with bounds.

A template of three nested loops and a regular expression that backtracks run for years; Python can interrupt neither
from within. A child with limits of time and memory can be ended. Of the parent's environment it has only where shared
libraries are: Lambda's Python does not start without. Lambda's packages are not where an isolated Python looks, either.
Sources: https://jinja.palletsprojects.com/en/stable/sandbox/,
https://owasp.org/www-community/attacks/Regular_expression_Denial_of_Service_-_ReDoS
"""

import asyncio
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from shared.errors import NodeConfigInvalid

_PROGRAM = Path(__file__).with_name("confined_main.py")
_SECONDS = 10.0
"""On the clock; the limit of time on a processor is the child's own."""
_KEPT = ("LD_LIBRARY_PATH",)


async def confined(job: str, **given: Any) -> Any:
    """What the job gives.

    Raises:
        NodeConfigInvalid: it is wrong, or needs too much time, memory or space.
    """
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(_PROGRAM),
        *_packages(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _KEPT if name in os.environ},
    )
    try:
        async with asyncio.timeout(_SECONDS):
            said, _ = await child.communicate(orjson.dumps({"job": job, **given}))
    except TimeoutError:
        said = b""
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return _answer(job, said)


def _packages() -> list[str]:
    """The folders of the packages that a job may need."""
    found = find_spec("jinja2")
    return [str(Path(found.origin).parents[1])] if found is not None and found.origin else []


def _answer(job: str, said: bytes) -> Any:
    if not said:
        raise NodeConfigInvalid(f"The {job} took too long or too much memory, and was ended. Make it simpler.")
    answer = orjson.loads(said)
    if "too_much" in answer:
        raise NodeConfigInvalid(f"The {job} makes more text than is allowed.")
    if "error" in answer:
        raise NodeConfigInvalid(f"The {job} is not right: {answer['error']}.")
    return answer["ok"]

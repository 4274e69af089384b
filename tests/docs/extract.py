"""Fenced code blocks of the documentation, and how they are marked.

```sh                                   runs in the tests, against a live local stage
```sh notest="starts the server"        does not, and says why
```yaml title="examples/x.yaml"         is what that file holds
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^( *)```(\w+)([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Block:
    file: str
    line: int
    language: str
    marks: dict[str, str]
    text: str

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}"


def pages() -> list[Path]:
    """Every Markdown page of the project."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file())


def blocks(text: str, file: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [
        Block(file, text.count("\n", 0, match.start()) + 1, match[2], dict(_MARK.findall(match[3])), match[4])
        for match in _FENCE.finditer(text)
    ]


def all_blocks() -> list[Block]:
    return [block for page in pages() for block in blocks(page.read_text(), str(page.relative_to(ROOT)))]

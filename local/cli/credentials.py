"""Which credentials the command line and the demo send to which server.

In this order: MILLRACE_API_KEY, what `millrace login` stored for the server, and on loopback the local stage's own key
in its data folder.
"""

import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

import httpx
import orjson

KEY_FILE = "owner.key"
"""In the data folder: the key that the first start of a local stage made."""


def find(url: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """What to send to the server at `url`; None where nothing is known."""
    return environment.get("MILLRACE_API_KEY") or stored(environment).get(url) or _of_stage(url, environment)


def store(url: str, key: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Keeps `key` for `url`, readable by this user only; where."""
    return _write({**stored(environment), url: key}, environment)


def forget(url: str, environment: Mapping[str, str] = os.environ) -> None:
    """Keeps nothing for `url` any more."""
    kept = stored(environment)
    if kept.pop(url, None) is not None:
        _write(kept, environment)


def _write(entries: Mapping[str, str], environment: Mapping[str, str]) -> Path:
    path = _file(environment)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(orjson.dumps(entries, option=orjson.OPT_INDENT_2))
    new.replace(path)
    return path


def stored(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """URL → key, as `millrace login` left them."""
    try:
        found = orjson.loads(_file(environment).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def is_loopback(url: str) -> bool:
    """Whether `url` names this machine."""
    host = httpx.URL(url).host
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def key_of(data: Path) -> str | None:
    """The key in a local stage's data folder, where there is one."""
    try:
        return (data / KEY_FILE).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None


def _of_stage(url: str, environment: Mapping[str, str]) -> str | None:
    """The key in the data folder; it is sent to this machine only."""
    return key_of(Path(environment.get("MILLRACE_DATA", ".millrace"))) if is_loopback(url) else None


def _file(environment: Mapping[str, str]) -> Path:
    home = environment.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "millrace" / "credentials.json"

"""Commands of the AWS CLI, which need an account to run, are at least ones that it has: botocore, on which it stands,
knows every operation, waiter and parameter."""

import re
from collections.abc import Iterator
from functools import cache

import botocore.session
import pytest
from botocore import xform_name

from tests.docs.extract import all_blocks

GLOBAL = {"query", "output", "cli-binary-format"}
"""Options of every command: https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-options.html."""
CUSTOM = {"s3": {"rm": {"recursive"}, "rb": {"force"}}}
"""Commands that are the CLI's own."""

COMMAND = re.compile(r"\baws ([a-z0-9]+) ((?:wait )?[a-z0-9-]+)((?:[^\n|;)#]|\\\n)*)")


def commands() -> Iterator[tuple[str, str, str]]:
    """Service, operation and the rest, of every command on every page."""
    for block in all_blocks():
        if block.language == "sh":
            text = re.sub(r"'[^']*'|\"[^\"]*\"", "x", block.text.replace("\\\n", " "))
            yield from COMMAND.findall(text)


@cache
def known(service: str, operation: str) -> set[str]:
    """The options of a command. Raises for one that there is not."""
    if service in CUSTOM:
        return CUSTOM[service][operation]
    session = botocore.session.get_session()
    model = session.get_service_model(service)
    names = {xform_name(each, "-"): each for each in model.operation_names}
    if operation.startswith("wait "):
        waiters = session.get_waiter_model(service)
        waiter = {xform_name(each, "-"): each for each in waiters.waiter_names}[operation.removeprefix("wait ")]
        operation = xform_name(waiters.get_waiter(waiter).operation, "-")
    shape = model.operation_model(names[operation]).input_shape
    found = set()
    for name, member in (shape.members if shape else {}).items():
        found.add(xform_name(name, "-"))
        if member.type_name == "boolean":
            found.add(f"no-{xform_name(name, '-')}")
    return found


@pytest.mark.parametrize(("service", "operation", "rest"), list(commands()))
def test_the_command_is_one_that_the_cli_has(service: str, operation: str, rest: str):
    given = set(re.findall(r"(?<!\S)--([a-z0-9-]+)", rest))

    assert given <= known(service, operation) | GLOBAL


def test_there_are_such_commands_and_wrong_ones_are_noticed():
    assert len(list(commands())) > 20
    assert "no-such" not in known("rds", "modify-db-cluster")
    with pytest.raises(KeyError):
        known("rds", "change-db-cluster")

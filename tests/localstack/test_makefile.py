"""The Makefile asks the CDK's command line for what that knows: of what it does not, it only warns."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

from tests.localstack.deployment import CDK
from tests.localstack.emulator import ROOT

OPTION = r"(?<= )--?[a-z][a-z-]*"


def known(command: str) -> set[str]:
    """The options that the help of a command names."""
    told = subprocess.run([CDK, command, "--help"], capture_output=True, text=True, check=True)
    return set(re.findall(OPTION, told.stdout))


def test_the_makefile_gives_no_option_that_the_cdk_does_not_know():
    subprocess.run(["make", "infra/node_modules/.ready"], cwd=ROOT, check=True)
    calls = re.findall(r"\$\(CDK\) (\w+)(.*)", (ROOT / "Makefile").read_text())
    given = {command: set(re.findall(OPTION, options)) for command, options in calls}

    with ThreadPoolExecutor() as side_by_side:
        helps = dict(zip(given, side_by_side.map(known, given), strict=True))
    assert given.keys() == {"synth", "diff", "bootstrap", "deploy", "destroy"}
    assert [(command, each) for command, options in given.items() for each in options - helps[command]] == []

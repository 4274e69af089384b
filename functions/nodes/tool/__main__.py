"""`python -m functions.nodes.tool`: the catalogue of tools as JSON, for shared/workflow/tools.json."""

import json
import sys

from functions.nodes.tool.registry import specs

if __name__ == "__main__":
    sys.stdout.write(json.dumps(specs(), indent=2) + "\n")

"""The Lambdas."""

import gc
import os

# The objects that a Lambda makes while it starts stay; looking for garbage among them takes a sixth of the start.
# shared/adapters/aws/preload.py switches the collector on again.
if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:
    gc.disable()

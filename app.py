"""Entry of the CDK: reads the configuration and composes the stacks. Makes no call to AWS."""

import aws_cdk as cdk

from infra.application import compose
from infra.config import from_context

app = cdk.App()
compose(app, from_context(app.node))
app.synth()

"""CloudFormation looks after resources that take a while every 5 s, one after the other; a function is there sooner."""

from localstack.runtime import hooks
from localstack.services.cloudformation.resource_provider import ResourceProviderExecutor

_SECONDS = 0.2
_deploy_loop = ResourceProviderExecutor.deploy_loop


@hooks.on_infra_start()
def look_more_often() -> None:
    """Before the first stack is deployed."""

    def deploy_loop(self: ResourceProviderExecutor, *args: object, **given: object) -> object:
        return _deploy_loop(self, *args, **{**given, "sleep_time": _SECONDS})

    ResourceProviderExecutor.deploy_loop = deploy_loop

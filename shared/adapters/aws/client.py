"""Clients of boto3, made once a process, and what goes wrong with them in Millrace's own errors."""

import asyncio
import os
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import create_loader
from botocore.session import get_session

from shared.errors import StoreUnavailable, Throttled

_CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "max_attempts": 4})

_SIGNED = Config(signature_version="s3v4")
"""Links to objects under a key of KMS need it, and botocore's are of the version before.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html"""

_REGIONAL = Config(s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"})
"""Otherwise links name S3's global host. For a day after a bucket was made in another region, that one sends whoever
follows a link on to another host, for which the link is not signed.
Source: https://github.com/boto/boto3/pull/4768, https://repost.aws/knowledge-center/s3-http-307-response"""


@cache
def client(service: str) -> Any:
    """The client of a service; region, credentials and endpoint come from the environment."""
    return boto3.client(service, config=_CONFIG.merge(_of_s3()) if service == "s3" else _CONFIG)


def _of_s3() -> Config:
    """An emulator has no host for each bucket: where an endpoint is set, botocore puts the bucket into the path."""
    emulated = any(os.environ.get(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"))
    return _SIGNED if emulated else _SIGNED.merge(_REGIONAL)


class _Every(tuple[str, ...]):
    __slots__ = ()

    def __contains__(self, name: object) -> bool:
        return True


def believe() -> None:
    """Lets boto3 believe that the services exist whose clients are asked for. To know, it reads the folders of all 400,
    which is half of what the first client takes; one that does not exist fails with DataNotFoundError."""
    session = get_session()
    loader = create_loader(session.get_config_variable("data_path"))
    loader.list_available_services = lambda _kind: _Every()
    session.register_component("data_loader", loader)
    boto3.setup_default_session(botocore_session=session)


async def call(operation: Callable[..., Any], **parameters: Any) -> dict[str, Any]:
    """The answer of one operation of a client.

    Raises:
        ClientError: AWS refused it; `code_of` says how.
        StoreUnavailable: AWS does not answer, or has too much to do (Throttled), after four tries.
    """
    try:
        answer: dict[str, Any] = await asyncio.to_thread(operation, **parameters)
    except BotoCoreError as error:
        raise StoreUnavailable(f"AWS does not answer ({type(error).__name__}). Try again.") from error
    except ClientError as error:
        if code_of(error) in _BUSY:
            raise Throttled(f"AWS has too much to do ({code_of(error)}). Try again.") from error
        if error.response["ResponseMetadata"]["HTTPStatusCode"] >= _SERVER_ERROR:
            raise StoreUnavailable(f"AWS has too much to do ({code_of(error)}). Try again.") from error
        raise
    return answer


def code_of(error: ClientError) -> str:
    """The error's name, as the API's reference has it."""
    return str(error.response["Error"]["Code"])


_BUSY = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestThrottled"})
_SERVER_ERROR = 500

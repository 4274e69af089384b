"""Links to objects on S3: whoever follows one has no credentials, so that host and signature have to be right."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.adapters.aws.blobs import S3Blobs
from shared.adapters.aws.client import client


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "DEFAULT_REGION": "eu-central-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    for name in ("AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    client.cache_clear()
    yield
    client.cache_clear()


@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1"])
async def test_a_link_names_the_host_of_its_region_and_is_signed_for_it(region: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)

    link = urlsplit(await S3Blobs("s3://some-bucket/prefix").link("project/one") or "")

    assert (link.scheme, link.netloc) == ("https", f"some-bucket.s3.{region}.amazonaws.com")
    assert link.path == "/prefix/project/one"
    (credential,) = parse_qs(link.query)["X-Amz-Credential"]
    assert credential.split("/")[2:] == [region, "s3", "aws4_request"]


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
async def test_a_link_of_an_emulator_names_the_bucket_in_its_path(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(name, "http://localhost:4566")

    link = urlsplit(await S3Blobs("s3://some-bucket").link("project/one") or "")

    assert (link.netloc, link.path) == ("localhost:4566", "/some-bucket/project/one")

"""The functions' zips: what they weigh, what they hold, and that nothing is missing in them."""

import subprocess
import sys
import zipfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from orjson import orjson as compiled

from infra import bundles
from infra.slimming import segments, without_symbols
from tests.localstack.imports import missing

NAMES = [each.name for each in bundles.BUNDLES]


@pytest.fixture(scope="session")
def built() -> dict[str, Path]:
    """Every bundle for Lambda; none is above its budget, else this fails."""
    with ProcessPoolExecutor() as workers:
        made = list(workers.map(partial(bundles.build, variant="aws"), bundles.BUNDLES))
    return {bundle.name: path for bundle, (path, _) in zip(bundles.BUNDLES, made, strict=True)}


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_holds_every_package_that_its_code_imports(built: dict[str, Path], name: str):
    assert missing(built[name]) == {}


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_is_for_arm_and_keeps_licences_but_neither_symbols_nor_tests(built: dict[str, Path], name: str):
    with zipfile.ZipFile(built[name]) as archive:
        names = archive.namelist()
        libraries = {each: archive.read(each) for each in names if ".so" in each}

    assert libraries
    assert {each for each, data in libraries.items() if data[18:20] != b"\xb7\x00"} == set()  # EM_AARCH64
    assert [each for each, data in libraries.items() if without_symbols(data) != data] == []
    assert [each for each in names if "/tests/" in each or each.endswith((".pyi", ".pyx"))] == []
    assert any("licenses/" in each for each in names)


def test_the_botocore_of_agents_knows_the_services_that_they_ask(built: dict[str, Path], tmp_path: Path):
    with zipfile.ZipFile(built["agent"]) as archive:
        archive.extractall(tmp_path)
    services = ("bedrock-runtime", "s3", "secretsmanager", "sts")
    code = f"import boto3; [boto3.client(each, region_name='us-east-1') for each in {services}]; print(boto3.__file__)"

    made = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(tmp_path)!r}); {code}"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert made.stdout.startswith(str(tmp_path)), made.stderr


def test_a_library_without_symbols_has_every_byte_of_its_segments():
    library = Path(str(compiled.__file__)).read_bytes()

    stripped = without_symbols(library + b"behind the last segment")

    assert len(stripped) <= len(library)
    header = 64
    for offset, size in segments(library):
        assert stripped[max(offset, header) : offset + size] == library[max(offset, header) : offset + size]


def test_what_is_no_library_of_64_bits_stays_as_it_is():
    assert without_symbols(b"INPUT(libfoo.so.1)") == b"INPUT(libfoo.so.1)"

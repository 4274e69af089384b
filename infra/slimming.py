"""What wheels hold and no function needs: symbol tables of compiled modules, and what packages have for others.

Wheels of Cython modules carry names for debuggers that weigh four times as much as the code. What a loader maps is
named by the program headers; what is behind the last segment is for linkers and debuggers.
Source: System V ABI, chapter 5, Program Loading: https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.pheader.html
"""

import shutil
import struct
from pathlib import Path

_ELF64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
_SEGMENTS_AT, _SECTIONS_AT, _SEGMENT_COUNT_AT, _SECTION_COUNT_AT = 32, 40, 54, 60
"""Offsets in the ELF header."""
_OFFSET_AT, _SIZE_AT = 8, 32
"""Offsets in a program header."""
_POWERTOOLS_UTILITIES = (
    *("auth_alpha", "batch", "circuit_breaker", "data_classes", "data_masking", "feature_flags", "idempotency"),
    *("kafka", "metadata", "parameters", "parser", "streaming", "validation"),
)
UNUSED = (
    *(f"sqlalchemy/dialects/{name}" for name in ("mssql", "mysql", "oracle", "sqlite")),
    "aws_lambda_powertools/event_handler",
    *(f"aws_lambda_powertools/utilities/{name}" for name in _POWERTOOLS_UTILITIES),
    *("cffi", "pycparser"),
    "multidict/_testcapi*.so",
    "*.dist-info/sboms",
)
"""Files and folders as patterns: other databases, what of Powertools is not used (ADR 15), what makes bindings
(cryptography needs `_cffi_backend` only, which lies beside), a module for multidict's own tests, and lists of what was
compiled in. Licences stay."""
BOTOCORE_SERVICES = ("bedrock", "bedrock-runtime", "s3", "secretsmanager", "sso", "sso-oidc", "sts")
"""Of some 400 that botocore describes, those that `agent` asks, and those that credentials may come from. Only `agent`
has a botocore of its own: pydantic-ai asks for a newer one than Lambda's image is known to have."""


def slim(folder: Path) -> None:
    """Takes out of a folder of installed packages what is not needed to run them."""
    for pattern in UNUSED:
        for unused in folder.glob(pattern):
            _remove(unused)
    for service in (*folder.glob("botocore/data/*"), *folder.glob("boto3/data/*")):
        if service.is_dir() and service.name not in BOTOCORE_SERVICES:
            shutil.rmtree(service)
    for metadata in folder.glob("*.dist-info/METADATA"):
        metadata.write_text(_fields(metadata.read_text(encoding="utf-8")), encoding="utf-8")
    for library in folder.rglob("*.so*"):
        library.write_bytes(without_symbols(library.read_bytes()))


def without_symbols(library: bytes) -> bytes:
    """A shared library of 64 bits without what is behind its last segment; anything else as it is."""
    if not library.startswith(_ELF64_LITTLE_ENDIAN):
        return library
    found = bytearray(library[: _end_of_segments(library)])
    struct.pack_into("<Q", found, _SECTIONS_AT, 0)
    struct.pack_into("<HH", found, _SECTION_COUNT_AT, 0, 0)  # no sections, and no names of them
    return bytes(found)


def segments(library: bytes) -> list[tuple[int, int]]:
    """Offset and size in the file of the table of segments, and of each segment."""
    table = _word(library, _SEGMENTS_AT)
    size, number = struct.unpack_from("<HH", library, _SEGMENT_COUNT_AT)
    headers = [table + index * size for index in range(number)]
    found = [(_word(library, header + _OFFSET_AT), _word(library, header + _SIZE_AT)) for header in headers]
    return [(table, size * number), *found]


def _remove(unused: Path) -> None:
    if unused.is_dir():
        shutil.rmtree(unused)
    else:
        unused.unlink()


def _fields(metadata: str) -> str:
    """Without the description, which is the package's page on PyPI.

    Source: https://packaging.python.org/en/latest/specifications/core-metadata/#description
    """
    return metadata.partition("\n\n")[0] + "\n"


def _word(library: bytes, at: int) -> int:
    return int(struct.unpack_from("<Q", library, at)[0])


def _end_of_segments(library: bytes) -> int:
    return max(offset + size for offset, size in segments(library))

"""The functions' code, one zip each, made without Docker: `python -m infra.bundles aws` or `… host`.

Variants: `aws` for Lambda (Python 3.13 on arm64), `host` for an emulator on this machine (this Python, bytecode
compiled in). A bundle holds the function's own folder, what it may import of the project, and the packages of the
dependency group `fn-<name>` at the versions of uv.lock. The same inputs give the same bytes: names are sorted, times
and permissions fixed.
"""

import compileall
import contextlib
import hashlib
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from infra import slimming
from infra.slimming import slim

ROOT = Path(__file__).parents[1]
UV = Path(sys.executable).parent / "uv"
OUT = ROOT / "dist" / "bundles"

Variant = Literal["aws", "host"]

_PLATFORM: dict[Variant, tuple[str, ...]] = {
    # Amazon Linux 2023, which Lambda's image for Python 3.13 is made of, has glibc 2.34.
    "aws": ("--python-platform", "aarch64-manylinux_2_34", "--python-version", "3.13"),
    "host": ("--python", sys.executable),
}
_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip can hold."""
_NOT_NEEDED = shutil.ignore_patterns(
    *("__pycache__", "*.pyi", "*.pyx", "*.pxd", "*.c", "*.h", "*.exe", "RECORD", "REQUESTED", "INSTALLER"),
    *("uv_cache.json", "direct_url.json", "bin", "tests", "testing"),
)
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bundle:
    """A function's code: `sources` are folders and files of the project, `budget_mib` is what it may weigh on Lambda,
    unzipped."""

    name: str
    sources: tuple[str, ...]
    budget_mib: int


_NODE = ("functions/nodes/services.py", "shared")

BUNDLES = (
    Bundle("api", ("functions/api", "shared", "statemachines"), 79),
    Bundle("webhook", ("functions/webhook", "shared"), 55),
    Bundle("agent", ("functions/nodes/agent", *_NODE), 108),
    Bundle("approval", ("functions/nodes/approval", *_NODE), 35),
    Bundle("http", ("functions/nodes/http", *_NODE), 41),
    Bundle("tool", ("functions/nodes/tool", *_NODE), 73),
    Bundle("dispatch", ("functions/dispatch", "shared"), 23),
    Bundle("admit", ("functions/admit", "shared"), 36),
    Bundle("complete", ("functions/complete", "shared"), 23),
    Bundle("event", ("functions/event", "shared"), 48),
    Bundle("schedule", ("functions/schedule", "shared"), 49),
    Bundle("poll", ("functions/poll", "shared"), 49),
    Bundle("bulk", ("functions/bulk", "shared"), 48),
    Bundle("housekeeping", ("functions/housekeeping", "shared"), 47),
    Bundle("migrate", ("functions/migrate", "shared"), 34),
)


class BundleTooLarge(Exception):
    """A bundle weighs more than its budget."""


def build(bundle: Bundle, variant: Variant, out: Path = OUT) -> tuple[Path, int]:
    """The zip and its size unzipped, in bytes; made anew only where its inputs changed.

    Raises:
        BundleTooLarge: it weighs more than its budget.
    """
    target = out / variant / f"{bundle.name}.zip"
    requirements = _requirements(bundle)
    digest, stamp = _digest(bundle, variant, requirements), target.with_suffix(".digest")
    if not target.exists() or not stamp.exists() or stamp.read_text() != digest:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="bundle-") as folder:
            _fill(Path(folder) / "code", bundle, _packages(out, variant, requirements), variant)
            # An emulator on this machine unpacks at once what is packed here.
            _zip(Path(folder) / "code", target, level=1 if variant == "host" else 6)
        stamp.write_text(digest)
    with zipfile.ZipFile(target) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if variant == "aws" and size > bundle.budget_mib * _MIB:
        raise BundleTooLarge(
            f"The bundle '{bundle.name}' weighs {size / _MIB:.1f} MiB unzipped; {bundle.budget_mib} MiB are allowed. "
            f"Take packages out of the group 'fn-{bundle.name}', or raise its budget in infra/bundles.py."
        )
    return target, size


def _requirements(bundle: Bundle) -> str:
    arguments = ("export", "--quiet", "--frozen", "--no-emit-project", "--no-header", "--no-annotate")
    group = ("--only-group", f"fn-{bundle.name}")
    return _uv(*arguments, *group)


def _fill(code: Path, bundle: Bundle, packages: Path, variant: Variant) -> None:
    shutil.copytree(packages, code)
    for source in bundle.sources:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, code / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, code / source)
        for parent in Path(source).parents[:-1]:
            shutil.copy(ROOT / parent / "__init__.py", code / parent)
        if variant == "host":
            _compile(code / Path(source).parts[0], code)


def _packages(out: Path, variant: Variant, requirements: str) -> Path:
    """The folder with a group's packages, which several functions may have in common; made once."""
    told = f"{_host(variant)}\0{requirements}\0{_recipe()}"
    kept = out / "packages" / hashlib.sha256(told.encode()).hexdigest()[:16]
    if kept.exists():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="packages-", dir=kept.parent) as made:
        pins, target, folder = Path(made) / "requirements.txt", Path(made) / "target", Path(made) / "packages"
        pins.write_text(requirements)
        options = ("--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes")
        _uv("pip", "install", *options, *_PLATFORM[variant], "--target", str(target), "--requirements", str(pins))
        shutil.copytree(target, folder, ignore=_NOT_NEEDED)
        slim(folder)
        if variant == "host":
            _compile(folder, folder)
        with contextlib.suppress(OSError):  # another process was quicker
            folder.rename(kept)
    return kept


def _compile(folder: Path, root: Path) -> None:
    # Checked by nothing at run time, so that the fixed times of the zip do not make it stale.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(folder, stripdir=str(root), quiet=2, invalidation_mode=mode)


def _recipe() -> str:
    return Path(__file__).read_text() + Path(slimming.__file__).read_text()


def _host(variant: Variant) -> str:
    return f"{variant}\0{sys.version if variant == 'host' else ''}"


def _zip(folder: Path, target: Path, level: int) -> None:
    unfinished = target.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for path in _files(folder):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _TIME)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, path.read_bytes(), compresslevel=level)
    unfinished.replace(target)


def _digest(bundle: Bundle, variant: Variant, requirements: str) -> str:
    digest = hashlib.sha256(f"{_host(variant)}\0{requirements}".encode())
    digest.update(_recipe().encode())
    for source in bundle.sources:
        for path in [ROOT / source] if (ROOT / source).is_file() else _files(ROOT / source):
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    compiled = folder.is_relative_to(ROOT)  # what lies about in the work tree is no input
    yield from sorted(p for p in folder.rglob("*") if p.is_file() and not (compiled and "__pycache__" in p.parts))


def _uv(*arguments: str) -> str:
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    command = [str(UV), *arguments]
    return subprocess.check_output(command, cwd=ROOT, env=env, text=True)  # noqa: S603 - the arguments are this module's


def main() -> None:
    """Builds every bundle of a variant, and prints what they weigh."""
    variant: Variant = "host" if sys.argv[1:] == ["host"] else "aws"
    with ProcessPoolExecutor() as workers:  # packing is all a processor's work
        made = list(workers.map(partial(build, variant=variant), BUNDLES))
    for bundle, (path, size) in zip(BUNDLES, made, strict=True):
        zipped = path.stat().st_size / _MIB
        budget = f" of {bundle.budget_mib}" if variant == "aws" else ""
        sys.stdout.write(f"{bundle.name:10} {size / _MIB:6.1f} MiB{budget} unzipped, {zipped:5.1f} MiB zipped\n")


if __name__ == "__main__":
    main()

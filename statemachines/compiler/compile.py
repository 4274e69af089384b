"""The passes in their order, and the one entrance."""

from collections.abc import Callable
from contextlib import suppress

from shared.errors import InvalidDefinition
from statemachines.compiler.compilation import Compilation, TooManyMistakes
from statemachines.compiler.passes.distribute import distribute
from statemachines.compiler.passes.emit import CompiledWorkflow, emit
from statemachines.compiler.passes.fuse import fuse
from statemachines.compiler.passes.limits import limits
from statemachines.compiler.passes.liveness import liveness
from statemachines.compiler.passes.lower import lower
from statemachines.compiler.passes.normalise import normalise
from statemachines.compiler.passes.parse import parse
from statemachines.compiler.passes.regions import regions
from statemachines.compiler.passes.resolve import resolve
from statemachines.compiler.passes.validate import validate

Pass = Callable[[Compilation], None]

CHECKS: tuple[Pass, ...] = (parse, resolve, validate)
"""These run one after another whatever they find, so that every mistake is in one answer."""

TRANSLATION: tuple[Pass, ...] = (normalise, distribute, regions, liveness, lower, fuse, limits)
"""These need a definition without mistakes."""

PASSES: tuple[Pass, ...] = CHECKS + TRANSLATION


def compile_workflow(document: object) -> CompiledWorkflow:
    """The compiled workflow for a definition as JSON values (see shared.workflow.load for text).

    Raises:
        InvalidDefinition: with every diagnostic (the first MAX_DIAGNOSTICS), errors before warnings. Nothing else is
            raised for any JSON value.
    """
    compilation = Compilation(document)
    with suppress(TooManyMistakes):
        for each in CHECKS:
            each(compilation)
    _stop_on_errors(compilation)
    for each in TRANSLATION:
        each(compilation)
        _stop_on_errors(compilation)
    return emit(compilation)


def _stop_on_errors(compilation: Compilation) -> None:
    if compilation.failed:
        errors_first = sorted(compilation.diagnostics, key=lambda found: found.severity != "error")
        raise InvalidDefinition(diagnostics=errors_first)

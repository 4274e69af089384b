"""From a document to a stored, compiled version of a workflow."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import orjson

from functions.api.deps import Deps
from functions.api.nesting import callees
from shared.errors import Diagnostic
from shared.ids import new_id
from shared.workflow.definition import WorkflowDefinition
from shared.workflow.records import Workflow, WorkflowStatus, WorkflowVersion
from statemachines.compiler import CompiledWorkflow, compile_workflow

Published = tuple[Workflow, list[Diagnostic]]


async def create(deps: Deps, document: Any) -> Published:
    """Stores a new workflow, as a draft, with its version 1; returns it with the compiler's warnings.

    Raises:
        InvalidDefinition: with every mistake.
        NameTaken: another workflow of the project has the name.
        PublishingBusy: too many publications wait; nothing is stored, unless AWS itself had more to do than expected.
    """
    compiled = compile_workflow(document)
    now = deps.clock.now()
    workflow = Workflow(
        id=new_id(),
        project_id=deps.project_id,
        name=compiled.definition.name,
        description=compiled.definition.description,
        status=WorkflowStatus.DRAFT,
        definition=_as_written(compiled.definition),
        version=1,
        created_at=now,
        updated_at=now,
    )
    await _stored(deps, deps.workflows.create, workflow, _version(workflow, compiled))
    return workflow, list(compiled.warnings)


async def update(deps: Deps, workflow: Workflow, document: Any) -> Published:
    """Adds a version where the definition changed; a definition that says the same changes nothing.

    Raises:
        InvalidDefinition: with every mistake.
        NameTaken: another workflow of the project has the name.
        PublishingBusy: too many publications wait; nothing is stored, unless AWS itself had more to do than expected.
    """
    compiled = compile_workflow(document)
    definition = _as_written(compiled.definition)
    if _digest(definition) == _digest(workflow.definition):
        return workflow, list(compiled.warnings)
    changed = replace(
        workflow,
        name=compiled.definition.name,
        description=compiled.definition.description,
        definition=definition,
        version=workflow.version + 1,
        updated_at=deps.clock.now(),
    )
    await _stored(deps, deps.workflows.update, changed, _version(changed, compiled))
    return changed, list(compiled.warnings)


async def publish(deps: Deps, workflow: Workflow) -> None:
    """Makes the newest version startable, once more: publishing may have failed after the version was stored.

    Raises:
        InvalidParameter: a workflow that it runs is not there any more.
        PublishingBusy: too many publications wait; the same once more, later, goes on from there.
        StoreUnavailable: nothing was published; storing the same again, or activating, tries again.
    """
    version = await deps.workflows.version(workflow.id, workflow.version) if deps.publisher else None
    if deps.publisher is not None and version is not None:
        called = await callees(deps, workflow, version.asl)
        express = _is_express(version)
        await deps.publisher.publish(workflow.id, version.version, version.asl, called, express=express)


async def _stored(
    deps: Deps,
    store: Callable[[Workflow, WorkflowVersion], Awaitable[None]],
    workflow: Workflow,
    version: WorkflowVersion,
) -> None:
    """Stored first: of two at once that make the same version, only the one that is stored is published."""
    if deps.publisher is None:
        return await store(workflow, version)
    called = await callees(deps, workflow, version.asl)  # what cannot be published is not stored
    express = _is_express(version)
    turn = await deps.publisher.reserve(version.version, express=express)
    await store(workflow, version)
    return await deps.publisher.publish(workflow.id, version.version, version.asl, called, turn, express=express)


def _is_express(version: WorkflowVersion) -> bool:
    return bool(version.definition.get("settings", {}).get("mode") == "express")


def _version(workflow: Workflow, compiled: CompiledWorkflow) -> WorkflowVersion:
    return WorkflowVersion(
        workflow_id=workflow.id,
        project_id=workflow.project_id,
        version=workflow.version,
        definition=workflow.definition,
        asl=compiled.asl,
        source_map=compiled.source_map,
        digest=compiled.digest,
        created_at=workflow.updated_at,
    )


def _as_written(definition: WorkflowDefinition) -> dict[str, Any]:
    """The author's fields and no defaults, so that what is read back is what was sent."""
    return definition.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _digest(definition: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(definition, option=orjson.OPT_SORT_KEYS)).hexdigest()

"""The audit log, as the API shows it."""

from dataclasses import asdict

from pydantic import BaseModel, Field

from functions.api.models.common import Timestamp
from shared.audit.records import Entry, Head


class AuditEntryOut(BaseModel):
    """Somebody did something. `before` and `after` are digests (SHA-256) of what was changed."""

    project_id: str
    seq: int = Field(description="1, 2, 3 … within the project.")
    at: Timestamp
    actor_kind: str = Field(description="`user`, `api_key`, `service`, `link` (a signed link) or `system`.")
    actor_id: str | None = Field(description="Of the user or the key; of a link, its approver.")
    address: str | None
    correlation_id: str | None
    action: str = Field(examples=["workflow.updated"])
    target_kind: str = Field(examples=["workflow"])
    target_id: str | None
    target_name: str | None
    detail: str | None = Field(description="A workflow's version, a member's role, a key's scopes, who decided, …")
    before: str | None
    after: str | None
    previous: str = Field(description="The hash of the entry before.")
    hash: str = Field(description="SHA-256 over all the other fields.")

    @classmethod
    def of(cls, entry: Entry) -> "AuditEntryOut":
        """The entry as it is."""
        return cls(**asdict(entry))


class AuditHead(BaseModel):
    """Where the chain ends, and where retention has cut its beginning off; hashes are those of these entries."""

    seq: int
    hash: str
    pruned_seq: int
    pruned_hash: str

    @classmethod
    def of(cls, head: Head) -> "AuditHead":
        """The head as it is."""
        return cls(**asdict(head))

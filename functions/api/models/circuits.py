"""Circuit breakers, as the API shows them."""

from pydantic import BaseModel, Field

from functions.api.models.common import Timestamp
from shared.ports import Circuit, CircuitState


class CircuitOut(BaseModel):
    destination: str = Field(examples=["api.example.com:443"])
    state: CircuitState = Field(description="`half_open`: the next request is let through to see.")
    failures: int = Field(description="In a row.")
    retry_at: Timestamp | None = Field(description="When an open one lets a request through.")

    @classmethod
    def of(cls, circuit: Circuit) -> "CircuitOut":
        """The circuit as it is."""
        return cls(
            destination=circuit.destination,
            state=circuit.state,
            failures=circuit.failures,
            retry_at=circuit.retry_at,
        )

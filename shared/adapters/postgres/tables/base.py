"""What every table uses."""

from sqlalchemy import JSON, DateTime, MetaData, Uuid
from sqlalchemy.types import TypeEngine

ID: TypeEngine[str] = Uuid(as_uuid=False)

DOCUMENT = JSON(none_as_null=True)

TIME = DateTime(timezone=True)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

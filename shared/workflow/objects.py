"""Objects: files of a project that its workflows and its bulk runs read and write by key."""

KEY_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$"
"""Segments of letters, digits, `_`, `.` and `-`, none of which begins with a dot."""

MAX_KEY_LENGTH = 500


def object_place(project_id: str, key: str) -> str:
    """Where the object is in the blob store: apart from those of other projects, and from claim checks."""
    return f"objects/{project_id}/{key}"

"""Why something is not translated. Neither of these leaves the importer: each becomes a line of the report."""


class NotSimple(Exception):
    """A JavaScript expression has no plain counterpart in JSONata. The message says which part of it."""


class Untranslatable(Exception):
    """A node becomes a placeholder. `todo` says what a person can do instead."""

    def __init__(self, reason: str, todo: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.todo = todo

"""The version of this release; a test holds it to pyproject.toml. Lambda has no package metadata to ask."""

VERSION = "0.1.0"

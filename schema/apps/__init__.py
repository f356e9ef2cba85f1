"""The group apps, version v1."""

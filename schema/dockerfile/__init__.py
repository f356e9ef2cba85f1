"""Dockerfiles: read, checked, and put into words that any builder understands. Pure; both sides use it."""

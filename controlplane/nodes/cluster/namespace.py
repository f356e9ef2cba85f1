"""Namespaces: their labels, by which policies choose them."""

from __future__ import annotations

from schema.base import Wire


def project(namespace: Wire) -> Wire | None:
    return {"metadata": {"labels": namespace["metadata"].get("labels") or {}}}

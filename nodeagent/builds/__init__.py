"""Builds on a node: what a build's pod is made of, and what becomes of it."""

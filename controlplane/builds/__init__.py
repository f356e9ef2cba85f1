"""Contexts of builds, from their senders to the nodes that build."""

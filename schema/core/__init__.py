"""The core group, version v1: one module per kind, and the parts of a pod by topic.

Nothing is imported here, so that a process pays only for the kinds it uses.
"""

"""Custom resources: what a CustomResourceDefinition makes of an object.

`structural` reads a schema once into a tree; `pruning`, `defaulting` and `checking` walk an object along it; `kinds` makes of
a definition the kinds that the API serves. Pure.
"""

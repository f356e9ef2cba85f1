"""Container images on this node: names, registries, layers, roots.

    reference → registry (manifest, config, layer bytes) → layers (download, and unpack in a confined process)
              → store (what is here, mounts) → gc (what may go)

Nothing is imported here, so that the unpacking process starts with the few modules it needs.
"""

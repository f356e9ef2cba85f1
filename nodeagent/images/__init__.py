"""Container images on this node: names, registries, layers, roots.

    store (`ImageStore`: what the agent and the command line see)
      └▶ transfers/   images under way: pulled, loaded, pushed, saved
           ├▶ peers/      layers from and for other nodes
           ├▶ registry/   the wire: requests, logins, which registry is the cluster's own
           └▶ disk/       what is kept: layers, names, containers' roots, what may go
                └▶ layers/   a tar into a directory, in a confined process

Nothing is imported here, so that the unpacking process starts with the few modules it needs.
"""

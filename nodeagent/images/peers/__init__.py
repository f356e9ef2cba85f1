"""Layers from other nodes: who is there, who has what, and who may have it.

    identity   this node's key and certificate, which its Node object tells the others
    directory  the other nodes, from the cluster view
    tracker    who has or fetches which layer: each layer is kept track of by one node, which all of them agree upon (pure)
    access     who may have what (pure)
    server     answers other nodes;  client  asks them;  wire  how they talk

Nothing of it is needed for a pull: whoever is silent, slow or lies is left out, and the registry is asked.
"""

"""DNS of the node: names of the cluster from the cluster view, all others from the node's own resolvers.

zone        what the cluster's names mean (pure)
packets     questions and the bytes of answers (pure)
cache       what other resolvers said, until its time is over (pure)
upstream    asking those resolvers
server      the sockets
consumer    follows the cluster view
"""

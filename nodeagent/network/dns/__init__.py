"""DNS of the node: names of the cluster from the cluster view, all others from the node's own resolvers.

zone        what the cluster's names mean (pure)
packets     questions and the bytes of answers (pure)
cache       what other resolvers said, until its time is over (pure)
upstream    asking those resolvers
server      the sockets

All of that runs in a process of its own, which outlives the agent and keeps answering with the last it was told:

consumer    the agent's side: follows the cluster view
link        the agent's side: starts or adopts the process, and feeds it
messages    what they say to each other (pure)
process     the process: takes its zone from the agent, its sockets from its predecessor
"""

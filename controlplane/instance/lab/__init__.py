"""A cluster on one machine: each further node is a network namespace with an agent of its own, on a private bridge.

state        what the lab is (nodes, addresses, what is cut), kept in the home; pure but for its file
plan         names, addresses, ranges, packet rules: decisions without I/O
devices      the kernel's side: bridge, interfaces, namespaces, shaping
network      makes the kernel as the state wants it, and takes it all away
operations   what `manage.py up --nodes` and `manage.py lab` do: up, down, kill, partition, heal, add, remove
"""

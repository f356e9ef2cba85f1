"""What containers, pods and the node use: read from cgroups and /proc, made into rates, sent over the session."""

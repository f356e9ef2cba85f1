"""The group metrics.k8s.io, version v1beta1: what nodes and pods use now. Read from agents, stored nowhere."""

"""The group scheduling.k8s.io, version v1: how important pods are."""

"""The group networking.k8s.io, version v1."""

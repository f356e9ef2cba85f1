"""The group storage.k8s.io, version v1."""

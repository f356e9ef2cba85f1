"""The group discovery.k8s.io, version v1."""

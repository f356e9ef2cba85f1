"""The patch languages, one module each; `controlplane.api.patching` is their door."""

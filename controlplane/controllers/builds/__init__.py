"""Builds: from a Build to the pod that carries it out, and from what became of the pod to the build's status."""

"""Types of the group apiextensions.k8s.io."""

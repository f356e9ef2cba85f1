"""The part of slipway.dev/v1 that is about the cluster's image registry: repositories, and triggers of workloads."""

"""The group autoscaling, version v2: how many replicas there should be, by what they use."""

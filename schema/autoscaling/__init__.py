"""The group autoscaling: how many replicas there should be. Scale is of version v1, the autoscaler of v2."""

"""The group batch, version v1: pods that run to their end, once or at set times."""

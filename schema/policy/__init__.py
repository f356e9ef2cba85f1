"""The group policy, version v1: what may be disturbed, and when."""

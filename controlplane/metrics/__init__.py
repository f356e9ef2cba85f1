"""What nodes, pods and containers use: kept for a minute in Redis, never in the store's history.

`current` keeps and reads the latest `Metrics` of each node. Controllers (the autoscaler) call `current.of_pods`.
"""

"""What runs inside the container of a build: one build from its request to its result. Started by `builds.container`.

``__main__`` is the outline. Nothing here outlives the container but the cache and the result.
"""

"""The kinds of our own group, ``slipway.dev``: what Kubernetes has no word for."""

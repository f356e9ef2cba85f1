"""The nouns of Slipway, shared by control plane and agent. No Django, no I/O."""

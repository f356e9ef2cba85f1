"""What the registry and its clients ask of the control plane, below ``/apis/slipway.dev/v1/registry/``.

``token`` issues tokens, ``notifications`` takes the registry's news, ``collections`` are its garbage collections; ``tags`` and
``manifests`` of a repository are read and deleted here, and ``triggers`` gives a Trigger its address and acts when it is used.
"""

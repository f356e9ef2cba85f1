"""The cluster's own image registry: Debian's ``docker-registry`` behind tokens that the control plane issues.

``config`` and ``keys`` make what it runs with; ``scopes``, ``rights``, ``login`` and ``tokens`` say who may do what;
``storage`` reads what it holds, ``catalogue`` writes that down as Repository objects; ``garbage`` decides what may go and
``sweeping`` takes it away; ``autoredeploy`` and ``triggers`` act on workloads.
"""

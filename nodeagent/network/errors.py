"""What can go wrong below `nodeagent.network`.

AgentError
├── HostConflict      a route, address or port of this host is in the way
└── NetworkError      the kernel or nft refused
    └── AddressesExhausted
"""

from __future__ import annotations

from nodeagent.errors import AgentError


class NetworkError(AgentError):
    reason = "FailedCreatePodSandBox"


class AddressesExhausted(NetworkError):
    pass

"""Services as environment variables, for programs that know no DNS. Pure.

``WEB_SERVICE_HOST``, ``WEB_SERVICE_PORT``, ``WEB_SERVICE_PORT_HTTP`` and Docker's old links (``WEB_PORT_80_TCP_ADDR``, …), for
each service of the pod's namespace with an address. The API server's are there for every pod, as client libraries count on
them; the others only with ``enableServiceLinks``.
"""

from __future__ import annotations

from collections.abc import Mapping

from schema.base import Wire
from schema.core.pod import Pod

KUBERNETES = ("default", "kubernetes")


def of_pod(pod: Pod, services: Mapping[tuple[str, str], Wire]) -> dict[str, str]:
    """``services`` by namespace and name. What the container says itself wins over these."""
    found: dict[str, str] = {}
    if KUBERNETES in services:
        found |= variables("kubernetes", services[KUBERNETES])
    if pod.spec.enable_service_links is not False:
        for (namespace, name), service in sorted(services.items()):
            if namespace == pod.metadata.namespace and (namespace, name) != KUBERNETES:
                found |= variables(name, service)
    return found


def variables(name: str, service: Wire) -> dict[str, str]:
    spec = service["spec"]
    address, ports = spec.get("clusterIP") or "", spec.get("ports") or ()
    if address in ("", "None") or spec.get("type") == "ExternalName" or not ports:
        return {}
    prefix = name.upper().replace("-", "_")
    found = {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(ports[0]["port"])}
    host = f"[{address}]" if ":" in address else address
    for number, port in enumerate(ports):
        protocol = port.get("protocol", "TCP")
        url = f"{protocol.lower()}://{host}:{port['port']}"
        if port.get("name"):
            found[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
        if number == 0:
            found[f"{prefix}_PORT"] = url
        link = f"{prefix}_PORT_{port['port']}_{protocol}"
        found |= {
            link: url,
            f"{link}_PROTO": protocol.lower(),
            f"{link}_PORT": str(port["port"]),
            f"{link}_ADDR": address,
        }
    return found

"""Pod: the rules of its spec."""

from __future__ import annotations

from collections.abc import Mapping

from schema import bandwidth
from schema.core.pod import Container, Pod, PodDNSConfig, PodSpec
from schema.validation import affinity, container, security, volume
from schema.validation.causes import Problems
from schema.validation.container import Surroundings
from schema.validation.names import check_labels, is_address, label_fault, qualified_fault, subdomain_fault


def check(pod: Pod, problems: Problems) -> None:
    check_bandwidth(pod.metadata.annotations, "metadata.annotations", problems)
    check_spec(pod.spec, "spec", problems)


def check_new(pod: Pod, problems: Problems) -> None:
    if pod.spec.ephemeral_containers:
        problems.forbidden("spec.ephemeralContainers", "cannot be set on create")


def check_bandwidth(annotations: Mapping[str, str], path: str, problems: Problems) -> None:
    """Also for the pod templates of other kinds."""
    for name in bandwidth.ANNOTATIONS:
        if name in annotations and (why := bandwidth.fault(annotations[name])):
            problems.invalid(f"{path}[{name}]", annotations[name], why)


def check_spec(spec: PodSpec, path: str, problems: Problems) -> None:
    """Also for the pod templates of other kinds; ``path`` is where the spec is."""
    volume.check_all(spec.volumes, f"{path}.volumes", problems)
    _check_containers(spec, path, problems)
    _check_names(spec, path, problems)
    _check_placement(spec, path, problems)
    _check_network(spec, path, problems)
    if spec.security_context is not None:
        security.check_pod(spec.security_context, f"{path}.securityContext", problems)


def _check_containers(spec: PodSpec, path: str, problems: Problems) -> None:
    if not spec.containers:
        problems.required(f"{path}.containers")
    volumes = {each.name for each in spec.volumes}
    around = Surroundings(volumes, spec.host_network)
    container.check_all(spec.containers, f"{path}.containers", around, problems)
    for position, each in enumerate(spec.containers):
        if each.restart_policy:
            here = f"{path}.containers[{position}].restartPolicy"
            problems.forbidden(here, "may not be set for non-init containers")
    # Init containers have ended before the others start: their host ports conflict with nobody's.
    before = Surroundings(volumes, spec.host_network, names=around.names)
    container.check_all(spec.init_containers, f"{path}.initContainers", before, problems)
    _check_init(spec.init_containers, f"{path}.initContainers", problems)
    _check_ephemeral(spec, f"{path}.ephemeralContainers", around, problems)


_NOT_OF_DEBUGGERS = ("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resources", "resizePolicy",
                     "restartPolicy", "restartPolicyRules")  # fmt: skip
"""What only a container has that was there from the beginning, and stays."""


def _check_ephemeral(spec: PodSpec, path: str, around: Surroundings, problems: Problems) -> None:
    targets = {each.name for each in [*spec.init_containers, *spec.containers]}
    for position, each in enumerate(spec.ephemeral_containers):
        here = f"{path}[{position}]"
        container.check(each, here, around, problems)
        given = each.wire()
        for name in _NOT_OF_DEBUGGERS:
            if given.get(name) not in (None, [], {}, ""):
                problems.forbidden(f"{here}.{name}", "cannot be set for an Ephemeral Container")
        if each.target_container_name and each.target_container_name not in targets:
            problems.not_found(f"{here}.targetContainerName", each.target_container_name)
        for number, mount in enumerate(each.volume_mounts):
            for name, value in (("subPath", mount.sub_path), ("subPathExpr", mount.sub_path_expr)):
                if value:
                    problems.forbidden(
                        f"{here}.volumeMounts[{number}].{name}", "cannot be set for an Ephemeral Container"
                    )


def _check_init(containers: list[Container], path: str, problems: Problems) -> None:
    """Only a sidecar (restartPolicy Always) lives on, so only it can be probed or hooked."""
    for position, each in enumerate(containers):
        here = f"{path}[{position}]"
        if each.restart_policy and each.restart_policy != "Always":
            problems.not_supported(f"{here}.restartPolicy", each.restart_policy, ["Always"])
        if each.restart_policy == "Always":
            continue
        for name, value in (
            ("lifecycle", each.lifecycle),
            ("livenessProbe", each.liveness_probe),
            ("readinessProbe", each.readiness_probe),
            ("startupProbe", each.startup_probe),
        ):
            if value is not None:
                problems.forbidden(f"{here}.{name}", "may not be set for init containers without restartPolicy=Always")


def _check_names(spec: PodSpec, path: str, problems: Problems) -> None:
    for name, value, fault in (
        ("serviceAccountName", spec.service_account_name, subdomain_fault),
        ("hostname", spec.hostname, label_fault),
        ("subdomain", spec.subdomain, label_fault),
        ("priorityClassName", spec.priority_class_name, subdomain_fault),
        ("runtimeClassName", spec.runtime_class_name, subdomain_fault),
    ):
        if value and (why := fault(value)):
            problems.invalid(f"{path}.{name}", value, why)
    for position, secret in enumerate(spec.image_pull_secrets):
        if not secret.name:
            problems.required(f"{path}.imagePullSecrets[{position}].name")
    seen: set[str] = set()
    for position, gate in enumerate(spec.scheduling_gates):
        here = f"{path}.schedulingGates[{position}]"
        if why := qualified_fault(gate.name):
            problems.invalid(here, gate.name, why)
        elif gate.name in seen:
            problems.duplicate(here, gate.name)
        seen.add(gate.name)


def _check_placement(spec: PodSpec, path: str, problems: Problems) -> None:
    affinity.check_node_name(spec.node_name, f"{path}.nodeName", problems)
    check_labels(spec.node_selector, f"{path}.nodeSelector", problems)
    affinity.check_tolerations(spec.tolerations, f"{path}.tolerations", problems)
    affinity.check_spread(spec.topology_spread_constraints, f"{path}.topologySpreadConstraints", problems)
    if spec.affinity is not None:
        affinity.check(spec.affinity, f"{path}.affinity", problems)
    if spec.node_name and spec.scheduling_gates:
        problems.forbidden(f"{path}.nodeName", "cannot be set until all schedulingGates have been cleared")


def _check_network(spec: PodSpec, path: str, problems: Problems) -> None:
    for position, alias in enumerate(spec.host_aliases):
        here = f"{path}.hostAliases[{position}]"
        if not is_address(alias.ip):
            problems.invalid(f"{here}.ip", alias.ip, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
        for each, hostname in enumerate(alias.hostnames):
            if why := subdomain_fault(hostname):
                problems.invalid(f"{here}.hostnames[{each}]", hostname, why)
    if spec.dns_config is not None:
        _check_dns(spec.dns_config, f"{path}.dnsConfig", problems)
    if spec.dns_policy == "None" and not (spec.dns_config and spec.dns_config.nameservers):
        problems.required(
            f"{path}.dnsConfig.nameservers", "must provide at least one DNS nameserver when `dnsPolicy` is None"
        )
    if spec.host_pid and spec.share_process_namespace:
        problems.invalid(
            f"{path}.shareProcessNamespace", True, "ShareProcessNamespace and HostPID cannot both be enabled"
        )


def _check_dns(config: PodDNSConfig, path: str, problems: Problems) -> None:
    if len(config.nameservers) > 3:
        problems.invalid(f"{path}.nameservers", config.nameservers, "must not have more than 3 nameservers")
    for position, server in enumerate(config.nameservers):
        if not is_address(server):
            problems.invalid(f"{path}.nameservers[{position}]", server, "must be a valid IP address")
    if len(config.searches) > 32:
        problems.invalid(f"{path}.searches", config.searches, "must not have more than 32 search paths")
    for position, search in enumerate(config.searches):
        if search != "." and (why := subdomain_fault(search.removesuffix(".").replace("_", "x"))):
            problems.invalid(f"{path}.searches[{position}]", search, why)
    for position, option in enumerate(config.options):
        if not option.name:
            problems.required(f"{path}.options[{position}]", "must not be empty")

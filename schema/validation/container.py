"""Containers of a pod."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field

from schema.core.container import Container, ContainerPort, VolumeMount
from schema.validation import environment, probe, resources, security
from schema.validation.causes import Problems
from schema.validation.names import is_address, label_fault, port_name_fault
from schema.validation.paths import check_sub_path


@dataclass
class Surroundings:
    """What the containers of one pod share and must not have twice."""

    volumes: Set[str]
    host_network: bool
    names: set[str] = field(default_factory=set)
    host_ports: set[tuple[str, str, int]] = field(default_factory=set)


def check_all(containers: list[Container], path: str, around: Surroundings, problems: Problems) -> None:
    """Init containers run one after the other, but their names and the pod's are one space."""
    for position, container in enumerate(containers):
        check(container, f"{path}[{position}]", around, problems)


def check(container: Container, path: str, around: Surroundings, problems: Problems) -> None:
    _check_name(container.name, f"{path}.name", around.names, problems)
    _check_image(container.image, f"{path}.image", problems)
    _check_ports(container.ports, f"{path}.ports", around, problems)
    environment.check(container.env, f"{path}.env", problems)
    environment.check_sources(container.env_from, f"{path}.envFrom", problems)
    _check_mounts(container.volume_mounts, f"{path}.volumeMounts", around.volumes, problems)
    if container.resources is not None:
        resources.check(container.resources, f"{path}.resources", problems)
    if container.security_context is not None:
        security.check(container.security_context, f"{path}.securityContext", problems)
    probe.check(container, path, problems)
    _check_program(container, path, problems)


def _check_name(name: str, path: str, names: set[str], problems: Problems) -> None:
    if not name:
        problems.required(path)
    elif fault := label_fault(name):
        problems.invalid(path, name, fault)
    elif name in names:
        problems.duplicate(path, name)
    names.add(name)


def _check_image(image: str, path: str, problems: Problems) -> None:
    if not image:
        problems.required(path)
    elif image != image.strip():
        problems.invalid(path, image, "must not have leading or trailing whitespace")


def _check_program(container: Container, path: str, problems: Problems) -> None:
    for name, words in (("command", container.command), ("args", container.args)):
        for position, word in enumerate(words):
            if "\0" in word:
                problems.invalid(f"{path}.{name}[{position}]", word, "must not contain a NUL byte")


def _check_ports(ports: list[ContainerPort], path: str, around: Surroundings, problems: Problems) -> None:
    names: set[str] = set()
    published: set[tuple[int, str, int, str]] = set()
    for position, port in enumerate(ports):
        here = f"{path}[{position}]"
        if port.name:
            if fault := port_name_fault(port.name):
                problems.invalid(f"{here}.name", port.name, fault)
            elif port.name in names:
                problems.duplicate(f"{here}.name", port.name)
            names.add(port.name)
        whole = (port.container_port, port.protocol, port.host_port, port.host_ip)
        if whole in published:
            problems.duplicate(here, f"{port.container_port}/{port.protocol}")
        elif port.host_port:
            _check_host_port(port, here, around, problems)
        published.add(whole)


def _check_host_port(port: ContainerPort, path: str, around: Surroundings, problems: Problems) -> None:
    if port.host_ip and not is_address(port.host_ip):
        problems.invalid(
            f"{path}.hostIP", port.host_ip, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        )
    if around.host_network and port.host_port != port.container_port:
        problems.invalid(
            f"{path}.containerPort", port.container_port, "must match `hostPort` when `hostNetwork` is true"
        )
    key = (port.protocol, port.host_ip, port.host_port)
    everywhere = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound
    for protocol, address, number in around.host_ports:
        same_address = address == port.host_ip or address in everywhere or port.host_ip in everywhere
        if (protocol, number) == (port.protocol, port.host_port) and same_address:
            shown = f"{port.host_port}/{port.protocol}"
            problems.duplicate(f"{path}.hostPort", shown)
            break
    around.host_ports.add(key)


def _check_mounts(mounts: list[VolumeMount], path: str, volumes: Set[str], problems: Problems) -> None:
    places: set[str] = set()
    for position, mount in enumerate(mounts):
        here = f"{path}[{position}]"
        if not mount.name:
            problems.required(f"{here}.name")
        elif mount.name not in volumes:
            problems.not_found(f"{here}.name", mount.name)
        if not mount.mount_path:
            problems.required(f"{here}.mountPath")
        elif mount.mount_path in places:
            problems.invalid(f"{here}.mountPath", mount.mount_path, "must be unique")
        elif ":" in mount.mount_path:
            problems.invalid(f"{here}.mountPath", mount.mount_path, "must not contain ':'")
        places.add(mount.mount_path)
        _check_sub_paths(mount, here, problems)


def _check_sub_paths(mount: VolumeMount, path: str, problems: Problems) -> None:
    if mount.sub_path and mount.sub_path_expr:
        problems.invalid(f"{path}.subPathExpr", mount.sub_path_expr, "subPathExpr and subPath are mutually exclusive")
    check_sub_path(mount.sub_path, f"{path}.subPath", problems)
    check_sub_path(mount.sub_path_expr, f"{path}.subPathExpr", problems)
    if mount.recursive_read_only not in (None, "Disabled") and not mount.read_only:
        problems.forbidden(f"{path}.recursiveReadOnly", "may only be specified when readOnly is true")

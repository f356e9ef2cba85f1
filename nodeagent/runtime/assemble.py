"""From a pod, an image and what was prepared for it to a `ContainerPlan`: the reading of files that `spec` must not do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from nodeagent.errors import ConfigError
from nodeagent.facilities import ContainerPlan, ImageConfig, Mount, Sandbox
from nodeagent.runtime import cgroups, host, resources, spec, users
from nodeagent.runtime.spec import SpecInputs, User
from schema.base import Wire
from schema.core.container import Container
from schema.core.pod import Pod


def plan(
    pod: Pod,
    container: Container,
    *,
    container_id: str,
    attempt: int,
    bundle: Path,
    log: Path,
    root: Path,
    image: ImageConfig,
    args: Sequence[str],
    environment: Sequence[str],
    hostname: str,
    sandbox: Sandbox,
    mounts: Sequence[Mount],
    cgroup_parent: str,
    pids_limit: int,
    seccomp_directory: Path,
) -> ContainerPlan:
    """Everything about one attempt of a container. Raises `ConfigError`. Blocks for a few small reads.

    ``args`` is the whole command line and ``environment`` the image's and the container's together; ``mounts`` are the
    volumes and the termination log (the sandbox's own files are added here). ``seccomp_directory`` holds Localhost
    profiles.
    """
    uid = pod.metadata.uid or ""
    limit = resources.pids_limit(pod, pids_limit)
    facts = host.facts()
    inputs = SpecInputs(
        pod=pod,
        container=container,
        args=args,
        environment=environment,
        working_dir=container.working_dir or image.working_dir or "/",
        user=user(pod, container, root=root, image_user=image.user),
        root=root,
        sandbox=sandbox,
        hostname=hostname,
        mounts=_order([*sandbox.mounts, *mounts]),
        cgroup_path=cgroups.container_path(cgroup_parent, uid, container_id),
        host=facts,
        devices=host.devices() if spec.is_privileged(container) else (),
        pids_limit=limit,
        seccomp_profile=_local_profile(pod, container, seccomp_directory),
    )
    return ContainerPlan(
        container_id=container_id,
        pod_uid=uid,
        name=container.name,
        attempt=attempt,
        bundle=bundle,
        log=log,
        spec=spec.build(inputs),
        cgroup_parent=cgroup_parent,
        pod_limits=resources.oci_of_pod(pod, pids_limit=limit, swap_accounting=facts.swap_accounting),
        terminal=container.tty,
        stdin=container.stdin,
        stdin_once=container.stdin_once,
    )


def user(pod: Pod, container: Container, *, root: Path, image_user: str) -> User:
    of_pod, own = pod.spec.security_context, container.security_context

    def setting(name: str) -> int | None:
        value: int | None = getattr(own, name, None)
        return value if value is not None else getattr(of_pod, name, None)

    additional = list((of_pod and of_pod.supplemental_groups) or ())
    if of_pod is not None and of_pod.fs_group is not None:
        additional.append(of_pod.fs_group)
    return users.resolve(
        root,
        image_user=image_user,
        run_as_user=setting("run_as_user"),
        run_as_group=setting("run_as_group"),
        additional_gids=additional,
    )


def _order(mounts: Sequence[Mount]) -> list[Mount]:
    """Parents before what is mounted below them; a later mount of the same place replaces an earlier one."""
    by_target: Mapping[str, Mount] = {mount.target.rstrip("/"): mount for mount in mounts}
    return sorted(by_target.values(), key=lambda mount: mount.target.count("/"))


def _local_profile(pod: Pod, container: Container, directory: Path) -> Wire | None:
    for owner in (container.security_context, pod.spec.security_context):
        profile = owner and owner.seccomp_profile
        if not profile:
            continue
        if profile.type != "Localhost":
            return None
        name = profile.localhost_profile or ""
        path = (directory / name).resolve()
        if not path.is_relative_to(directory.resolve()) or not path.is_file():
            raise ConfigError(f"securityContext.seccompProfile: no profile {name!r} below {directory} on this node")
        try:
            loaded: Wire = json.loads(path.read_text())
        except ValueError as error:
            raise ConfigError(f"seccomp profile {path}: {error}") from error
        return loaded
    return None

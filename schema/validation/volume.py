"""Volumes of a pod: exactly one source each, with what the source needs."""

from __future__ import annotations

from schema import quantity, shapes
from schema.core.volume import DownwardAPIVolumeFile, EphemeralVolumeSource, KeyToPath, Volume, VolumeProjection
from schema.validation import persistentvolumeclaim
from schema.validation.causes import Problems
from schema.validation.names import config_key_fault, label_fault, subdomain_fault
from schema.validation.paths import check_relative


def check_all(volumes: list[Volume], path: str, problems: Problems) -> None:
    seen: set[str] = set()
    for position, volume in enumerate(volumes):
        here = f"{path}[{position}]"
        _check_name(volume.name, f"{here}.name", seen, problems)
        _check_sources(volume, here, problems)
        _check_source(volume, here, problems)


def _check_name(name: str, path: str, seen: set[str], problems: Problems) -> None:
    if not name:
        problems.required(path)
    elif fault := label_fault(name):
        problems.invalid(path, name, fault)
    elif name in seen:
        problems.duplicate(path, name)
    seen.add(name)


def _check_sources(volume: Volume, path: str, problems: Problems) -> None:
    given = [
        field.name
        for field in shapes.table(Volume).values()
        if field.model is not None and getattr(volume, field.attribute) is not None
    ]
    if not given:
        problems.required(path, "must specify a volume type")
    for name in given[1:]:
        problems.forbidden(f"{path}.{name}", "may not specify more than 1 volume type")


def _check_source(volume: Volume, path: str, problems: Problems) -> None:
    if volume.empty_dir is not None:
        limit = volume.empty_dir.size_limit
        if limit and quantity.valid(limit) and quantity.sign(limit) < 0:
            problems.invalid(f"{path}.emptyDir.sizeLimit", limit, "must be a valid resource quantity, not negative")
    elif volume.host_path is not None:
        _check_host_path(volume.host_path.path, f"{path}.hostPath.path", problems)
    elif volume.config_map is not None:
        _check_referent(volume.config_map.name, f"{path}.configMap.name", problems)
        _check_items(volume.config_map.items, f"{path}.configMap.items", problems)
    elif volume.secret is not None:
        _check_referent(volume.secret.secret_name, f"{path}.secret.secretName", problems)
        _check_items(volume.secret.items, f"{path}.secret.items", problems)
    elif volume.persistent_volume_claim is not None:
        _check_referent(volume.persistent_volume_claim.claim_name, f"{path}.persistentVolumeClaim.claimName", problems)
    elif volume.ephemeral is not None:
        _check_template(volume.ephemeral, f"{path}.ephemeral.volumeClaimTemplate", problems)
    elif volume.downward_api is not None:
        _check_files(volume.downward_api.items, f"{path}.downwardAPI.items", problems)
    elif volume.projected is not None:
        _check_projections(volume.projected.sources, f"{path}.projected.sources", problems)
    elif volume.nfs is not None:
        _check_nfs(volume, path, problems)


def _check_template(source: EphemeralVolumeSource, path: str, problems: Problems) -> None:
    if source.volume_claim_template is None:
        problems.required(path)
    else:
        persistentvolumeclaim.check_spec(source.volume_claim_template.spec, f"{path}.spec", problems)


def _check_nfs(volume: Volume, path: str, problems: Problems) -> None:
    if volume.nfs is None:
        return
    if not volume.nfs.server:
        problems.required(f"{path}.nfs.server")
    if not volume.nfs.path.startswith("/"):
        problems.invalid(f"{path}.nfs.path", volume.nfs.path, "must be an absolute path")


def _check_host_path(host_path: str, path: str, problems: Problems) -> None:
    if not host_path:
        problems.required(path)
    elif ".." in host_path.split("/"):
        problems.invalid(path, host_path, "must not contain '..'")


def _check_referent(name: str, path: str, problems: Problems) -> None:
    if not name:
        problems.required(path)
    elif fault := subdomain_fault(name):
        problems.invalid(path, name, fault)


def _check_items(items: list[KeyToPath], path: str, problems: Problems) -> None:
    for position, item in enumerate(items):
        here = f"{path}[{position}]"
        if not item.key:
            problems.required(f"{here}.key")
        elif fault := config_key_fault(item.key):
            problems.invalid(f"{here}.key", item.key, fault)
        check_relative(item.path, f"{here}.path", problems)


def _check_files(files: list[DownwardAPIVolumeFile], path: str, problems: Problems) -> None:
    for position, file in enumerate(files):
        here = f"{path}[{position}]"
        check_relative(file.path, f"{here}.path", problems)
        if (file.field_ref is None) == (file.resource_field_ref is None):
            problems.required(here, "one of fieldRef and resourceFieldRef is required")


def _check_projections(sources: list[VolumeProjection], path: str, problems: Problems) -> None:
    for position, source in enumerate(sources):
        here = f"{path}[{position}]"
        given = [
            field.name
            for field in shapes.table(VolumeProjection).values()
            if getattr(source, field.attribute) is not None
        ]
        if len(given) > 1:
            problems.forbidden(f"{here}.{given[1]}", "may not specify more than 1 volume type per source")
        if source.secret is not None:
            _check_referent(source.secret.name, f"{here}.secret.name", problems)
            _check_items(source.secret.items, f"{here}.secret.items", problems)
        if source.config_map is not None:
            _check_referent(source.config_map.name, f"{here}.configMap.name", problems)
            _check_items(source.config_map.items, f"{here}.configMap.items", problems)
        if source.downward_api is not None:
            _check_files(source.downward_api.items, f"{here}.downwardAPI.items", problems)
        if source.service_account_token is not None:
            check_relative(source.service_account_token.path, f"{here}.serviceAccountToken.path", problems)

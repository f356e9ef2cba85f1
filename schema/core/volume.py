"""Volumes of a pod and the places their contents come from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, Format, NotYet, OneOf
from schema.core.environment import ObjectFieldSelector, ResourceFieldSelector
from schema.core.reference import LocalObjectReference, TypedLocalObjectReference, TypedObjectReference
from schema.core.resources import ResourceList
from schema.meta import Int32, LabelSelector, Natural64, ObjectMeta
from schema.quantity import Quantity

FileMode = Annotated[int, Field(ge=0, le=0o777), Format("int32")]
"""Permission bits; JSON has no octal, so 0644 is 420."""

_NO_COPIES = "volumes are not copied: it starts empty"
_NO_NETWORK_VOLUMES = "network storage is not mounted: the pod waits"


class EmptyDirVolumeSource(ApiModel):
    """An empty directory that lives as long as the pod."""

    medium: Annotated[str, OneOf("Memory", "HugePages")] = ""
    """Empty for the node's disk, Memory for a tmpfs."""
    size_limit: Quantity | None = None
    """The most it may hold."""


class HostPathVolumeSource(ApiModel):
    """A file or directory of the node."""

    path: str
    """Path on the node."""
    type: Annotated[
        str | None,
        OneOf("DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"),
    ] = None
    """What must be there or is made: DirectoryOrCreate, Directory, FileOrCreate, File, Socket, CharDevice, BlockDevice."""


class KeyToPath(ApiModel):
    """One key as a file."""

    key: str
    """The key."""
    path: str
    """Path of the file within the volume; relative and without .. elements."""
    mode: FileMode | None = None
    """Permission bits of the file; defaultMode by default."""


class ConfigMapVolumeSource(ApiModel):
    """The keys of a ConfigMap as files, kept up to date."""

    name: str = ""
    """Name of the ConfigMap."""
    items: list[KeyToPath] = []
    """The keys wanted and their paths; all by default."""
    default_mode: FileMode | None = None
    """Permission bits of the files; 0644 by default."""
    optional: bool | None = None
    """If true, the ConfigMap and its keys need not exist."""


class SecretVolumeSource(ApiModel):
    """The keys of a Secret as files in memory, kept up to date."""

    secret_name: str = ""
    """Name of the Secret."""
    items: list[KeyToPath] = []
    """The keys wanted and their paths; all by default."""
    default_mode: FileMode | None = None
    """Permission bits of the files; 0644 by default."""
    optional: bool | None = None
    """If true, the Secret and its keys need not exist."""


class DownwardAPIVolumeFile(ApiModel):
    """A field of the pod as a file."""

    path: str
    """Path of the file within the volume."""
    field_ref: ObjectFieldSelector | None = None
    """The field: metadata.name, metadata.labels, ..."""
    resource_field_ref: ResourceFieldSelector | None = None
    """A limit or request of a container."""
    mode: FileMode | None = None
    """Permission bits of the file."""


class DownwardAPIVolumeSource(ApiModel):
    """Fields of the pod as files."""

    items: list[DownwardAPIVolumeFile] = []
    """The files."""
    default_mode: FileMode | None = None
    """Permission bits of the files; 0644 by default."""


class SecretProjection(ApiModel):
    """Keys of a Secret in a projected volume."""

    name: str = ""
    """Name of the Secret."""
    items: list[KeyToPath] = []
    """The keys wanted and their paths."""
    optional: bool | None = None
    """If true, it need not exist."""


class ConfigMapProjection(ApiModel):
    """Keys of a ConfigMap in a projected volume."""

    name: str = ""
    """Name of the ConfigMap."""
    items: list[KeyToPath] = []
    """The keys wanted and their paths."""
    optional: bool | None = None
    """If true, it need not exist."""


class DownwardAPIProjection(ApiModel):
    """Fields of the pod in a projected volume."""

    items: list[DownwardAPIVolumeFile] = []
    """The files."""


class ServiceAccountTokenProjection(ApiModel):
    """A token of the pod's service account in a projected volume."""

    audience: str = ""
    """Whom the token is meant for."""
    expiration_seconds: Natural64 | None = None
    """How long it is good for; an hour by default."""
    path: str
    """Path of the file."""


class ClusterTrustBundleProjection(ApiModel):
    """Trust anchors in a projected volume."""

    name: str | None = None
    """One bundle by name."""
    signer_name: str | None = None
    """All bundles of a signer."""
    label_selector: LabelSelector | None = None
    """Of these, the ones with such labels."""
    optional: bool | None = None
    """If true, it need not exist."""
    path: str
    """Path of the file."""


class VolumeProjection(ApiModel):
    """One source of a projected volume. Exactly one may be given."""

    secret: SecretProjection | None = None
    """Keys of a Secret."""
    downward_api: Annotated[DownwardAPIProjection | None, Field(alias="downwardAPI")] = None
    """Fields of the pod."""
    config_map: ConfigMapProjection | None = None
    """Keys of a ConfigMap."""
    service_account_token: Annotated[
        ServiceAccountTokenProjection | None, NotYet("service account tokens are not made: the pod waits")
    ] = None
    """A token of the service account."""
    cluster_trust_bundle: Annotated[
        ClusterTrustBundleProjection | None, NotYet("trust bundles are not there: the pod waits")
    ] = None
    """Trust anchors."""


class ProjectedVolumeSource(ApiModel):
    """Several sources in one directory."""

    sources: list[VolumeProjection] = []
    """The sources."""
    default_mode: FileMode | None = None
    """Permission bits of the files; 0644 by default."""


class PersistentVolumeClaimVolumeSource(ApiModel):
    """The storage bound to a claim."""

    claim_name: str
    """Name of the PersistentVolumeClaim in the pod's namespace."""
    read_only: bool = False
    """Mount it read-only everywhere."""


class VolumeResourceRequirements(ApiModel):
    """How much storage."""

    limits: ResourceList = {}
    """The most."""
    requests: ResourceList = {}
    """The least."""


class PersistentVolumeClaimSpec(ApiModel):
    """What storage is asked for."""

    access_modes: list[str] = []
    """How it is to be mounted: ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod."""
    selector: LabelSelector | None = None
    """Which volumes come into question."""
    resources: VolumeResourceRequirements | None = None
    """How much."""
    volume_name: str = ""
    """The volume bound."""
    storage_class_name: str | None = None
    """The storage class."""
    volume_mode: Annotated[str | None, OneOf("Block", "Filesystem")] = None
    """Filesystem or Block."""
    data_source: Annotated[TypedLocalObjectReference | None, NotYet(_NO_COPIES)] = None
    """What it starts as a copy of."""
    data_source_ref: Annotated[TypedObjectReference | None, NotYet(_NO_COPIES)] = None
    """What it starts as a copy of."""
    volume_attributes_class_name: Annotated[str | None, NotYet("volumes have no attributes classes")] = None
    """The volume attributes class."""


class PersistentVolumeClaimTemplate(ApiModel):
    """A claim made with the pod."""

    metadata: ObjectMeta | None = None
    """Labels and annotations of the claim."""
    spec: PersistentVolumeClaimSpec
    """What is asked for."""


class EphemeralVolumeSource(ApiModel):
    """Storage claimed for this pod alone."""

    volume_claim_template: PersistentVolumeClaimTemplate | None = None
    """The claim to make."""


class NFSVolumeSource(ApiModel):
    """A directory of an NFS server."""

    server: str
    """Host name or address."""
    path: str
    """The exported directory."""
    read_only: bool = False
    """Mount it read-only."""


class CSIVolumeSource(ApiModel):
    """Storage of a CSI driver."""

    driver: str
    """Name of the driver."""
    read_only: bool | None = None
    """Mount it read-only."""
    fs_type: str | None = None
    """File system type."""
    volume_attributes: dict[str, str] = {}
    """Properties for the driver."""
    node_publish_secret_ref: LocalObjectReference | None = None
    """Secret for the driver."""


class ImageVolumeSource(ApiModel):
    """The contents of an image, read-only."""

    reference: str = ""
    """Image reference."""
    pull_policy: Annotated[str, OneOf("Always", "IfNotPresent", "Never")] = ""
    """Always, IfNotPresent or Never."""


class ISCSIVolumeSource(ApiModel):
    """A disk over iSCSI."""

    target_portal: str
    """Address and port of the target."""
    iqn: str
    """Name of the target."""
    lun: Int32
    """Number of the unit."""
    iscsi_interface: str = ""
    """Interface; default by default."""
    fs_type: str = ""
    """File system type."""
    read_only: bool = False
    """Mount it read-only."""
    portals: list[str] = []
    """Further portals."""
    chap_auth_discovery: bool = False
    """CHAP for discovery."""
    chap_auth_session: bool = False
    """CHAP for the session."""
    secret_ref: LocalObjectReference | None = None
    """CHAP secret."""
    initiator_name: str | None = None
    """Name of the initiator."""


class FCVolumeSource(ApiModel):
    """A disk over Fibre Channel."""

    target_wwns: list[str] = []
    """World wide names of the target."""
    lun: Int32 | None = None
    """Number of the unit."""
    fs_type: str = ""
    """File system type."""
    read_only: bool = False
    """Mount it read-only."""
    wwids: list[str] = []
    """World wide identifiers."""


class CephFSVolumeSource(ApiModel):
    """A Ceph file system."""

    monitors: list[str]
    """Addresses of the monitors."""
    path: str = ""
    """Directory to mount; / by default."""
    user: str = ""
    """User; admin by default."""
    secret_file: str = ""
    """Key ring of the user."""
    secret_ref: LocalObjectReference | None = None
    """Secret of the user."""
    read_only: bool = False
    """Mount it read-only."""


class RBDVolumeSource(ApiModel):
    """A Ceph block device."""

    monitors: list[str]
    """Addresses of the monitors."""
    image: str
    """Name of the image."""
    fs_type: str = ""
    """File system type."""
    pool: str = ""
    """Pool; rbd by default."""
    user: str = ""
    """User; admin by default."""
    keyring: str = ""
    """Key ring of the user."""
    secret_ref: LocalObjectReference | None = None
    """Secret of the user."""
    read_only: bool = False
    """Mount it read-only."""


class GlusterfsVolumeSource(ApiModel):
    """A GlusterFS volume."""

    endpoints: str
    """Name of the endpoints object."""
    path: str
    """Name of the volume."""
    read_only: bool = False
    """Mount it read-only."""


class FlexVolumeSource(ApiModel):
    """Storage of an exec driver."""

    driver: str
    """Name of the driver."""
    fs_type: str = ""
    """File system type."""
    secret_ref: LocalObjectReference | None = None
    """Secret for the driver."""
    read_only: bool = False
    """Mount it read-only."""
    options: dict[str, str] = {}
    """Options for the driver."""


class Volume(ApiModel):
    """A named directory that containers of the pod may mount. Exactly one source must be given."""

    name: str
    """Name of the volume, a DNS label, unique in the pod."""
    empty_dir: EmptyDirVolumeSource | None = None
    """An empty directory that lives as long as the pod."""
    host_path: HostPathVolumeSource | None = None
    """A file or directory of the node. Whoever may use it is root on the node."""
    config_map: ConfigMapVolumeSource | None = None
    """The keys of a ConfigMap as files."""
    secret: SecretVolumeSource | None = None
    """The keys of a Secret as files."""
    projected: ProjectedVolumeSource | None = None
    """Several sources in one directory."""
    downward_api: Annotated[DownwardAPIVolumeSource | None, Field(alias="downwardAPI")] = None
    """Fields of the pod as files."""
    persistent_volume_claim: PersistentVolumeClaimVolumeSource | None = None
    """The storage bound to a claim."""
    ephemeral: EphemeralVolumeSource | None = None
    """Storage claimed for this pod alone."""
    image: Annotated[ImageVolumeSource | None, NotYet("image volumes are not made: the pod waits")] = None
    """The contents of an image."""
    nfs: Annotated[NFSVolumeSource | None, NotYet(_NO_NETWORK_VOLUMES)] = None
    """A directory of an NFS server."""
    csi: Annotated[CSIVolumeSource | None, NotYet("CSI drivers are not called: the pod waits")] = None
    """Storage of a CSI driver."""
    iscsi: Annotated[ISCSIVolumeSource | None, NotYet(_NO_NETWORK_VOLUMES)] = None
    """A disk over iSCSI."""
    fc: Annotated[FCVolumeSource | None, NotYet(_NO_NETWORK_VOLUMES)] = None
    """A disk over Fibre Channel."""
    cephfs: Annotated[CephFSVolumeSource | None, NotYet(_NO_NETWORK_VOLUMES)] = None
    """A Ceph file system."""
    rbd: Annotated[RBDVolumeSource | None, NotYet(_NO_NETWORK_VOLUMES)] = None
    """A Ceph block device."""
    glusterfs: Annotated[GlusterfsVolumeSource | None, NotYet(_NO_NETWORK_VOLUMES)] = None
    """A GlusterFS volume."""
    flex_volume: Annotated[FlexVolumeSource | None, NotYet("flex drivers are not called: the pod waits")] = None
    """Storage of an exec driver."""

"""Which controllers there are, and which of them a change concerns. A new controller is one more entry here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controlplane.controllers.acme.controller import AcmeController
from controlplane.controllers.autoscaling.controller import AutoscalerController
from controlplane.controllers.base import Controller
from controlplane.controllers.broker import Work
from controlplane.controllers.builds.controller import BuildController
from controlplane.controllers.cronjobs.controller import CronJobController
from controlplane.controllers.customresourcedefinition import CustomResourceDefinitionController
from controlplane.controllers.daemonsets.controller import DaemonSetController
from controlplane.controllers.deployment import DeploymentController
from controlplane.controllers.endpointslice import EndpointSliceController
from controlplane.controllers.ephemeral import EphemeralVolumeController
from controlplane.controllers.garbage import GarbageCollector
from controlplane.controllers.ingress import IngressController
from controlplane.controllers.jobs.controller import JobController
from controlplane.controllers.kubernetes import KubernetesServiceController
from controlplane.controllers.namespace import NamespaceController
from controlplane.controllers.node import NodeController
from controlplane.controllers.persistentvolume import PersistentVolumeController
from controlplane.controllers.persistentvolumeclaim import PersistentVolumeClaimController
from controlplane.controllers.poddisruptionbudget import PodDisruptionBudgetController
from controlplane.controllers.replicaset import ReplicaSetController, ReplicationControllerController
from controlplane.controllers.resourcequota import ResourceQuotaController
from controlplane.controllers.service import ServiceController
from controlplane.controllers.serviceaccount import ServiceAccountController
from controlplane.controllers.statefulsets.controller import StatefulSetController
from controlplane.controllers.tainteviction import TaintEvictionController
from controlplane.images.controller import ImageController, NodeImagesController, PushedImagesController
from controlplane.registry.controller import RepositoryController
from controlplane.registry.redeploying import AutoredeployController
from controlplane.scheduler import wakeups
from controlplane.store.objects import ChangeRecord, ChangeType
from schema import kinds

RECONCILE = "controlplane.controllers.tasks.reconcile"
COLLECT = "controlplane.controllers.tasks.collect"
COLLECT_PODS = Work("controlplane.controllers.tasks.collect_pods")
DRAIN = Work("controlplane.scheduler.tasks.drain")

_ALL: tuple[Controller[Any], ...] = (
    NamespaceController(),
    ServiceAccountController(),
    NodeController(),
    DaemonSetController(),
    EphemeralVolumeController(),
    PersistentVolumeController(),
    PersistentVolumeClaimController(),
    ResourceQuotaController(),
    ReplicaSetController(),
    ReplicationControllerController(),
    DeploymentController(),
    EndpointSliceController(),
    ServiceController(),
    KubernetesServiceController(),
    PodDisruptionBudgetController(),
    JobController(),
    CronJobController(),
    StatefulSetController(),
    TaintEvictionController(),
    AutoscalerController(),
    IngressController(),
    BuildController(),
    RepositoryController(),
    PushedImagesController(),
    NodeImagesController(),
    ImageController(),
    AutoredeployController(),
    AcmeController(),
    CustomResourceDefinitionController(),
)
CONTROLLERS = {each.name: each for each in _ALL}
GARBAGE = GarbageCollector()


def work_for(change: ChangeRecord) -> Iterable[Work]:
    if wakeups.wakes(change):  # first: a pod waits for it
        yield DRAIN
    for name, controller in CONTROLLERS.items():
        for namespace, key in controller.keys_for(change):
            yield Work(RECONCILE, (name, namespace, key))
    for what, first, second in GARBAGE.keys_for(change):
        yield Work(COLLECT, (what, first, second))
    if change.kind is kinds.NODE and change.type is ChangeType.DELETED:
        yield COLLECT_PODS

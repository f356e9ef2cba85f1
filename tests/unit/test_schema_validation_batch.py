"""Validation of jobs, cron jobs and autoscalers."""

import pytest

from schema import kinds
from schema.base import Wire
from tests.unit.schema_objects import BARE, TEMPLATE, wire
from tests.unit.test_schema_validation import INVALID, REQUIRED, UNSUPPORTED, faults


def job(**spec) -> Wire:
    return {"spec": {**BARE[kinds.JOB], **spec}}


def indexed(**spec) -> Wire:
    return job(**{"completionMode": "Indexed", "completions": 3, **spec})


def failing(*rules, **spec) -> Wire:
    return indexed(podFailurePolicy={"rules": list(rules)}, **spec)


def cron_job(**spec) -> Wire:
    return {"spec": {**BARE[kinds.CRON_JOB], **spec}}


def autoscaler(**spec) -> Wire:
    return {"spec": {**BARE[kinds.HORIZONTAL_POD_AUTOSCALER], **spec}}


def metric(name="cpu", **target) -> Wire:
    return autoscaler(metrics=[{"type": "Resource", "resource": {"name": name, "target": target}}])


def scaling_down(**rules) -> Wire:
    return autoscaler(behavior={"scaleDown": rules})


@pytest.mark.parametrize(
    ("kind", "fields", "reason", "field"),
    [
        (kinds.HORIZONTAL_POD_AUTOSCALER, autoscaler(minReplicas=4), INVALID, "spec.maxReplicas"),
        (kinds.HORIZONTAL_POD_AUTOSCALER, autoscaler(minReplicas=0), INVALID, "spec.minReplicas"),
        (kinds.HORIZONTAL_POD_AUTOSCALER, autoscaler(scaleTargetRef={}), REQUIRED, "spec.scaleTargetRef.kind"),
        (kinds.HORIZONTAL_POD_AUTOSCALER, autoscaler(metrics=[{"type": "Pods"}]), UNSUPPORTED, "spec.metrics[0].type"),
        (
            kinds.HORIZONTAL_POD_AUTOSCALER,
            autoscaler(metrics=[{"type": "Resource"}]),
            REQUIRED,
            "spec.metrics[0].resource",
        ),
        (
            kinds.HORIZONTAL_POD_AUTOSCALER,
            metric("disk", type="Utilization", averageUtilization=1),
            UNSUPPORTED,
            "spec.metrics[0].resource.name",
        ),
        (
            kinds.HORIZONTAL_POD_AUTOSCALER,
            metric(type="Utilization"),
            REQUIRED,
            "spec.metrics[0].resource.target.averageUtilization",
        ),
        (
            kinds.HORIZONTAL_POD_AUTOSCALER,
            metric(type="AverageValue", averageValue="0"),
            INVALID,
            "spec.metrics[0].resource.target.averageValue",
        ),
        (
            kinds.HORIZONTAL_POD_AUTOSCALER,
            metric(type="Value", value="1"),
            UNSUPPORTED,
            "spec.metrics[0].resource.target.type",
        ),
        (
            kinds.HORIZONTAL_POD_AUTOSCALER,
            scaling_down(stabilizationWindowSeconds=3601),
            INVALID,
            "spec.behavior.scaleDown.stabilizationWindowSeconds",
        ),
        (
            kinds.HORIZONTAL_POD_AUTOSCALER,
            scaling_down(policies=[{"type": "Pods", "value": 0, "periodSeconds": 1}]),
            INVALID,
            "spec.behavior.scaleDown.policies[0].value",
        ),
        (
            kinds.HORIZONTAL_POD_AUTOSCALER,
            scaling_down(policies=[{"type": "Pods", "value": 1, "periodSeconds": 1801}]),
            INVALID,
            "spec.behavior.scaleDown.policies[0].periodSeconds",
        ),
        (kinds.JOB, {}, REQUIRED, "spec"),
        (kinds.JOB, {"spec": {}}, REQUIRED, "spec.template"),
        (kinds.JOB, job(parallelism=-1), INVALID, "spec.parallelism"),
        (kinds.JOB, job(completionMode="Some"), UNSUPPORTED, "spec.completionMode"),
        (kinds.JOB, job(completionMode="Indexed", parallelism=2), REQUIRED, "spec.completions"),
        (kinds.JOB, job(backoffLimitPerIndex=1), INVALID, "spec.backoffLimitPerIndex"),
        (kinds.JOB, job(successPolicy={"rules": [{"succeededCount": 1}]}), INVALID, "spec.successPolicy"),
        (kinds.JOB, indexed(maxFailedIndexes=1), REQUIRED, "spec.backoffLimitPerIndex"),
        (kinds.JOB, indexed(backoffLimitPerIndex=1, maxFailedIndexes=4), INVALID, "spec.maxFailedIndexes"),
        (kinds.JOB, indexed(completions=100_001), INVALID, "spec.completions"),
        (kinds.JOB, indexed(successPolicy={"rules": []}), REQUIRED, "spec.successPolicy.rules"),
        (kinds.JOB, indexed(successPolicy={"rules": [{}]}), REQUIRED, "spec.successPolicy.rules[0]"),
        (
            kinds.JOB,
            indexed(successPolicy={"rules": [{"succeededIndexes": "2-1"}]}),
            INVALID,
            "spec.successPolicy.rules[0].succeededIndexes",
        ),
        (
            kinds.JOB,
            indexed(successPolicy={"rules": [{"succeededIndexes": "0-3"}]}),
            INVALID,
            "spec.successPolicy.rules[0].succeededIndexes",
        ),
        (
            kinds.JOB,
            indexed(successPolicy={"rules": [{"succeededIndexes": "0", "succeededCount": 2}]}),
            INVALID,
            "spec.successPolicy.rules[0].succeededCount",
        ),
        (kinds.JOB, failing({"action": "Count"}), INVALID, "spec.podFailurePolicy.rules[0]"),
        (
            kinds.JOB,
            failing({"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [1]}}),
            INVALID,
            "spec.podFailurePolicy.rules[0].action",
        ),
        (
            kinds.JOB,
            failing({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [0]}}),
            INVALID,
            "spec.podFailurePolicy.rules[0].onExitCodes.values",
        ),
        (
            kinds.JOB,
            failing({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1], "containerName": "x"}}),
            INVALID,
            "spec.podFailurePolicy.rules[0].onExitCodes.containerName",
        ),
        (
            kinds.JOB,
            failing(podReplacementPolicy="TerminatingOrFailed"),
            UNSUPPORTED,
            "spec.podReplacementPolicy",
        ),
        (
            kinds.JOB,
            job(template={"spec": {**TEMPLATE["spec"], "restartPolicy": "Always"}}),
            UNSUPPORTED,
            "spec.template.spec.restartPolicy",
        ),
        (
            kinds.JOB,
            job(template={"spec": {"containers": TEMPLATE["spec"]["containers"]}}),
            REQUIRED,
            "spec.template.spec.restartPolicy",
        ),
        (
            kinds.JOB,
            job(template={"spec": {"containers": [{"name": "A"}], "restartPolicy": "Never"}}),
            INVALID,
            "spec.template.spec.containers[0].name",
        ),
        (kinds.JOB, job(selector={"matchLabels": {"a": "b"}}), INVALID, "spec.selector"),
        (kinds.JOB, job(manualSelector=True), REQUIRED, "spec.selector"),
        (
            kinds.JOB,
            job(manualSelector=True, selector={"matchLabels": {"a": "b"}}),
            INVALID,
            "spec.template.metadata.labels",
        ),
        (kinds.JOB, job(managedBy="a b"), INVALID, "spec.managedBy"),
        (kinds.CRON_JOB, cron_job(schedule=""), REQUIRED, "spec.schedule"),
        (kinds.CRON_JOB, cron_job(schedule="* * * *"), INVALID, "spec.schedule"),
        (kinds.CRON_JOB, cron_job(schedule="* * * * * *"), INVALID, "spec.schedule"),
        (kinds.CRON_JOB, cron_job(schedule="60 * * * *"), INVALID, "spec.schedule"),
        (kinds.CRON_JOB, cron_job(schedule="* * * FOO *"), INVALID, "spec.schedule"),
        (kinds.CRON_JOB, cron_job(schedule="0 0 30 2 *"), INVALID, "spec.schedule"),
        (kinds.CRON_JOB, cron_job(schedule="@often"), INVALID, "spec.schedule"),
        (kinds.CRON_JOB, cron_job(schedule="TZ=UTC 0 0 * * *"), INVALID, "spec.schedule"),
        (kinds.CRON_JOB, cron_job(timeZone="Mars/Olympus"), INVALID, "spec.timeZone"),
        (kinds.CRON_JOB, cron_job(timeZone="../etc/passwd"), INVALID, "spec.timeZone"),
        (kinds.CRON_JOB, cron_job(timeZone=""), INVALID, "spec.timeZone"),
        (kinds.CRON_JOB, cron_job(concurrencyPolicy="Maybe"), UNSUPPORTED, "spec.concurrencyPolicy"),
        (kinds.CRON_JOB, cron_job(startingDeadlineSeconds=-1), INVALID, "spec.startingDeadlineSeconds"),
        (
            kinds.CRON_JOB,
            cron_job(jobTemplate={"spec": {"template": {"spec": {**TEMPLATE["spec"], "restartPolicy": "Always"}}}}),
            UNSUPPORTED,
            "spec.jobTemplate.spec.template.spec.restartPolicy",
        ),
        (
            kinds.CRON_JOB,
            {**cron_job(), "metadata": {"name": "a" * 53, "namespace": "default"}},
            INVALID,
            "metadata.name",
        ),
    ],
)
def test_a_fault_is_blamed_on_its_field(kind, fields, reason, field):
    assert (reason, field) in faults(wire(kind, **fields), kind)

"""CronJob: a schedule and a time zone that there are, and jobs that could run."""

from __future__ import annotations

from schema import cron
from schema.batch.cronjob import CronJob
from schema.validation import job
from schema.validation.causes import Problems
from schema.validation.names import check_annotations, check_labels

LONGEST_NAME = 52
"""The names of jobs add eleven letters, and become label values of 63."""


def check(cronjob: CronJob, problems: Problems) -> None:
    spec = cronjob.spec
    if len(cronjob.metadata.name) > LONGEST_NAME:
        problems.invalid("metadata.name", cronjob.metadata.name, f"must be no more than {LONGEST_NAME} characters")
    if not spec.schedule:
        problems.required("spec.schedule")
    else:
        try:
            cron.check(spec.schedule)
        except cron.ScheduleError as fault:
            problems.invalid("spec.schedule", spec.schedule, str(fault))
    try:
        cron.zone(spec.time_zone)
    except cron.ScheduleError as fault:
        problems.invalid("spec.timeZone", spec.time_zone, str(fault))
    template = spec.job_template
    check_labels(template.metadata.labels, "spec.jobTemplate.metadata.labels", problems)
    check_annotations(template.metadata.annotations, "spec.jobTemplate.metadata.annotations", problems)
    if template.spec.manual_selector:
        problems.not_supported("spec.jobTemplate.spec.manualSelector", True, ["nil", "false"])
    elif template.spec.selector is not None:
        problems.invalid(
            "spec.jobTemplate.spec.selector", template.spec.selector.wire(), "`selector` will be auto-generated"
        )
    job.check_spec(template.spec, "spec.jobTemplate.spec", problems)

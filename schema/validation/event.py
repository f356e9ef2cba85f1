"""Event: it lives beside the object it is about."""

from __future__ import annotations

from schema.core.event import Event
from schema.validation.causes import Problems


def check(event: Event, problems: Problems) -> None:
    about = event.involved_object.namespace
    namespace = event.metadata.namespace
    if about and about != namespace:
        problems.invalid("involvedObject.namespace", about, "does not match event.namespace")
    elif not about and namespace not in ("default", "kube-system", ""):
        problems.invalid(
            "involvedObject.namespace", about, "events about objects without a namespace belong into default"
        )
    if event.event_time is not None:
        _check_new_style(event, problems)


def _check_new_style(event: Event, problems: Problems) -> None:
    """An event with eventTime says who did what."""
    for name, value in (
        ("reportingComponent", event.reporting_component),
        ("reportingInstance", event.reporting_instance),
        ("action", event.action),
        ("reason", event.reason),
    ):
        if not value:
            problems.required(name)
    if event.type not in ("Normal", "Warning"):
        problems.invalid("type", event.type, "has invalid value: must be Normal or Warning")

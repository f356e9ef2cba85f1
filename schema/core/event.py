"""Event: something that happened to an object."""

from __future__ import annotations

from pydantic import Field

from schema.base import ApiModel
from schema.core.reference import ObjectReference
from schema.meta import Int32, MicroTime, Object, Time


class EventSource(ApiModel):
    """Who reports an event."""

    component: str = ""
    """The component."""
    host: str = ""
    """The node it runs on."""


class EventSeries(ApiModel):
    """Repetitions of an event."""

    count: Int32 = 0
    """How often up to now."""
    last_observed_time: MicroTime | None = None
    """When it was last seen."""


class Event(Object):
    """Something that happened to an object. Kept for a while, then dropped."""

    api_version: str = "v1"
    kind: str = "Event"
    involved_object: ObjectReference = Field(default_factory=ObjectReference)
    """The object it happened to."""
    reason: str = ""
    """What happened, in one CamelCase word."""
    message: str = ""
    """What happened, in a sentence."""
    source: EventSource | None = None
    """Who reports it."""
    first_timestamp: Time | None = None
    """When it was first seen."""
    last_timestamp: Time | None = None
    """When it was last seen."""
    count: Int32 = 0
    """How often it was seen."""
    type: str = ""
    """Normal or Warning."""
    event_time: MicroTime | None = None
    """When it was first seen, to the microsecond."""
    series: EventSeries | None = None
    """Its repetitions."""
    action: str = ""
    """What was being done."""
    related: ObjectReference | None = None
    """A second object it has to do with."""
    reporting_component: str = ""
    """Who reports it, e.g. slipway.dev/agent."""
    reporting_instance: str = ""
    """Which instance of it."""

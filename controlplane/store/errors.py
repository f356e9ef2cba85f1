"""What the store refuses, and why. The API turns each into a Status of the same name.

StoreError
├── NotFound        no such object, or no such namespace to create it in
├── AlreadyExists   the name is taken
├── Conflict        the object moved on since it was read, or a precondition does not hold
├── Expired         the revision asked for is older than the history; list again
├── Invalid         the request can never succeed as it stands
├── NotNow          it may be later: ask again; ``cause`` and ``detail`` say what forbids it
└── Forbidden       not now and not here; ``cause`` says which rule (NamespaceTerminating)
"""

from __future__ import annotations

from schema.kinds import Kind


class StoreError(Exception):
    """``kind`` and ``name`` say which object, where one is concerned."""

    def __init__(self, message: str, *, kind: Kind | None = None, name: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.name = name


class NotFound(StoreError):
    pass


class AlreadyExists(StoreError):
    pass


class Conflict(StoreError):
    pass


class Expired(StoreError):
    pass


class Invalid(StoreError):
    """``field`` is to blame for ``value``, where one field is."""

    def __init__(
        self, message: str, *, kind: Kind | None = None, name: str = "", field: str = "", value: object = None
    ) -> None:
        super().__init__(message, kind=kind, name=name)
        self.field = field
        self.value = value


class Forbidden(StoreError):
    """``cause`` is the reason of a StatusCause, ``field`` what it points at."""

    def __init__(
        self, message: str, *, kind: Kind | None = None, name: str = "", cause: str = "", field: str = ""
    ) -> None:
        super().__init__(message, kind=kind, name=name)
        self.cause = cause
        self.field = field


class NotNow(StoreError):
    """``cause`` is the reason of a StatusCause, ``detail`` its message."""

    def __init__(
        self, message: str, *, kind: Kind, name: str, cause: str, detail: str, retry_after_seconds: int
    ) -> None:
        super().__init__(message, kind=kind, name=name)
        self.cause = cause
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


def not_found(kind: Kind, name: str) -> NotFound:
    return NotFound(f'{kind.group_resource} "{name}" not found', kind=kind, name=name)


def already_exists(kind: Kind, name: str) -> AlreadyExists:
    return AlreadyExists(f'{kind.group_resource} "{name}" already exists', kind=kind, name=name)


def conflict(kind: Kind, name: str, why: str = "") -> Conflict:
    why = why or ("the object has been modified; please apply your changes to the latest version and try again")
    return Conflict(f'Operation cannot be fulfilled on {kind.group_resource} "{name}": {why}', kind=kind, name=name)

from typing import TYPE_CHECKING, Any

from django.apps import AppConfig

if TYPE_CHECKING:
    from controlplane.store.record import ChangeRecord


class AccessConfig(AppConfig):
    name = "controlplane.access"
    label = "access"

    def ready(self) -> None:
        from controlplane.store.signals import committed

        committed.connect(on_committed, dispatch_uid="access.deleted_nodes")


def on_committed(changes: "list[ChangeRecord]", **_: Any) -> None:
    """Whoever deletes a Node revokes its credential. Should the process end before this, the session's registration
    refuses the credential all the same, because the Node that it belongs to is gone."""
    from controlplane.access import tokens
    from controlplane.store.record import ChangeType
    from schema import kinds

    for change in changes:
        if change.kind is kinds.NODE and change.type is ChangeType.DELETED:
            tokens.revoke_of_deleted_node(change.name, change.uid)

"""ServiceAccount: its references name something."""

from __future__ import annotations

from schema.core.serviceaccount import ServiceAccount
from schema.validation.causes import Problems


def check(account: ServiceAccount, problems: Problems) -> None:
    for position, secret in enumerate(account.image_pull_secrets):
        if not secret.name:
            problems.required(f"imagePullSecrets[{position}].name")

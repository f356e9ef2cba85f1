"""How Django checks a password: as always, but slowly for an address that fails often."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from controlplane.access import throttle
from controlplane.access.errors import TooManyFailures

log = logging.getLogger(__name__)


class ThrottledBackend(ModelBackend):
    """A refused address looks to the login page like a wrong password: a guesser learns nothing."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        address = str(request.META.get("REMOTE_ADDR", "")) if request is not None else ""
        key = f"{address} {username}"
        try:
            throttle.logins.check(key)
            throttle.login_addresses.check(address)
        except TooManyFailures:
            log.warning("login from %s refused: too many failures", address or "an unknown address")
            raise PermissionDenied from None
        user = super().authenticate(request, username=username, password=password, **kwargs)
        if user is None:
            throttle.logins.record(key)
            throttle.login_addresses.record(address)
        else:
            throttle.logins.clear(key)
        return user

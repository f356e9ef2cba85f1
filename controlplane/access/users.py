"""People: Django's users, the first administrator, and what a user is to authorization."""

from __future__ import annotations

import secrets

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.db import IntegrityError, transaction
from django.db.models import Q

from controlplane.access.errors import InvalidName, UnknownUser
from controlplane.access.identity import AUTHENTICATED, MASTERS, Identity, Permission
from controlplane.access.models import Grant

ADMIN = "admin"


def ensure_admin() -> tuple[User, str | None]:
    """The administrator, and the password if this call made the user. Losing a race is finding the user there."""
    present = User.objects.filter(username=ADMIN).first()
    if present is not None:
        return present, None
    password = secrets.token_urlsafe(18)
    try:
        with transaction.atomic():
            return User.objects.create_superuser(ADMIN, password=password), password
    except IntegrityError:
        return User.objects.get(username=ADMIN), None


def create(name: str, *, password: str | None, superuser: bool = False) -> User:
    """A user who may do nothing yet, unless a superuser. Without a password only tokens let them in.

    Raises `InvalidName`, and Django's ValidationError for a password that is too weak.
    """
    if not name or name.startswith("system:") or len(name) > 150:
        raise InvalidName(f"{name!r} cannot be a user name: names that start with 'system:' are the cluster's own")
    if User.objects.filter(username=name).exists():
        raise InvalidName(f"user {name!r} exists already")
    user = User(username=name, is_superuser=superuser, is_staff=superuser)
    if password is None:
        user.set_unusable_password()
    else:
        validate_password(password, user)
        user.set_password(password)
    user.save()
    return user


def find(name: str) -> User:
    try:
        return User.objects.get(username=name)
    except User.DoesNotExist:
        raise UnknownUser(f"there is no user {name!r}") from None


def identity_of(user: User) -> Identity:
    """Two queries (groups, grants); callers remember the answer for a few seconds."""
    # A group of that prefix, however it was made, must not read as one of the cluster's own.
    named = user.groups.exclude(name__startswith="system:").order_by("name").values_list("name", flat=True)
    groups = [AUTHENTICATED, *named]
    if user.is_superuser:
        return Identity(name=user.username, groups=(MASTERS, *groups), superuser=True)
    grants = Grant.objects.filter(Q(user=user) | Q(group__user=user)).values_list("role", "namespace")
    permissions = frozenset(Permission(role, namespace) for role, namespace in grants)
    return Identity(name=user.username, groups=tuple(groups), permissions=permissions)

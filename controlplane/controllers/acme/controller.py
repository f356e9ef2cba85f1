"""Certificates of Ingresses from the ACME server that the settings name, by HTTP-01.

An Ingress has its certificates from there if its annotation ``slipway.dev/issuer`` says ``acme``, or that of its class, or, where
both are silent, if a server is set at all. Until one is issued, and whenever issuing fails, the certificate that the cluster's
authority has signed is served (`controllers.ingress`): nothing waits for the ACME server. Each pass takes one step of the
conversation and ends, so a pass never waits either.

The challenges are answered by the proxies of all ingress nodes without being told of any: an answer is the token asked for
and the thumbprint of the account's key, which the Ingress classes carry in an annotation.

Reads Ingresses, their classes and Secrets. Writes: the condition CertificatesIssued, the annotation
``slipway.dev/acme-account`` of our classes, Secrets of its own (`state`), and those that carry ``slipway.dev/issued-by``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from controlplane.controllers import base, certificates, events
from controlplane.controllers.acme import state
from controlplane.controllers.acme.errors import AcmeError
from controlplane.controllers.acme.state import Account, Progress
from controlplane.controllers.base import Controller, Key
from controlplane.controllers.certificates import Certificate
from controlplane.controllers.errors import Wait
from controlplane.controllers.plan import Condition, Plan, Step
from controlplane.store.objects import ChangeRecord, Delete, Patch, Write
from schema import kinds, meta
from schema.base import Wire
from schema.networking import ingress
from schema.networking.ingress import ACME

ISSUED = "CertificatesIssued"
COMPONENT = "acme-controller"
SETTLE_SECONDS = 2.0
"""Until every proxy knows a new account."""
POLL_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 24 * 3600.0
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Case:
    """A certificate that is to come from the server."""

    certificate: Certificate
    order: Wire | None
    """The Secret with what is under way."""
    progress: Progress
    due: datetime | None
    """When it is to be renewed; None: it is missing."""


@dataclass(frozen=True)
class Surroundings:
    wanted: bool
    directory: str = ""
    cases: Sequence[Case] = ()
    unpublished: Sequence[str] = ()
    """Classes that do not carry the account's thumbprint."""
    thumbprint: str = ""


class AcmeController(Controller[Surroundings]):
    name = "acme"
    kind = kinds.INGRESS
    observes_generation = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        yield from super().keys_for(change)
        if change.kind is kinds.SECRET and change.object.get("type") in (certificates.TLS, state.ORDER_TYPE):
            owners = change.object["metadata"].get("ownerReferences") or ()
            yield from ((change.namespace, one["name"]) for one in owners if one.get("kind") == kinds.INGRESS.kind)

    def gather(self, obj: Wire) -> Surroundings:
        classes = certificates.own_classes()
        own = classes.get(obj["spec"].get("ingressClassName") or "")
        if own is None or certificates.issuer(obj, own) != ACME:
            return Surroundings(wanted=False)
        account = _account()
        thumbprint = _thumbprint(account)
        cases = [_case(one) for one in certificates.of_ingress(obj, ACME) if one.ours]
        silent = [
            name
            for name, one in classes.items()
            if thumbprint and (one["metadata"].get("annotations") or {}).get(ingress.ACME_ACCOUNT) != thumbprint
        ]
        return Surroundings(True, settings.ACME_DIRECTORY, cases, silent, thumbprint)

    def plan(self, obj: Wire, children: Surroundings, now: datetime) -> Plan:
        if not children.wanted or not children.cases:
            return Plan(conditions=[Condition(ISSUED, "")])
        due = [case for case in children.cases if case.due is None or case.due <= now]
        obstacle = _obstacle(obj, children, due)
        condition = _condition(due, obstacle)
        if obstacle or not due:
            return Plan(conditions=[condition], outcome=None if obstacle else _renewal(children.cases, now))
        steps = [_publish(children)] if children.unpublished else []
        return Plan([*steps, Step("ask the server", act=lambda: _advance(obj, due))], [condition])

    def progress(self, outcome: Any) -> Sequence[Condition]:
        return ()  # CertificatesIssued says it all


# Deciding


def _obstacle(obj: Wire, children: Surroundings, due: Iterable[Case]) -> str:
    if not children.directory:
        return "SLIPWAY_ACME_DIRECTORY of the control plane names no server"
    wild = sorted({host for case in due for host in case.certificate.hosts if host.startswith("*")})
    if wild:
        return f"{', '.join(wild)}: HTTP-01 cannot prove a name with a wildcard"
    answering = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress")
    if not answering:
        return f"no ready node carries the label {ingress.NODE_LABEL} and could answer the challenge"
    return ""


def _condition(due: Sequence[Case], obstacle: str) -> Condition:
    missing = [case for case in due if case.due is None]
    meanwhile = "; the cluster's own authority has signed what is served meanwhile" if missing else ""
    if due and obstacle:
        return Condition(ISSUED, str(not missing), "CannotIssue", obstacle + meanwhile)
    failed = [case.progress for case in due if case.progress.error]
    if failed:
        told = "; ".join(f"{one.error} (failure {one.failures}, next try {one.retry_at or 'now'})" for one in failed)
        return Condition(ISSUED, str(not missing), "Failed", told + meanwhile)
    if due:
        names = ", ".join(case.certificate.secret for case in due)
        return Condition(ISSUED, str(not missing), "Ordering", f"asking the ACME server for {names}{meanwhile}")
    return Condition(ISSUED, "True", "Issued", "all are issued by the ACME server")


def _renewal(cases: Iterable[Case], now: datetime) -> Wait:
    soonest = min(case.due for case in cases if case.due is not None)
    seconds = max((soonest - now).total_seconds(), POLL_SECONDS)
    return Wait(min(seconds, _LONGEST_WAIT_SECONDS), "its certificate is to be renewed")


def _publish(children: Surroundings) -> Step:
    thumbprint = children.thumbprint

    def change(stored: Wire) -> Wire:
        annotations = {**(stored["metadata"].get("annotations") or {}), ingress.ACME_ACCOUNT: thumbprint}
        return {**stored, "metadata": {**stored["metadata"], "annotations": annotations}}

    def settle() -> None:
        raise Wait(SETTLE_SECONDS, "the proxies are told of the account")

    return Step("publish", [Patch(kinds.INGRESS_CLASS, "", name, change) for name in children.unpublished], act=settle)


# Acting


def _advance(obj: Wire, due: Iterable[Case]) -> None:
    """One step for each certificate. Raises `Wait` for the soonest that is not done."""
    waits = [seconds for case in due if (seconds := _attempt(obj, case)) is not None]
    if waits:
        raise Wait(min(waits), "the ACME server is to be asked again")


def _attempt(obj: Wire, case: Case) -> float | None:
    """Seconds until the next step; None: it is issued."""
    now = meta.now()
    if (rest := case.progress.rests(now)) > 0:
        return rest
    try:
        return _step(obj, case)
    except AcmeError as error:
        first = timedelta(seconds=settings.ACME_RETRY_SECONDS)
        failed = case.progress.failed(str(error), now, first)
        base.write([_keep(obj, case, failed)])
        events.record(obj, severity="Warning", reason="AcmeFailed", message=str(error), component=COMPONENT)
        return max(failed.rests(now), POLL_SECONDS)


def _step(obj: Wire, case: Case) -> float | None:
    from controlplane.controllers.acme import client

    secret = _secret(state.ACCOUNT_NAMESPACE, state.ACCOUNT)
    account = state.read(secret, Account)
    if account is None:
        made = Account(client.new_key().decode())
        base.write([state.write(secret, state.ACCOUNT_NAMESPACE, state.ACCOUNT, made)])
        return 0.0  # another pass publishes it first
    server = client.Client(
        settings.ACME_DIRECTORY,
        account.key.encode(),
        account=account.at(settings.ACME_DIRECTORY),
        authority=settings.ACME_CA_FILE,
    )
    if not account.at(settings.ACME_DIRECTORY):
        registered = Account(account.key, settings.ACME_DIRECTORY, server.register(settings.ACME_EMAIL, _binding()))
        base.write([state.write(secret, state.ACCOUNT_NAMESPACE, state.ACCOUNT, registered)])
    return _converse(obj, case, server)


def _binding() -> Any:
    """A `client.Binding`; None where none is set. Raises `AcmeError`."""
    from controlplane.controllers.acme import client

    key_id, file = settings.ACME_EAB_KEY_ID, settings.ACME_EAB_KEY_FILE
    if not key_id and not file:
        return None
    if not key_id or not file:
        raise AcmeError("SLIPWAY_ACME_EAB_KEY_ID and SLIPWAY_ACME_EAB_KEY_FILE are to be set both, or neither")
    try:
        key = Path(file).read_text().strip().rstrip("=")
    except (OSError, UnicodeDecodeError) as error:
        raise AcmeError(f"SLIPWAY_ACME_EAB_KEY_FILE, {file}, cannot be read: {_reason(error)}") from error
    if not _BASE64URL.fullmatch(key):
        raise AcmeError(f"SLIPWAY_ACME_EAB_KEY_FILE, {file}, is not a key in base64url")
    return client.Binding(key_id, key)


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "it is not text"


def _converse(obj: Wire, case: Case, server: Any) -> float | None:
    from controlplane.controllers.acme import client

    hosts, progress = case.certificate.hosts, case.progress
    if not progress.order:
        key = client.new_key()
        order = server.order(hosts, key)
        base.write([_keep(obj, case, progress.ordered(order.url, key.decode()))])
        return 0.0
    order = server.look(progress.order)
    if order.status == client.VALID:
        _deliver(obj, case, server.certificate(order.url))
        return None
    if order.status == client.PENDING:
        server.answer(order.url)
    elif order.status == client.READY:
        server.finalize(order.url, hosts, progress.key.encode())
    return POLL_SECONDS


def _deliver(obj: Wire, case: Case, chain: bytes) -> None:
    one = case.certificate
    writes: list[Write] = [certificates.write(obj, one, (chain, case.progress.key.encode()), ACME)]
    if case.order is not None:
        writes.append(Delete(kinds.SECRET, obj["metadata"]["namespace"], state.order_name(one.secret)))
    base.write(writes)
    message = f"{one.secret}, for {', '.join(one.hosts)}, by the ACME server"
    events.record(obj, severity="Normal", reason="CertificateIssued", message=message, component=COMPONENT)


def _keep(obj: Wire, case: Case, progress: Progress) -> Write:
    namespace, name = obj["metadata"]["namespace"], state.order_name(case.certificate.secret)
    return state.write(case.order, namespace, name, progress, certificates.owner(obj))


# Reading


def _case(one: Certificate) -> Case:
    order = _secret(one.namespace, state.order_name(one.secret))
    progress = state.read(order, Progress)
    if progress is None or progress.hosts != one.hosts:
        progress = Progress(one.hosts)  # the Ingress asks for other names now
    return Case(one, order, progress, one.due)


def _account() -> Account | None:
    found: Account | None = state.read(_secret(state.ACCOUNT_NAMESPACE, state.ACCOUNT), Account)
    return found


def _thumbprint(account: Account | None) -> str:
    if account is None:
        return ""
    from controlplane.controllers.acme import client

    return client.thumbprint(account.key.encode())


def _secret(namespace: str, name: str) -> Wire | None:
    return certificates.find_object(kinds.SECRET, namespace, name)

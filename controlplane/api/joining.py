"""How hosts join and nodes renew their credential: ``/agent/v1/ca``, ``/agent/v1/join``, ``/agent/v1/credential``.

The authority's certificate is open to everybody: it is no secret, and a host that has not joined knows nothing else than
its hash. Joining takes a join token, renewing the node's credential; both as bearer tokens.

``/apis/slipway.dev/v1/jointokens`` makes, lists and revokes join tokens for those who administer the cluster. It looks
like a resource and is no kind: there is nothing to watch or to update, and the secret is shown once, when it is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access import authentication, authorization, throttle, tokens
from controlplane.access import joining as join_tokens
from controlplane.access.errors import JoinRefused
from controlplane.access.models import JoinToken
from controlplane.api import errors
from controlplane.api.base import ApiView
from controlplane.instance import address
from controlplane.nodes import joining
from controlplane.nodes.joining import Credential
from schema import meta
from schema.base import Wire

API_VERSION = "slipway.dev/v1"


class AuthorityView(ApiView):
    public = True
    authentication_classes: list[Any] = []

    def get(self, request: Request) -> HttpResponse:
        try:
            text = (settings.HOME / "pki" / "ca.crt").read_bytes()
        except FileNotFoundError:
            raise errors.ServiceUnavailable("the control plane has no certificate authority yet") from None
        return HttpResponse(text, content_type="application/x-pem-file")


class JoinView(ApiView):
    public = True
    authentication_classes: list[Any] = []  # what comes is a join token, which is nobody's identity
    http_method_names = ["post"]

    def post(self, request: Request) -> Response:
        address = str(request.META.get("REMOTE_ADDR", ""))
        throttle.tokens.check(address)
        body = self.required_body().value
        name = body.get("nodeName") if isinstance(body, dict) else None
        if not isinstance(name, str):
            raise errors.BadRequest("nodeName: a string is needed")
        try:
            return Response(_wire(joining.join(_bearer(request), name)), status=201)
        except JoinRefused as refused:
            if refused.code == 401:
                throttle.tokens.record(address)
            raise errors.of_code(refused.code, str(refused)) from None


class CredentialView(ApiView):
    http_method_names = ["post"]

    def post(self, request: Request) -> Response:
        if self.identity.node is None:
            raise errors.Forbidden("this address is for agents: it takes the credential of a node")
        renewed = joining.renew(self.identity.node, tokens.digest_of(_bearer(request)))
        if renewed is None:
            raise errors.Unauthorized("this credential was revoked")
        return Response(_wire(renewed), status=201)


def _bearer(request: Request) -> str:
    return authentication.bearer(request.META.get("HTTP_AUTHORIZATION")) or ""


def _wire(credential: Credential) -> Wire:
    return {
        "nodeName": credential.node,
        "token": credential.token,
        "expires": meta.format_time(credential.expires),
    }


class JoinTokensView(ApiView):
    """GET lists the usable ones, without secrets; POST makes one (`status.token`, `status.command`)."""

    http_method_names = ["get", "post"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        _check_may_invite(self)

    def get(self, request: Request) -> Response:
        items = [_shown(token) for token in join_tokens.present()]
        return Response({"apiVersion": API_VERSION, "kind": "JoinTokenList", "metadata": {}, "items": items})

    def post(self, request: Request) -> Response:
        spec = _spec(self.required_body().value)
        certificate = settings.HOME / "pki" / "ca.crt"
        if not certificate.exists():
            raise errors.ServiceUnavailable("the control plane has no certificate authority yet")
        made = join_tokens.create(
            life=timedelta(seconds=spec.get("ttlSeconds", join_tokens.DEFAULT_LIFE.total_seconds())),
            uses=spec.get("uses"),
            description=spec.get("description", ""),
            created_by=self.identity.name,
        )
        shown = _shown(made.record)
        server = address.server(settings.API_PORT or 6443)
        shown["status"] |= {
            "token": made.token,
            "server": server,
            "caHash": address.ca_hash(certificate),
            "command": address.join_command(server, made.token, certificate),
        }
        return Response(shown, status=201)


class JoinTokenView(ApiView):
    """DELETE revokes it; nodes that have joined with it stay."""

    http_method_names = ["delete"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        _check_may_invite(self)

    def delete(self, request: Request, token: str) -> Response:
        if not join_tokens.revoke(token):
            raise errors.NotFound(f'jointokens.slipway.dev "{token}" not found')
        return Response({"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success"})


def _check_may_invite(view: ApiView) -> None:
    if not authorization.may_invite(view.identity):
        raise errors.Forbidden(
            f'jointokens.slipway.dev is forbidden: User "{view.identity.name}" is no administrator of the cluster'
        )


_FIELDS: Mapping[str, tuple[type, str]] = {
    "ttlSeconds": (int, "a whole number of seconds"),
    "uses": (int, "a whole number of hosts"),
    "description": (str, "a string"),
}


def _spec(body: Any) -> dict[str, Any]:
    """Raises `Invalid`, naming the field."""
    spec = (body if isinstance(body, dict) else {}).get("spec") or {}
    if not isinstance(spec, dict):
        raise errors.Invalid("spec: an object is needed")
    for name, value in spec.items():
        if name not in _FIELDS:
            raise errors.Invalid(f"spec.{name}: there is no such field")
        kind, wanted = _FIELDS[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise errors.Invalid(f"spec.{name}: {wanted} is needed")
    if not 0 < spec.get("ttlSeconds", 1) <= join_tokens.LONGEST_LIFE.total_seconds():
        raise errors.Invalid("spec.ttlSeconds: more than 0 and at most a year is possible")
    if not 0 < spec.get("uses", 1) < 2**31:
        raise errors.Invalid("spec.uses: at least 1")
    return spec


def _shown(token: JoinToken) -> Wire:
    spec: Wire = {"description": token.description, "expires": meta.format_time(token.expires)}
    if token.uses is not None:
        spec["uses"] = token.uses
    return {
        "apiVersion": API_VERSION,
        "kind": "JoinToken",
        "metadata": {"name": token.id, "creationTimestamp": meta.format_time(token.created)},
        "spec": spec,
        "status": {"used": token.used, "createdBy": token.created_by},
    }

"""How hosts join and nodes renew their credential: ``/agent/v1/ca``, ``/agent/v1/join``, ``/agent/v1/credential``.

The authority's certificate is open to everybody: it is no secret, and a host that has not joined knows nothing else than
its hash. Joining takes a join token, renewing the node's credential; both as bearer tokens.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access import authentication, throttle, tokens
from controlplane.access.errors import JoinRefused
from controlplane.api import errors
from controlplane.api.base import ApiView
from controlplane.nodes import joining
from controlplane.nodes.joining import Credential
from schema import meta
from schema.base import Wire


class AuthorityView(ApiView):
    public = True

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

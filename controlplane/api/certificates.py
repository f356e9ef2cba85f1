"""``GET /apis/slipway.dev/v1/certificates``: when the certificates in the cluster's TLS Secrets end. Never their keys.

A certificate is shown to everybody who connects, so whoever may list the Ingresses of all namespaces may see when it
ends; the Secret with its key stays with those who may read Secrets.
"""

from __future__ import annotations

import base64
import binascii

from cryptography import x509
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access import authorization
from controlplane.api import errors
from controlplane.api.base import ApiView, Labels
from controlplane.store import objects
from schema import kinds, meta
from schema.base import Wire
from schema.selectors import FieldSelector

_TLS = FieldSelector.parse("type=kubernetes.io/tls")
_MOST_HOSTS = 20


class CertificatesView(ApiView):
    http_method_names = ["get"]

    def initial(self, request: Request, *args: object, **kwargs: str | None) -> None:
        super().initial(request, *args, **kwargs)
        if not authorization.allowed(self.identity, "list", kinds.INGRESS, "", ""):
            raise errors.forbidden(
                "list", kinds.INGRESS, user=self.identity.name, namespace="", name="", subresource=""
            )

    def labels(self) -> Labels:
        return Labels("list", "certificates.slipway.dev")

    def get(self, request: Request) -> Response:
        secrets = objects.list_objects(kinds.SECRET, fields=_TLS).items
        items = sorted((_shown(secret) for secret in secrets), key=lambda item: str(item["status"].get("notAfter", "")))
        return Response({"kind": "CertificateList", "apiVersion": "slipway.dev/v1", "metadata": {}, "items": items})


def _shown(secret: Wire) -> Wire:
    """A Secret whose certificate cannot be read says why: TLS with it fails just as with one that has ended."""
    metadata = secret["metadata"]
    try:
        status = _status(base64.b64decode((secret.get("data") or {}).get("tls.crt") or "", validate=True))
    except (ValueError, binascii.Error):
        status = {"problem": "tls.crt is no certificate"}
    return {"metadata": {key: metadata[key] for key in ("name", "namespace", "uid")}, "status": status}


def _status(pem: bytes) -> Wire:
    """Of the first certificate, the one that is the server's own. Raises `ValueError`."""
    certificate = x509.load_pem_x509_certificate(pem)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        hosts = []
    return {
        "notBefore": meta.format_time(certificate.not_valid_before_utc),
        "notAfter": meta.format_time(certificate.not_valid_after_utc),
        "hosts": hosts[:_MOST_HOSTS],
    }

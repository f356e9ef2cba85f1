"""The conversation with an ACME server, in steps that end quickly: nothing here waits for the server to make up its mind.

All errors are `AcmeError` with the server's own words. The library is certbot's ``acme``; it is imported by workers that use it
only, since it brings more than they else need.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
from acme import challenges, crypto_util, errors, messages
from acme.client import ClientNetwork, ClientV2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.b64 import b64encode
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from controlplane.controllers.acme.errors import AcmeError, OrderGone

TIMEOUT_SECONDS = 10
PENDING, READY, PROCESSING, VALID = "pending", "ready", "processing", "valid"


@dataclass(frozen=True)
class Order:
    status: str
    """pending, ready, processing, valid."""
    url: str


@dataclass(frozen=True)
class Binding:
    """To an account that somebody has with the server's owner by other means (RFC 8555, 7.3.4)."""

    key_id: str
    hmac_key: str = field(repr=False)
    """In base64url."""


def new_key() -> bytes:
    """A private key in PEM: for an account, or for a certificate."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def thumbprint(key: bytes) -> str:
    """Of an account's key: what follows the token in the answer to every HTTP-01 challenge."""
    return b64encode(_jwk(key).thumbprint()).decode()


def _jwk(key: bytes) -> JWKEC:
    return JWKEC(key=serialization.load_pem_private_key(key, None))


class Client:
    """``authority``: a file with the certificate that the server's own is signed by; empty: the system's."""

    def __init__(self, directory: str, key: bytes, *, account: str = "", authority: str = "") -> None:
        self._directory, self._key, self._account, self._authority = directory, _jwk(key), account, authority
        self._connected: ClientV2 | None = None

    def register(self, email: str, binding: Binding | None = None) -> str:
        """The address of the account with this key, which is made if there is none. Agrees to the server's terms."""
        with _spoken():
            bound = self._bound(binding) if binding else None
            new = messages.NewRegistration.from_data(
                email=email or None, external_account_binding=bound, terms_of_service_agreed=True
            )
            try:
                self._account = str(self._client.new_account(new).uri)
            except errors.ConflictError as known:
                self._account = str(known.location)
        return self._account

    def order(self, hosts: Sequence[str], key: bytes) -> Order:
        with _spoken():
            made = self._client.new_order(crypto_util.make_csr(key, list(hosts)))
        return Order(str(made.body.status.name), str(made.uri))

    def look(self, url: str) -> Order:
        """Raises `OrderGone` with the reason where it has failed."""
        body = self._order(url)
        if body.status.name == "invalid":
            raise OrderGone(self._failure(body))
        return Order(str(body.status.name), url)

    def answer(self, url: str) -> None:
        """Tell the server that every name's HTTP-01 challenge is ready to be looked at."""
        for authorization in self._authorizations(self._order(url)):
            if authorization.body.status != messages.STATUS_PENDING:
                continue
            challenge = self._http01(authorization)
            if challenge.status == messages.STATUS_PENDING:
                with _spoken():
                    self._client.answer_challenge(challenge, challenge.response(self._key))

    def finalize(self, url: str, hosts: Sequence[str], key: bytes) -> None:
        csr = crypto_util.make_csr(key, list(hosts))
        with _spoken():
            self._client.begin_finalization(messages.OrderResource(body=self._order(url), uri=url, csr_pem=csr))

    def certificate(self, url: str) -> bytes:
        """The chain of a valid order, PEM."""
        with _spoken():
            return self._ask(str(self._order(url).certificate)).text.encode()

    # The parts

    def _bound(self, binding: Binding) -> dict[str, Any]:
        return messages.ExternalAccountBinding.from_data(
            self._key.public_key(), binding.key_id, binding.hmac_key, self._client.directory
        )

    @property
    def _client(self) -> ClientV2:
        if self._connected is None:
            network = ClientNetwork(
                self._key,
                alg=ES256,
                verify_ssl=self._authority or True,  # type: ignore[arg-type] # handed to requests, which takes a file
                user_agent="slipway",
                timeout=TIMEOUT_SECONDS,
            )
            self._connected = ClientV2(ClientV2.get_directory(self._directory, network), network)
        if self._account:
            self._connected.net.account = messages.RegistrationResource(body=messages.Registration(), uri=self._account)
        return self._connected

    def _ask(self, url: str) -> requests.Response:
        """POST-as-GET."""
        client = self._client
        return client.net.post(url, None, new_nonce_url=client.directory["newNonce"])

    def _order(self, url: str) -> messages.Order:
        with _spoken():
            order: messages.Order = messages.Order.from_json(self._ask(url).json())
            return order

    def _authorizations(self, order: messages.Order) -> Iterator[messages.AuthorizationResource]:
        for url in order.authorizations:
            with _spoken():
                body = messages.Authorization.from_json(self._ask(url).json())
            yield messages.AuthorizationResource(body=body, uri=url)

    def _http01(self, authorization: messages.AuthorizationResource) -> Any:
        for challenge in authorization.body.challenges:
            if isinstance(challenge.chall, challenges.HTTP01):
                return challenge
        raise AcmeError(f"the server offers no HTTP-01 challenge for {authorization.body.identifier.value}")

    def _failure(self, order: messages.Order) -> str:
        """What the server says of the names that it could not verify."""
        said = [
            f"{authorization.body.identifier.value}: {_words(challenge.error)}"
            for authorization in self._authorizations(order)
            for challenge in authorization.body.challenges
            if challenge.error is not None
        ]
        return "; ".join(said) or (
            _words(order.error) if order.error else "the server refuses the order without a reason"
        )


def _words(error: messages.Error) -> str:
    return " ".join(str(error.detail or error.typ).split())


@contextmanager
def _spoken() -> Iterator[None]:
    """Everything that the library and the network can raise, as one sentence."""
    try:
        yield
    except messages.Error as error:
        kind = OrderGone if error.code in ("malformed", "orderNotReady", "accountDoesNotExist") else AcmeError
        raise kind(_words(error)) from error
    except requests.RequestException as error:
        raise AcmeError(f"the ACME server cannot be reached: {_cause(error)}") from error
    except (errors.Error, JoseError, ValueError, KeyError) as error:
        raise AcmeError(f"the ACME server's answer makes no sense: {error}") from error


def _cause(error: BaseException) -> str:
    """The innermost reason, which names what happened and not which objects it happened to."""
    reason: BaseException = getattr(error.args[0], "reason", error) if error.args else error
    return str(reason).rpartition(": ")[2]

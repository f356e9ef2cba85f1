"""Who is let in by a registry, with which login, and which server is asked: mirrors, the cluster's own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodeagent.facilities import Credentials
from nodeagent.images import errors
from nodeagent.images.registry.own import OwnRegistry
from tests import images, registry
from tests.agent.host import needs_host
from tests.agent.images_host import ALICE, QUICK, opened, pull, random_layer
from tests.ports import free_port

pytestmark = needs_host


class TestLogins:
    @pytest.mark.parametrize("auth", ["basic", "token"])
    async def test_with_the_right_login_only(self, store, auth):
        built = images.image([random_layer(10)])
        with registry.start(auth=auth) as private:
            reference = built.push(private, "private/app:1")
            with pytest.raises(errors.Unauthorised, match="imagePullSecrets"):
                await pull(store, reference)
            with pytest.raises(errors.Unauthorised, match="refuses the login"):
                await pull(store, reference, Credentials("alice", "wrong"))
            assert (await pull(store, reference, ALICE)).image_id == built.image_id

    async def test_anonymous_and_identity_tokens(self, store):
        built = images.image([random_layer(10)])
        with registry.start(auth="token") as private:
            reference = built.push(private, "app:1")
            await pull(store, reference, Credentials(identity_token=registry.PASSWORD))
            private.tokens.anonymous_pull = True
            await pull(store, built.push(private, "other:1"))
            asked = [path for path, _ in private.tokens.requests]
            assert (
                len([one for one in asked if "repository%3Aother%3Apull&" in one or one.endswith("other%3Apull")]) >= 1
            )

    async def test_one_token_serves_a_whole_image(self, store):
        built = images.image([random_layer(10) for _ in range(4)])
        with registry.start(auth="token") as private:
            reference = built.push(private, "app:1")
            before = len(private.tokens.requests)
            await pull(store, reference, ALICE)
            assert len(private.tokens.requests) == before + 1

    async def test_a_login_does_not_follow_a_redirect_to_another_host(self, store):
        built = images.image([random_layer(10)])
        with registry.start(auth="basic") as private, registry.start(storage=private.storage) as bucket:
            built.push(private, "app:1")
            with (
                registry.FaultyProxy(bucket.host).running() as elsewhere,
                registry.FaultyProxy(private.host, redirect_blobs_to=elsewhere.host).running() as front,
            ):
                await pull(store, f"{front.host}/app:1", ALICE)
                assert [one.authorization for one in elsewhere.served] == ["", ""]
                assert any(one.authorization.startswith("Basic ") for one in front.served)

    async def test_a_nodes_credential_goes_to_its_control_plane_and_not_where_the_registry_says(self, store):
        with registry.start(auth="token", tls=True) as ours:
            own = OwnRegistry(
                address=ours.host,
                names=frozenset({"known.test:5000"}),
                authority=ours.ca_file.read_text(),
                token_url=f"https://127.0.0.1:{free_port()}/token",
                user="system:node:n",
                password=lambda: "secret",
            )
            store.use_registry(own)
            with pytest.raises(errors.RegistryUnreachable):
                await pull(store, "known.test:5000/default/app:1")
            assert ours.tokens.requests == []

    async def test_tls_is_verified(self, home):
        built = images.image([random_layer(10)])
        with registry.start(tls=True) as secure:
            reference = built.push(secure, "app:1")
            certificates = home / "certs"
            (certificates / secure.host).mkdir(parents=True)
            (certificates / secure.host / "ca.crt").write_bytes(secure.ca_file.read_bytes())
            trusting = replace(QUICK, certificate_dirs=[certificates])
            async with opened(home, trusting) as store:
                assert (await pull(store, reference)).image_id == built.image_id
            other = registry.make_certificate(home)
            (certificates / secure.host / "ca.crt").write_bytes(other.certificate_file.read_bytes())
            async with opened(home / "second", replace(trusting, attempts=2)) as store:
                with pytest.raises(errors.RegistryUnreachable, match="certificate"):
                    await pull(store, reference)


class TestMirrors:
    async def test_a_mirror_is_asked_first_and_the_registry_if_it_has_not(self, home, hub, proxy):
        here, there = images.image([random_layer(10)]), images.image([random_layer(11)])
        here.push(hub, "library/mirrored:1")
        async with opened(home, replace(QUICK, mirrors={"docker.io": [proxy.host]})) as store:
            assert (await store.pull("mirrored:1", credentials={})).image_id == here.image_id
        with registry.start() as origin:
            reference = there.push(origin, "only/there:1")
            async with opened(
                home, replace(QUICK, mirrors={origin.host: ["127.0.0.1:1", proxy.host]}, attempts=1)
            ) as store:
                assert (await pull(store, reference)).image_id == there.image_id

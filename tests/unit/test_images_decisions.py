"""The decisions of the image part that need no host: logins, platforms, manifests, challenges, what may go."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.facilities import Credentials, ImageConfig, Progress
from nodeagent.images import cli, errors, manifests
from nodeagent.images.disk import gc, state
from nodeagent.images.layers import tarstream
from nodeagent.images.registry import authorization, credentials
from nodeagent.images.settings import ImageSettings, SettingError, from_environment
from tests import images

DIGEST = "sha256:" + "a" * 64


def secret(auths, key=".dockerconfigjson"):
    value = {"auths": auths} if key == ".dockerconfigjson" else auths
    return {"data": {key: base64.b64encode(json.dumps(value).encode()).decode()}}


def auth(name, password):
    return {"auth": base64.b64encode(f"{name}:{password}".encode()).decode()}


class TestCredentials:
    def test_they_come_from_both_kinds_of_secret(self):
        found = credentials.from_secrets(
            [
                secret({"https://index.docker.io/v1/": auth("alice", "a:b")}),
                secret({"host.example:5000": {"username": "bob", "password": "x"}}, ".dockercfg"),
                secret({"tokens.example": {"identitytoken": "t", "auth": ""}}),
            ]
        )
        assert found == {
            "docker.io": Credentials("alice", "a:b"),
            "host.example:5000": Credentials("bob", "x"),
            "tokens.example": Credentials(identity_token="t"),
        }

    def test_the_first_secret_for_a_host_wins(self):
        found = credentials.from_secrets([secret({"h.example": auth("a", "1")}), secret({"h.example": auth("b", "2")})])
        assert found["h.example"].username == "a"

    @pytest.mark.parametrize(
        "broken",
        [
            {},
            {"data": None},
            {"data": {".dockerconfigjson": "%%%"}},
            {"data": {".dockerconfigjson": base64.b64encode(b"not json").decode()}},
            {"data": {".dockerconfigjson": base64.b64encode(b"[]").decode()}},
            {"data": {".dockerconfigjson": 7}},
            secret({"h.example": {"auth": "%%%"}}),
            secret({"h.example": "text"}),
            secret({"h.example": {}}),
            secret([1]),
        ],
    )
    def test_a_secret_that_holds_nothing_usable_is_passed_over(self, broken):
        assert credentials.from_secrets([broken]) == {}

    def test_the_longest_path_that_fits_is_taken(self):
        logins = {"h.example": Credentials("host"), "h.example/team": Credentials("team")}
        assert credentials.for_repository(logins, "h.example", "team/app") == Credentials("team")
        assert credentials.for_repository(logins, "h.example", "teams/app") == Credentials("host")
        assert credentials.for_repository(logins, "other.example", "team/app") is None

    def test_they_are_never_shown(self):
        assert "s3cret" not in repr(Credentials("alice", "s3cret", "s3cret"))


class TestPlatforms:
    @pytest.mark.parametrize(
        ("machine", "there", "chosen"),
        [
            ("x86_64", ["arm64/v8", "amd64"], "amd64"),
            ("x86_64", ["amd64/v3", "amd64"], "amd64"),
            ("aarch64", ["amd64", "arm64/v8"], "arm64/v8"),
            ("aarch64", ["arm/v7", "arm64"], "arm64"),
            ("armv7l", ["arm/v5", "arm/v6", "arm/v7"], "arm/v7"),
            ("armv7l", ["arm/v5", "arm/v6"], "arm/v6"),
            ("armv6l", ["arm/v7", "arm/v6"], "arm/v6"),
        ],
    )
    def test_the_best_that_runs_is_chosen(self, machine, there, chosen):
        index = self.index(there)
        found = manifests.choose(index, manifests.platform_of(machine), "x")
        assert found.size == there.index(chosen)

    def test_what_is_there_instead_is_said(self):
        with pytest.raises(errors.BadImage, match=r"linux/amd64.*linux/arm/v7, linux/s390x"):
            manifests.choose(self.index(["s390x", "arm/v7"]), manifests.platform_of("x86_64"), "x")

    def test_another_system_does_not_count(self):
        index = self.index(["amd64"])
        index["manifests"][0]["platform"]["os"] = "windows"
        with pytest.raises(errors.BadImage):
            manifests.choose(index, manifests.platform_of("x86_64"), "x")

    @staticmethod
    def index(platforms):
        members = []
        for number, text in enumerate(platforms):
            architecture, _, variant = text.partition("/")
            platform = {"os": "linux", "architecture": architecture} | ({"variant": variant} if variant else {})
            members.append({"digest": DIGEST, "size": number, "platform": platform})
        return {"schemaVersion": 2, "manifests": members}


class TestManifests:
    def good(self):
        return json.loads(images.image([images.layer([images.file("a")])]).manifest)

    def test_a_good_one_is_read(self):
        parsed = manifests.parse(self.good(), "x")
        assert len(parsed.layers) == 1

    @pytest.mark.parametrize(
        "change",
        [
            {"schemaVersion": 1},
            {"config": None},
            {"config": {"digest": "md5:x", "size": 1}},
            {"config": {"digest": DIGEST, "size": -1}},
            {"config": {"digest": DIGEST, "size": "1"}},
            {"config": {"digest": DIGEST, "size": True}},
            {"config": {"digest": DIGEST, "size": 1, "mediaType": "application/vnd.cncf.helm.config.v1+json"}},
            {"layers": None},
            {"layers": {}},
            {"layers": [None]},
            {"layers": [{"digest": DIGEST, "size": 1, "mediaType": "application/json"}]},
            {"layers": [{"digest": DIGEST, "size": 1, "mediaType": "application/vnd.oci.image.layer.v1.tar"}] * 501},
        ],
    )
    def test_a_wrong_one_is_refused(self, change):
        with pytest.raises(errors.BadImage):
            manifests.parse(self.good() | change, "x")

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda leaf: (
                st.lists(leaf, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "schemaVersion",
                            "config",
                            "layers",
                            "digest",
                            "size",
                            "manifests",
                            "platform",
                            "mediaType",
                            "rootfs",
                            "diff_ids",
                            "os",
                        ]
                    ),
                    leaf,
                    max_size=5,
                )
            ),
        )
    )
    def test_no_document_makes_a_traceback(self, document):
        for read in (
            lambda: manifests.parse(manifests.load(json.dumps(document).encode(), "x") | {"schemaVersion": 2}, "x"),
            lambda: manifests.choose(
                manifests.load(json.dumps(document).encode(), "x"), manifests.Platform("amd64"), "x"
            ),
            lambda: manifests.parse_config(json.dumps(document).encode(), "x"),
        ):
            with contextlib.suppress(errors.BadImage):
                read()

    def test_a_windows_image_is_refused(self):
        with pytest.raises(errors.BadImage, match="windows"):
            manifests.parse_config(b'{"os": "windows", "rootfs": {"diff_ids": []}}', "x")

    def test_a_config_tells_how_to_run(self):
        config: dict[str, object] = {
            "Entrypoint": ["/a"],
            "Cmd": ["b"],
            "Env": ["A=1"],
            "WorkingDir": "/w",
            "User": "1:2",
        }
        config |= {"StopSignal": "SIGINT", "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/v": {}}}
        assert manifests.run_config(config) == ImageConfig(
            ("/a",), ("b",), ("A=1",), "/w", "1:2", "SIGINT", ("80/tcp",), ("/v",)
        )


class TestChallenges:
    def test_bearer_parameters_are_read_with_and_without_quotes(self):
        header = 'Bearer realm="https://auth.example/token?a=b",service=reg.example,scope="repository:a/b:pull,push"'
        [found] = authorization.parse_challenges([header])
        assert found.scheme == "bearer"
        assert found.parameters == {
            "realm": "https://auth.example/token?a=b",
            "service": "reg.example",
            "scope": "repository:a/b:pull,push",
        }

    def test_an_identity_token_is_posted_and_never_in_the_address(self):
        [found] = authorization.parse_challenges(['Bearer realm="https://auth.example/t",service="s"'])
        request = authorization.token_request(found, "repository:x:pull", Credentials(identity_token="s3cret"))
        assert request.method == "POST"
        assert "s3cret" in request.body
        assert "s3cret" not in request.url
        assert "s3cret" not in repr(request)

    @pytest.mark.parametrize("answer", [{}, {"token": ""}, {"token": 1}, {"token": "a\nb"}, {"access_token": None}])
    def test_an_answer_without_a_token_is_none(self, answer):
        assert authorization.read_token(answer) is None


def record(layers, pulled_at=0.0):
    return state.ImageRecord("", ImageConfig(), tuple(layers), 0, pulled_at)


class TestWhatMayGo:
    NOW = 100 * 24 * 3600.0
    EMPTY = gc.Disk(100_000, 90_000)
    FULL = gc.Disk(100_000, 10_000)

    def plan(self, images_, *, names=None, running=(), used=None, disk=EMPTY, layers=None):
        names = dict.fromkeys(images_, True) if names is None else names
        found = state.State(
            references={f"name-{key}": state.ReferenceRecord(key, "") for key in names},
            images=images_,
            layers={key: state.LayerRecord(key, size, 1) for key, size in (layers or {}).items()},
        )
        return gc.plan(
            found, running=set(running), used_at=used or {}, now=self.NOW, disk=disk, settings=ImageSettings()
        )

    def test_a_named_image_in_use_lately_stays(self):
        assert self.plan({"a": record([], self.NOW - 3600)}) == []

    def test_an_image_without_a_name_goes(self):
        assert self.plan({"a": record([], self.NOW - 3600)}, names={}) == ["a"]

    def test_a_young_image_stays_even_without_a_name(self):
        assert self.plan({"a": record([], self.NOW - 10)}, names={}) == []

    def test_an_image_unused_for_long_goes_unless_it_was_used(self):
        both = {"a": record([]), "b": record([])}
        assert self.plan(both, used={"b": self.NOW - 3600}) == ["a"]

    def test_what_runs_never_goes(self):
        assert self.plan({"a": record([])}, names={}, running=["a"], disk=self.FULL) == []

    def test_a_full_disk_takes_the_least_recently_used_until_it_is_enough(self):
        three = {key: record([f"l{key}"], self.NOW - age) for key, age in (("a", 5000), ("b", 7000), ("c", 6000))}
        sizes = {"la": 6000, "lb": 6000, "lc": 6000}
        assert self.plan(three, disk=self.FULL, layers=sizes) == ["b", "c"]

    def test_inodes_count_as_bytes_do(self):
        two = {key: record([f"l{key}"], self.NOW - age) for key, age in (("a", 5000), ("b", 7000))}
        found = state.State(
            references={f"name-{key}": state.ReferenceRecord(key, "") for key in two},
            images=two,
            layers={f"l{key}": state.LayerRecord(key, 0, 300) for key in two},
        )
        disk = gc.Disk(100_000, 90_000, total_inodes=2000, free_inodes=200)
        chosen = gc.plan(found, running=set(), used_at={}, now=self.NOW, disk=disk, settings=ImageSettings())
        assert chosen == ["b"]

    def test_a_shared_layer_frees_nothing_until_its_last_image_goes(self):
        three = {key: record(["shared"], self.NOW - age) for key, age in (("a", 5000), ("b", 7000), ("c", 6000))}
        assert self.plan(three, disk=self.FULL, layers={"shared": 50_000}) == ["b", "c", "a"]


class TestTar:
    @given(
        st.lists(
            st.tuples(
                st.text(min_size=1, max_size=200).filter(lambda t: "\0" not in t and t.strip("/")),
                st.binary(max_size=1500),
            ),
            max_size=8,
        ),
        st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
        st.integers(1, 4000),
    )
    def test_it_reads_what_tarfile_writes_however_it_is_cut(self, members, form, step):
        data = images.tar([images.file(name, content) for name, content in members], format=form)
        read = list(self.read(data, step))
        assert [content for _, content in read] == [content for _, content in members]
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            expected = archive.getnames()
        assert [name.rstrip("/") for name, _ in read] == [name.rstrip("/") for name in expected]

    @staticmethod
    def read(data, step):
        pieces = iter([data[at : at + step] for at in range(0, len(data), step)])
        source = tarstream.Source(lambda: next(pieces, b""))
        for member in tarstream.members(source):
            yield member.name.decode("utf-8", "surrogateescape"), source.take(member.size)
            source.skip(tarstream.padding(member.size))

    @given(st.binary(max_size=3000), st.integers(0, 2999), st.binary(min_size=1, max_size=40))
    def test_damage_is_an_error_in_words_or_harmless(self, content, at, damage):
        data = bytearray(images.tar([images.file("a" * 150, content), images.symlink("b", "c")]))
        data[at : at + len(damage)] = damage
        with contextlib.suppress(tarstream.TarError):
            for _ in self.read(bytes(data), 700):
                pass


def test_settings_come_from_the_environment():
    found = from_environment(
        {
            "SLIPWAY_REGISTRY_INSECURE": "a:5000, b",
            "SLIPWAY_REGISTRY_MIRRORS": "docker.io=m1:5000 docker.io=m2",
            "SLIPWAY_REGISTRY_CERTS": "/x:/y",
        }
    )
    assert found.insecure_hosts == {"a:5000", "b"}
    assert found.mirrors == {"docker.io": ["m1:5000", "m2"]}
    assert [str(one) for one in found.certificate_dirs] == ["/x", "/y"]


def test_what_is_kept_is_set_by_the_environment():
    values = {"DISK_HIGH": "70", "DISK_LOW": "60", "UNUSED_HOURS": "48", "SHARED": "1Gi"}
    found = from_environment({f"SLIPWAY_IMAGE_{name}": value for name, value in values.items()})
    assert (found.disk_high_percent, found.disk_low_percent) == (70, 60)
    assert (found.unused_seconds, found.blob_bytes) == (48 * 3600, 1024**3)
    assert from_environment({"SLIPWAY_IMAGE_DISK_HIGH": "50"}).disk_low_percent == 50


@pytest.mark.parametrize(
    ("name", "value"),
    [("DISK_HIGH", "101"), ("DISK_HIGH", "much"), ("DISK_LOW", "86"), ("UNUSED_HOURS", "-1"), ("SHARED", "1 GB")],
)
def test_a_setting_that_makes_no_sense_is_named(name, value):
    with pytest.raises(SettingError, match=f"SLIPWAY_IMAGE_{name}"):
        from_environment({f"SLIPWAY_IMAGE_{name}": value})


class TestProgressBar:
    def test_a_file_gets_few_plain_lines(self):
        out = io.StringIO()
        bar = cli.ProgressBar(out)
        for count in range(1000):
            bar.show(Progress("r", 0, 2, count, 1000))
        bar.show(Progress("r", 2, 2, 1000, 1000))
        bar.end()
        lines = out.getvalue().splitlines()
        assert len(lines) == 2
        assert lines[0].startswith("r: 0/2 layers, 0 B of 1000 B")
        assert lines[1].startswith("r: 2/2 layers, 1000 B of 1000 B")
        assert "\x1b" not in out.getvalue()

    def test_a_terminal_gets_one_line_that_is_redrawn(self):
        class Terminal(io.StringIO):
            def isatty(self):
                return True

        out = Terminal()
        bar = cli.ProgressBar(out)
        bar.show(Progress("r", 0, 2, 0, 1000))
        bar.show(Progress("r", 2, 2, 1000, 1000))
        bar.end()
        assert out.getvalue().count("\n") == 1
        assert "[" + "#" * 30 + "]" in out.getvalue()

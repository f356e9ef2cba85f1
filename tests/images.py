"""Container images without the internet, for tests and for trying Slipway out.

    built = busybox(config={"Cmd": ["sleep", "1000"]})
    reference = built.push(registry, "busybox:latest")      # "127.0.0.1:40123/busybox:latest"
    built.save_docker_archive(path)                         # as `docker save`
    built.save_oci_archive(path)                            # an OCI layout in a tar file

From a shell: ``python -m tests.images push localhost:5000/busybox:latest`` (also ``docker-archive FILE``,
``oci-archive FILE``). Layers are made of `Entry`s, so that hostile ones are as easy to write as honest ones.
"""

from __future__ import annotations

import argparse
import base64
import functools
import gzip
import hashlib
import http.client
import io
import json
import os
import platform
import re
import subprocess
import sys
import tarfile
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import zstandard

from tests.registry import PASSWORD, USERNAME, Registry

Compression = Literal["gzip", "zstd", "none"]
Flavour = Literal["oci", "docker"]

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
_MANIFEST_TYPES = {
    "oci": "application/vnd.oci.image.manifest.v1+json",
    "docker": "application/vnd.docker.distribution.manifest.v2+json",
}
_CONFIG_TYPES = {
    "oci": "application/vnd.oci.image.config.v1+json",
    "docker": "application/vnd.docker.container.image.v1+json",
}
_LAYER_TYPES = {
    ("oci", "gzip"): "application/vnd.oci.image.layer.v1.tar+gzip",
    ("oci", "zstd"): "application/vnd.oci.image.layer.v1.tar+zstd",
    ("oci", "none"): "application/vnd.oci.image.layer.v1.tar",
    ("docker", "gzip"): "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ("docker", "zstd"): "application/vnd.docker.image.rootfs.diff.tar.zstd",
    ("docker", "none"): "application/vnd.docker.image.rootfs.diff.tar",
}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64le", "s390x": "s390x"}
ARCHITECTURE = _ARCHITECTURES.get(platform.machine(), platform.machine())


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Entry:
    """One member of a layer's tar file, written exactly as asked, however wrong that is."""

    name: str
    data: bytes = b""
    type: bytes = tarfile.REGTYPE
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: float = 1_700_000_000
    link: str = ""
    xattrs: Mapping[str, bytes] = field(default_factory=dict)
    device: tuple[int, int] = (0, 0)
    pax: Mapping[str, str] = field(default_factory=dict)


def file(name: str, data: bytes | str = b"", *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(name, data.encode() if isinstance(data, str) else data, mode=mode, uid=uid, gid=gid)


def directory(name: str, *, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(name, type=tarfile.DIRTYPE, mode=mode, uid=uid, gid=gid)


def symlink(name: str, target: str) -> Entry:
    return Entry(name, type=tarfile.SYMTYPE, link=target, mode=0o777)


def hard_link(name: str, target: str) -> Entry:
    return Entry(name, type=tarfile.LNKTYPE, link=target)


def whiteout(path: str) -> Entry:
    """Removes what a lower layer has at ``path``."""
    head, _, tail = path.rpartition("/")
    return Entry(f"{head}/.wh.{tail}" if head else f".wh.{tail}")


def opaque(path: str) -> Entry:
    """Hides everything that lower layers have in directory ``path``."""
    return Entry(f"{path}/.wh..wh..opq")


def tar(entries: Sequence[Entry], *, format: int = tarfile.PAX_FORMAT) -> bytes:  # noqa: A002 (tarfile's own word)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for entry in entries:
            archive.addfile(_member(entry), io.BytesIO(entry.data) if entry.data else None)
    return out.getvalue()


def _member(entry: Entry) -> tarfile.TarInfo:
    member = tarfile.TarInfo(entry.name)
    member.size = len(entry.data) if entry.type == tarfile.REGTYPE else 0
    member.type, member.mode, member.linkname = entry.type, entry.mode, entry.link
    member.uid, member.gid, member.mtime = entry.uid, entry.gid, entry.mtime
    member.devmajor, member.devminor = entry.device
    values = {f"SCHILY.xattr.{k}": v.decode("utf-8", "surrogateescape") for k, v in entry.xattrs.items()}
    member.pax_headers = {**values, **entry.pax}
    return member


@dataclass(frozen=True)
class Layer:
    """``blob`` is what a registry stores, ``diff_id`` the digest of the tar inside."""

    blob: bytes
    diff_id: str
    compression: Compression = "gzip"

    @functools.cached_property
    def digest(self) -> str:
        return digest_of(self.blob)


def layer(content: Sequence[Entry] | bytes, compression: Compression = "gzip") -> Layer:
    """From entries, or from a finished (perhaps deliberately broken) tar."""
    data = content if isinstance(content, bytes) else tar(content)
    return Layer(compress(data, compression), digest_of(data), compression)


def compress(data: bytes, compression: Compression) -> bytes:
    if compression == "gzip":
        return gzip.compress(data, compresslevel=1, mtime=0)
    if compression == "zstd":
        return zstandard.ZstdCompressor(level=1).compress(data)
    return data


@dataclass(frozen=True)
class Built:
    """An image (or, with ``members``, an index of images) as the bytes that a registry serves."""

    manifest: bytes
    media_type: str
    config: bytes = b""
    layers: tuple[Layer, ...] = ()
    members: tuple[Built, ...] = ()
    flavour: Flavour = "oci"

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def image_id(self) -> str:
        return digest_of(self.config)

    def push(self, registry: Registry | str, name: str) -> str:
        """To ``name`` (``repository:tag``) in a registry (or ``host:port``); the whole reference it then has."""
        host = registry if isinstance(registry, str) else registry.host
        repository, _, tag = name.partition(":")
        client = _Pusher(host, repository, tls=isinstance(registry, Registry) and registry.tls)
        self._push(client, tag or "latest")
        return f"{host}/{repository}:{tag or 'latest'}"

    def _push(self, client: _Pusher, tag: str) -> None:
        for member in self.members:
            member._push(client, member.digest)
        if not self.members:
            for blob in (self.config, *(one.blob for one in self.layers)):
                client.blob(blob)
        client.manifest(tag, self.manifest, self.media_type)

    def save_docker_archive(self, path: Path, name: str = "test/busybox:latest") -> Path:
        """As ``docker save`` (1.2: manifest.json, plain layer tars)."""
        config_name = self.image_id.removeprefix("sha256:") + ".json"
        members = [file(config_name, self.config)]
        names = []
        for number, one in enumerate(self.layers):
            names.append(f"{number:02}/layer.tar")
            members += [directory(f"{number:02}/"), file(names[-1], decompress(one))]
        listing = [{"Config": config_name, "RepoTags": [name] if name else [], "Layers": names}]
        members.append(file("manifest.json", json.dumps(listing)))
        path.write_bytes(tar(members))
        return path

    def save_oci_archive(self, path: Path, name: str = "test/busybox:latest") -> Path:
        """An OCI image layout in a tar file."""
        path.write_bytes(tar([file(k, v) for k, v in self._layout(name).items()]))
        return path

    def save_oci_layout(self, path: Path, name: str = "test/busybox:latest") -> Path:
        """An OCI image layout in a directory."""
        for file_name, data in self._layout(name).items():
            target = path / file_name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return path

    def _layout(self, name: str) -> dict[str, bytes]:
        descriptor: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": len(self.manifest),
            "annotations": {"org.opencontainers.image.ref.name": name},
        }
        files = {
            "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
            "index.json": json.dumps({"schemaVersion": 2, "manifests": [descriptor]}).encode(),
        }
        for one in (self, *self.members):
            for blob in (one.manifest, one.config, *(each.blob for each in one.layers)):
                if blob:
                    files["blobs/" + digest_of(blob).replace(":", "/")] = blob
        return files


def decompress(one: Layer) -> bytes:
    if one.compression == "gzip":
        return gzip.decompress(one.blob)
    if one.compression == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(one.blob)
    return one.blob


def image(
    layers: Sequence[Layer],
    *,
    config: Mapping[str, Any] | None = None,
    flavour: Flavour = "oci",
    architecture: str = ARCHITECTURE,
    variant: str = "",
    os_name: str = "linux",
) -> Built:
    """``config`` is the image's ``config`` object: Cmd, Entrypoint, Env, User, WorkingDir, StopSignal, …"""
    described: dict[str, Any] = {
        "architecture": architecture,
        "os": os_name,
        "config": dict(config or {}),
        "rootfs": {"type": "layers", "diff_ids": [one.diff_id for one in layers]},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "tests/images.py"} for _ in layers],
    }
    if variant:
        described["variant"] = variant
    data = json.dumps(described).encode()
    return with_config(data, layers, flavour=flavour)


def with_config(config: bytes, layers: Sequence[Layer], *, flavour: Flavour = "oci") -> Built:
    """An image whose config is these bytes, right or wrong."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPES[flavour],
        "config": {"mediaType": _CONFIG_TYPES[flavour], "size": len(config), "digest": digest_of(config)},
        "layers": [
            {"mediaType": _LAYER_TYPES[flavour, one.compression], "size": len(one.blob), "digest": one.digest}
            for one in layers
        ],
    }
    text = json.dumps(manifest).encode()
    return Built(text, _MANIFEST_TYPES[flavour], config, tuple(layers), flavour=flavour)


def index(members: Sequence[Built], *, flavour: Flavour = "oci") -> Built:
    """A multi-platform index; each member's platform is read from its config."""
    media_type = OCI_INDEX if flavour == "oci" else DOCKER_INDEX
    manifests = []
    for member in members:
        config = json.loads(member.config)
        platform_ = {key: config[key] for key in ("architecture", "os", "variant") if key in config}
        manifests.append(
            {
                "mediaType": member.media_type,
                "size": len(member.manifest),
                "digest": member.digest,
                "platform": platform_,
            }
        )
    text = json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}).encode()
    return Built(text, media_type, members=tuple(members), flavour=flavour)


_RESOLVER = ("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2", "libc.so.6", "ld-linux-*.so.*")
"""What a static glibc program loads when it looks up a name; without them ``wget`` in the image knows no host."""

_ETC = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\napp:x:1000:1000::/app:/bin/sh\n",
    "etc/group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\napp:x:1000:\nextra:x:2000:app\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/services": "http 80/tcp\nhttps 443/tcp\n",
}


@functools.cache
def busybox_entries() -> tuple[Entry, ...]:
    """A whole small system: Debian's static busybox, its applets as links, users, resolver libraries."""
    binary = next(path for path in (Path("/usr/bin/busybox"), Path("/bin/busybox")) if path.exists())
    names = subprocess.run([binary, "--list"], capture_output=True, text=True, check=True).stdout.split()
    entries = [directory(name) for name in ("bin", "dev", "etc", "lib", "proc", "root", "run", "sys", "usr", "usr/bin")]
    entries += [directory("var"), directory("var/run"), directory("tmp", mode=0o1777)]
    entries += [directory("app", uid=1000, gid=1000), directory("lib64"), file("etc/hostname", "image\n")]
    entries.append(file("bin/busybox", binary.read_bytes(), mode=0o755))
    entries += [symlink(f"bin/{name}", "/bin/busybox") for name in names if name != "busybox"]
    entries += [symlink("usr/bin/env", "/bin/busybox")]
    entries += [file(name, text) for name, text in _ETC.items()]
    return (*entries, *_resolver_entries())


def _resolver_entries() -> list[Entry]:
    entries = []
    folders = sorted({path.parent for path in Path("/lib").glob("*/libresolv.so.2")}) or [Path("/lib64")]
    folder = folders[0]
    parent = str(folder).lstrip("/")
    if parent not in ("lib", "lib64"):
        entries.append(directory(parent))
    for pattern in _RESOLVER:
        for path in sorted(folder.glob(pattern)):
            entries.append(file(f"{parent}/{path.name}", path.read_bytes(), mode=0o755))
    return entries


@functools.cache
def _busybox_layer(compression: Compression) -> Layer:
    return layer(busybox_entries(), compression)


def busybox(
    *,
    config: Mapping[str, Any] | None = None,
    extra: Sequence[Layer] = (),
    compression: Compression = "gzip",
    flavour: Flavour = "oci",
) -> Built:
    """A runnable image. ``config`` is laid over Cmd ``sh`` and a PATH; ``extra`` layers come on top."""
    base: dict[str, Any] = {"Cmd": ["sh"], "Env": ["PATH=/bin:/usr/bin"]}
    layers = [_busybox_layer(compression), *extra]
    return image(layers, config={**base, **(config or {})}, flavour=flavour)


class _Pusher:
    """As much of the distribution protocol as a push needs, with basic or bearer authentication as ``alice``."""

    def __init__(self, host: str, repository: str, *, tls: bool = False) -> None:
        self.host, self.repository = host, repository
        self.tls = tls
        self.authorization = ""

    def blob(self, data: bytes) -> None:
        digest = digest_of(data)
        if self._request("HEAD", f"/v2/{self.repository}/blobs/{digest}")[0] == 200:
            return
        status, headers, body = self._request("POST", f"/v2/{self.repository}/blobs/uploads/")
        _expect(status, 202, body)
        where = urllib.parse.urlsplit(headers["location"])
        query = f"{where.query}&" if where.query else ""
        path = f"{where.path}?{query}digest={urllib.parse.quote(digest)}"
        status, _, body = self._request("PUT", path, data, "application/octet-stream")
        _expect(status, 201, body)

    def manifest(self, tag: str, data: bytes, media_type: str) -> None:
        status, _, body = self._request("PUT", f"/v2/{self.repository}/manifests/{tag}", data, media_type)
        _expect(status, 201, body)

    def _request(
        self, method: str, path: str, data: bytes = b"", media_type: str = ""
    ) -> tuple[int, dict[str, str], bytes]:
        answer = self._once(method, path, data, media_type)
        challenge = answer[1].get("www-authenticate", "")
        if answer[0] != 401 or not challenge:
            return answer
        self.authorization = self._authorise(challenge)
        return self._once(method, path, data, media_type)

    def _once(self, method: str, path: str, data: bytes, media_type: str) -> tuple[int, dict[str, str], bytes]:
        headers = {"Content-Type": media_type} if media_type else {}
        if self.authorization:
            headers["Authorization"] = self.authorization
        connection = self._connect()
        connection.request(method, path, body=data, headers=headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, body

    def _connect(self) -> http.client.HTTPConnection:
        if not self.tls:
            return http.client.HTTPConnection(self.host, timeout=60)
        import ssl

        context = ssl._create_unverified_context()
        return http.client.HTTPSConnection(self.host, timeout=60, context=context)

    def _authorise(self, challenge: str) -> str:
        basic = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        if challenge.lower().startswith("basic"):
            return basic
        values = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        realm = urllib.parse.urlsplit(values["realm"])
        query = urllib.parse.urlencode(
            {"service": values["service"], "scope": f"repository:{self.repository}:pull,push"}
        )
        connection = http.client.HTTPConnection(realm.netloc, timeout=60)
        connection.request("GET", f"{realm.path}?{query}", headers={"Authorization": basic})
        token = json.loads(connection.getresponse().read())["token"]
        connection.close()
        return f"Bearer {token}"


def _expect(status: int, wanted: int, body: bytes) -> None:
    if status != wanted:
        raise RuntimeError(f"registry answered {status}, not {wanted}: {body[:500]!r}")


def corrupt(built: Built, **changes: Any) -> Built:
    """The image with parts replaced, e.g. ``corrupt(built, config=b"{}")``."""
    return replace(built, **changes)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.images", description="A busybox image, made here.")
    parser.add_argument("action", choices=["push", "docker-archive", "oci-archive"])
    parser.add_argument("target", help="host:port/name:tag, or the file to write")
    parser.add_argument("--name", default="test/busybox:latest", help="the image's name in an archive")
    parser.add_argument("--flavour", choices=["oci", "docker"], default="oci")
    parser.add_argument("--compression", choices=["gzip", "zstd", "none"], default="gzip")
    parser.add_argument("--cmd", nargs=argparse.REMAINDER, help="the image's command (default: sh)")
    options = parser.parse_args(arguments)
    config = {"Cmd": options.cmd} if options.cmd else {}
    built = busybox(config=config, compression=options.compression, flavour=options.flavour)
    if options.action == "push":
        host, _, name = options.target.partition("/")
        print(built.push(host, name))
    else:
        save = built.save_docker_archive if options.action == "docker-archive" else built.save_oci_archive
        print(save(Path(options.target).resolve(), options.name))
    print(f"{built.digest}  {sum(len(one.blob) for one in built.layers)} bytes", file=sys.stderr)
    return os.EX_OK


if __name__ == "__main__":
    raise SystemExit(main())

"""Images that mean harm or are broken, each with a pattern of the reason for which it has to be refused.

`ENTRIES`: layers of odd entries. `LAYERS`: layers as raw bytes. `MANIFESTS`: whole images that are wrong above their layers.
`serve` gives any bytes at all under any address, as a registry that means harm does.
"""

from __future__ import annotations

import contextlib
import gzip
import http.server
import json
import os
import struct
import tarfile
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import zstandard

from tests import images
from tests.images import OCI_INDEX, Entry, Layer, digest_of

Entries = Sequence[Entry]


def special(name: str, kind: bytes, **fields: Any) -> Entry:
    return Entry(name, type=kind, **fields)


ENTRIES: Mapping[str, tuple[Entries, str]] = {
    "dot-dot": ([images.file("../outside/x", "x")], "outside its root"),
    "dot-dot in the middle": ([images.directory("a"), images.file("a/../../outside/x", "x")], "outside its root"),
    "dot-dot that stays inside": ([images.file("a/../b", "x")], "outside its root"),
    "directory dot-dot": ([images.directory("..")], "outside its root"),
    "through an absolute link": ([images.symlink("l", "/outside"), images.file("l/x", "x")], "symbolic link 'l'"),
    "through a link up": ([images.symlink("l", "../outside"), images.file("l/x", "x")], "out of the root"),
    "through two links": (
        [images.symlink("a", "b"), images.symlink("b", "/"), images.file("a/outside/x", "x")],
        "symbolic link 'b'",
    ),
    "through a link up from a directory": (
        [images.directory("d"), images.symlink("d/l", "../../outside"), images.file("d/l/x", "x")],
        "out of the root",
    ),
    "a directory through a link": ([images.symlink("l", "/outside"), images.directory("l/x")], "symbolic link"),
    "a directory that became a link": (
        [images.directory("d"), images.symlink("d", "/outside"), images.file("d/x", "x")],
        "symbolic link 'd'",
    ),
    "a whiteout through a link": ([images.symlink("l", "../outside"), images.whiteout("l/x")], "out of the root"),
    "an opaque mark through a link": ([images.symlink("l", "/outside"), images.opaque("l")], "symbolic link"),
    "links in a circle": (
        [images.symlink("a", "b"), images.symlink("b", "a"), images.file("a/x", "x")],
        "leads through the symbolic link",
    ),
    "a link without a target": ([images.symlink("l", "")], "impossible target"),
    "a link to an endless target": ([Entry("l", type=tarfile.SYMTYPE, link="a/" * 3000)], "impossible target"),
    "hard link outside": ([images.hard_link("h", "../outside/x")], "outside its root"),
    "hard link to the host": ([images.hard_link("h", "/etc/passwd")], "no directory of this layer"),
    "hard link through a link": ([images.symlink("l", "/etc"), images.hard_link("h", "l/passwd")], "symbolic link"),
    "hard link to a directory": ([images.directory("d"), images.hard_link("h", "d")], "does not have"),
    "hard link to a whiteout": ([images.whiteout("w"), images.hard_link("h", "w")], "does not have"),
    "hard link to nothing": ([images.hard_link("h", "nothing")], "does not have"),
    "character device": ([special("null", tarfile.CHRTYPE, device=(1, 3))], "character device"),
    "block device": ([special("disk", tarfile.BLKTYPE, device=(254, 0))], "block device"),
    "a whiteout by hand": ([special("x", tarfile.CHRTYPE, device=(0, 0))], "character device"),
    "a whiteout of nothing": ([images.file(".wh.")], "removes no name"),
    "a whiteout of the parent": ([images.file("a/.wh...")], "removes no name"),
    "overlay attribute": ([Entry("x", b"1", xattrs={"trusted.overlay.redirect": b"/etc"})], "trusted.overlay"),
    "user overlay attribute": ([Entry("x", b"1", xattrs={"user.overlay.opaque": b"y"})], "user.overlay"),
    "overlay attribute of a directory": (
        [Entry("d", type=tarfile.DIRTYPE, xattrs={"trusted.overlay.opaque": b"y"})],
        "trusted.overlay",
    ),
    "a hundred attributes": ([Entry("x", b"1", xattrs={f"user.{one}": b"1" for one in range(100)})], "100 extended"),
    "zero byte in a name": ([Entry("x", b"1", pax={"path": "a\0b"})], "zero byte"),
    "endless name": ([Entry("x", b"1", pax={"path": "a/" * 3000})], "longer than any path"),
    "endless part": ([Entry("x", b"1", pax={"path": "a" * 300})], "longer than 255"),
    "impossible owner": ([Entry("x", b"1", pax={"uid": str(2**33)})], "impossible owner"),
    "negative owner": ([Entry("x", b"1", pax={"gid": "-5"})], "impossible owner"),
    "root replaced by a file": ([images.file(".", "x")], "root directory"),
    "root replaced by a link": ([images.symlink("./", "/etc")], "root directory"),
    "root replaced by a pipe": ([special("./", tarfile.FIFOTYPE)], "root directory"),
    "directories replaced for ever": (
        [one for _ in range(1001) for one in (images.directory("d"), images.file("d", ""))],
        "replace a directory",
    ),
}
"""Each with its reason; for all of them the layer is refused as hostile."""


def header(name: bytes = b"x", *, size: bytes = b"00000000001\0", kind: bytes = b"0", tail: bytes = b"") -> bytes:
    """One of a tar, with a right checksum, whatever is in it."""
    block = bytearray(512)
    block[0 : len(name)] = name
    block[100:108], block[108:116], block[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    block[124:136], block[136:148], block[156:157] = size, b"00000000000\0", kind
    block[257:265] = b"ustar  \0"
    block[386 : 386 + len(tail)] = tail
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def binary(number: int) -> bytes:
    """A size as GNU writes those that octal digits cannot hold."""
    return b"\x80" + number.to_bytes(11, "big")


def sparse(*pieces: tuple[int, int], real_size: int, stored: int) -> bytes:
    """GNU's old format, with at most four pieces."""
    fields = b"".join(b"%011o\0%011o\0" % piece for piece in pieces).ljust(96, b"\0")
    size = b"%011o\0" % stored
    return header(size=size, kind=b"S", tail=fields + b"\0" + binary(real_size)) + b"\1" * (stored + -stored % 512)


def pax(**records: str) -> bytes:
    data = b""
    for key, value in records.items():
        text = f" {key.replace('__', '.')}={value}\n".encode()
        length = len(text) + len(str(len(text) + 3))
        data += f"{length}".encode() + text
    return header(b"pax", size=b"%011o\0" % len(data), kind=b"x") + data + b"\0" * (-len(data) % 512)


_HONEST = images.tar([images.file("x", os.urandom(20_000))])
_ZEROS = images.tar([images.file("zeros", b"\0" * (40 * 1024 * 1024))])


def _zstd_window(log: int) -> bytes:
    """A frame that wants a window of 2^log bytes: magic, no content size, window descriptor, one raw block of a byte."""
    return b"\x28\xb5\x2f\xfd" + b"\0" + bytes([(log - 10) << 3]) + struct.pack("<I", (1 << 3) | 1)[:3] + b"x"


def _zstd_dictionary() -> bytes:
    trained = zstandard.ZstdCompressionDict(os.urandom(4096), dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    frame = zstandard.ZstdCompressor(dict_data=trained).compress(_HONEST)
    return frame[:4] + bytes([frame[4] | 1]) + frame[5:6] + b"\x07" + frame[6:]  # names a dictionary that nobody has


LAYERS: Mapping[str, tuple[bytes, str]] = {
    "no archive": (b"MZ" * 2500, "not a tar archive|where a number"),
    "cut in a file": (_HONEST[:3000], "ends in the middle"),
    "cut in a header": (_HONEST[:300], "ends in the middle"),
    "a wrong checksum": (header()[:-1] + b"\1" + b"\0" * 1024, "checksum"),
    "a size that runs past the end": (header(size=binary(10_000)) + b"x" * 512, "ends in the middle"),
    "a size beyond any disk": (header(size=binary(2**62)) + b"x" * 512, "larger than|No space|disk"),
    "a negative size": (header(size=b"\xff" + b"\xff" * 10 + b"\0") + b"x" * 512, "negative size"),
    "letters for a size": (header(size=b"abcdefghijk\0"), "where a number should be"),
    "an unknown kind of entry": (header(kind=b"Z", size=b"00000000000\0"), "unknown type"),
    "an extended header of gigabytes": (header(kind=b"x", size=binary(2**32)), "extended header"),
    "a long name of gigabytes": (header(kind=b"L", size=binary(2**32)), "extended header"),
    "a PAX size that lies": (pax(size=str(2**40)) + header() + b"x" * 512, "larger than|ends in the middle|No space"),
    "a PAX size below zero": (pax(size="-1") + header() + b"x" * 512, "negative size"),
    "a PAX record without end": (header(kind=b"x", size=b"00000000012\0") + b"99 a=b\n".ljust(512, b"\0"), "PAX"),
    "sparse: out of order": (sparse((512, 512), (0, 512), real_size=1024, stored=1024), "out of order"),
    "sparse: on top of each other": (sparse((0, 512), (256, 512), real_size=1024, stored=1024), "out of order"),
    "sparse: more than its size": (sparse((0, 512), real_size=100, stored=512), "does not fit"),
    "sparse: less data than said": (sparse((0, 1024), real_size=4096, stored=512), "does not fit"),
    "sparse: an exabyte": (sparse((0, 512), real_size=2**60, stored=512), "larger than"),
    "sparse: a map of millions": (
        pax(GNU__sparse__major="1", GNU__sparse__minor="0", GNU__sparse__realsize="10")
        + header(size=b"%011o\0" % 1024)
        + b"9999999\n".ljust(1024, b"\0"),
        "too many pieces",
    ),
    "sparse: letters in the map": (
        pax(GNU__sparse__map="a,b", GNU__sparse__size="10") + header(size=b"00000000000\0"),
        "where a number should be",
    ),
    "gzip: a bomb": (gzip.compress(_ZEROS, 9), "bomb|the most that is taken"),
    "gzip: cut": (gzip.compress(_HONEST)[:-100], "cut in the middle"),
    "gzip: a wrong checksum": (gzip.compress(_HONEST)[:-8] + b"\0" * 8, "gzip stream is broken"),
    "gzip: garbage after it": (gzip.compress(_HONEST) + b"#!/bin/sh\n" * 100, "not gzip follows"),
    "gzip: a header and nothing": (gzip.compress(_HONEST)[:10], "cut in the middle|broken"),
    "gzip: another method": (b"\x1f\x8b\x07" + bytes(50), "broken"),
    "zstd: a bomb": (zstandard.compress(_ZEROS), "bomb|the most that is taken"),
    "zstd: cut": (zstandard.compress(_HONEST)[:-100], "it unpacks to|ends in the middle"),
    "zstd: a window of 2 GiB": (_zstd_window(31), "zstd stream is broken"),
    "zstd: a dictionary that nobody has": (_zstd_dictionary(), "zstd stream is broken"),
    "more entries than allowed": (
        images.tar([images.file(f"f{one}") for one in range(2100)]),
        "more than 2050 entries",
    ),
    "more directories than allowed, by one name": (
        images.tar([images.file("/".join(["d"] * 1500) + f"/{one}") for one in range(600)]),
        "more than 2050 entries",
    ),
    "more bytes than allowed": (
        images.tar([images.file(f"f{one}", os.urandom(1024 * 1024)) for one in range(3)]),
        "larger than",
    ),
}
"""To be unpacked with at most 2050 entries, 2 MiB, and 50 times the compressed size."""


# --- above the layers


@dataclass
class Site:
    """What a registry answers: by path below ``/v2/<repository>/``."""

    answers: dict[str, bytes] = field(default_factory=dict)

    def blob(self, data: bytes, *, said: str = "") -> str:
        digest = said or digest_of(data)
        self.answers[f"blobs/{digest}"] = data
        return digest

    def manifest(self, document: Any, *, at: str = "1") -> str:
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.answers[f"manifests/{at}"] = data
        self.answers[f"manifests/{digest_of(data)}"] = data
        return digest_of(data)


def honest(site: Site, layer: Layer | None = None, **changes: Any) -> dict[str, Any]:
    """A manifest that is right, but for ``changes`` to its parts: ``layer__size=…``, ``config__digest=…``, ``layers=…``."""
    built = images.image([layer or images.layer([images.file("a", "1")])])
    manifest: dict[str, Any] = json.loads(built.manifest)
    site.blob(built.config)
    for one in built.layers:
        site.blob(one.blob)
    for name, value in changes.items():
        where, _, part = name.partition("__")
        if part:
            target = manifest["layers"][0] if where == "layer" else manifest[where]
            target[part] = value
        else:
            manifest[where] = value
    return manifest


def _changed(**changes: Any) -> Callable[[Site], None]:
    def make(site: Site) -> None:
        site.manifest(honest(site, **changes))

    return make


def _with_config(config: bytes) -> Callable[[Site], None]:
    def make(site: Site) -> None:
        manifest = honest(site, config__digest=site.blob(config), config__size=len(config))
        site.manifest(manifest)

    return make


def _raw(data: bytes) -> Callable[[Site], None]:
    return lambda site: void(site.manifest(data))


def void(_: object) -> None:
    pass


def _too_many_layers(site: Site) -> None:
    manifest = honest(site)
    site.manifest({**manifest, "layers": manifest["layers"] * 501})


def _other_bytes(site: Site) -> None:
    layer = images.layer([images.file("a", "1")], "none")
    site.manifest(honest(site, layer))
    site.blob(layer.blob[:512] + b"2" + layer.blob[513:], said=layer.digest)


def _longer(site: Site) -> None:
    layer = images.layer([images.file("a", "1")], "none")
    site.manifest(honest(site, layer))
    site.blob(layer.blob + b"more", said=layer.digest)


def _other_content(site: Site) -> None:
    layer = images.layer([images.file("a", "1")], "none")
    site.manifest(honest(site, Layer(layer.blob, "sha256:" + "1" * 64, "none")))


def _other_config(site: Site) -> None:
    manifest = honest(site)
    site.manifest(manifest)
    digest = manifest["config"]["digest"]
    site.answers[f"blobs/{digest}"] = site.answers[f"blobs/{digest}"].replace(b"linux", b"l1nux")


def _index(*members: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(members)}


def _member(digest: Any, architecture: str = images.ARCHITECTURE) -> dict[str, Any]:
    platform = {"os": "linux", "architecture": architecture}
    return {"mediaType": OCI_INDEX, "digest": digest, "size": 100, "platform": platform}


def _index_of_indexes(site: Site) -> None:
    digest = site.manifest(honest(site), at="deep")
    for depth in range(5):
        digest = site.manifest(_index(_member(digest)), at=f"depth{depth}")
    site.answers["manifests/1"] = site.answers[f"manifests/{digest}"]


def _index_of_itself(site: Site) -> None:
    """By a digest that is not its own."""
    digest = "sha256:" + "2" * 64
    site.answers[f"manifests/{digest}"] = site.answers["manifests/1"] = json.dumps(_index(_member(digest))).encode()


def _other_member(site: Site) -> None:
    digest = site.manifest(honest(site), at="member")
    site.manifest(_index(_member(digest)))
    site.answers[f"manifests/{digest}"] += b" "


def _index_for(architecture: str) -> Callable[[Site], None]:
    return lambda site: void(site.manifest(_index(_member(site.manifest(honest(site), at="m"), architecture))))


_DEEP = b"[" * 100_000 + b"]" * 100_000

MANIFESTS: Mapping[str, tuple[Callable[[Site], None], str]] = {
    "a manifest that is not JSON": (_raw(b"<html>"), "not JSON"),
    "a manifest that is a list": (_raw(b"[]"), "not a JSON object"),
    "a manifest that is too deep": (_raw(b'{"layers":' + _DEEP + b"}"), "not JSON"),
    "a manifest of 5 MiB": (_raw(b" " * (5 * 1024 * 1024)), "longer than"),
    "a manifest of before 2017": (_raw(b'{"schemaVersion": 1, "fsLayers": []}'), "before 2017"),
    "no layers at all": (_changed(layers=None), "no list of layers"),
    "501 layers": (_too_many_layers, "501 layers"),
    "a layer that is no tar": (_changed(layer__mediaType="application/wasm"), "cannot be unpacked"),
    "a digest that is a path": (_changed(layer__digest="sha256:../../../../etc/passwd"), "where a sha256 digest"),
    "a digest in capitals": (_changed(layer__digest="sha256:" + "A" * 64), "where a sha256 digest"),
    "a digest of another kind": (_changed(layer__digest="md5:" + "a" * 32), "where a sha256 digest"),
    "a digest that is a number": (_changed(layer__digest=7), "where a sha256 digest"),
    "a size below zero": (_changed(layer__size=-1), "for its size"),
    "a size that is true": (_changed(layer__size=True), "for its size"),
    "a size that is text": (_changed(layer__size="1"), "for its size"),
    "a size beyond all disks": (_changed(layer__size=2**62), "bytes long, not"),
    "a layer shorter than told": (_changed(layer__size=2_000), "bytes long, not 2000"),
    "a layer longer than told": (_longer, "bytes long, not"),
    "a layer of other bytes": (_other_bytes, "what came has digest"),
    "a layer of other content": (_other_content, "it unpacks to"),
    "a layer that is not there": (_changed(layer__digest="sha256:" + "3" * 64), "is not in registry"),
    "a config said to be huge": (_changed(config__size=2**40), "has a config of"),
    "a config of other bytes": (_other_config, "the config that came has digest"),
    "a config of another kind": (_changed(config__mediaType="application/vnd.cncf.helm.config.v1+json"), "no.* image"),
    "a config that is not JSON": (_with_config(b"\x7fELF"), "not JSON"),
    "a config that is too deep": (_with_config(b'{"a":' + _DEEP + b"}"), "not JSON"),
    "a config without layers": (_with_config(b'{"os": "linux"}'), "the manifest of 1"),
    "a config with paths for layers": (
        _with_config(b'{"os": "linux", "rootfs": {"diff_ids": ["../../x"]}}'),
        "no proper list of layer digests",
    ),
    "an index of indexes of indexes": (_index_of_indexes, "index of indexes"),
    "an index of itself": (_index_of_itself, "sent a manifest with digest"),
    "an index whose member is another": (_other_member, "sent a manifest with digest"),
    "an index of nothing": (_raw(json.dumps(_index()).encode()), "none at all"),
    "an index of texts": (_raw(json.dumps(_index("a", 7, None)).encode()), "none at all"),
    "an index for another machine": (_index_for("pdp11"), "no variant for"),
    "an index with a path for a digest": (_raw(json.dumps(_index(_member("../x"))).encode()), "sha256 digest"),
}


def whole(blob: bytes) -> Callable[[Site], None]:
    """An image around a layer of these bytes. What it claims to unpack to is right where that can be known."""

    def make(site: Site) -> None:
        content = blob
        with contextlib.suppress(OSError, EOFError, zlib.error):
            content = gzip.decompress(blob)
        site.manifest(honest(site, Layer(blob, digest_of(content), "gzip")))

    return make


CORPUS: Mapping[str, tuple[Callable[[Site], None], str]] = {
    **{f"entry: {name}": (whole(images.layer(list(entries)).blob), why) for name, (entries, why) in ENTRIES.items()},
    **{f"layer: {name}": (whole(blob), why) for name, (blob, why) in LAYERS.items()},
    **{f"image: {name}": one for name, one in MANIFESTS.items()},
}


@contextlib.contextmanager
def serve(sites: Mapping[str, Site]) -> Iterator[str]:
    """The host and port of a registry with these repositories."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _, _, rest = self.path.partition("/v2/")
            repository, _, path = rest.partition("/")
            data = sites[repository].answers.get(path) if repository in sites else None
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(data or b"")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()

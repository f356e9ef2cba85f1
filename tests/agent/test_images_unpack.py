"""Unpacking layers in the confined process: what comes out right, and what is refused without touching the host."""

# What os.readlink and os.listdir give is compared as it is:
# ruff: noqa: PTH115, PTH208

from __future__ import annotations

import gzip
import json
import os
import stat
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest
import zstandard

from nodeagent.images import errors
from nodeagent.images.layers import unpacking
from nodeagent.images.settings import Limits
from tests import images
from tests.agent.host import needs_host
from tests.agent.images_host import scratch

pytestmark = needs_host

CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)
"""cap_net_bind_service=ep as the kernel stores it (VFS_CAP_REVISION_2)."""


@pytest.fixture
def root():
    with scratch() as directory:
        (directory / "outside").mkdir()
        target = directory / "layer"
        target.mkdir()
        yield target
        assert list((directory / "outside").iterdir()) == []
        assert {path.name for path in directory.iterdir()} == {"outside", "layer"}


async def unpack(data: bytes, root: Path, *, limits: Limits | None = None, step: int = 65536) -> unpacking.Unpacked:
    async def feed(start):
        for at in range(start, len(data), step):
            yield data[at : at + step]

    return await unpacking.unpack(feed, root, limits=limits or Limits())


async def unpack_entries(root, *entries, **options):
    layer = images.layer(list(entries), options.pop("compression", "gzip"))
    made = await unpack(layer.blob, root, **options)
    assert made.diff_id == layer.diff_id
    assert made.digest == layer.digest
    return made


def special(name, kind, **fields):
    return images.Entry(name, type=kind, **fields)


class TestFiles:
    @pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
    async def test_every_compression_gives_the_same_files(self, root, compression):
        made = await unpack_entries(root, *images.busybox_entries(), compression=compression)
        assert (root / "bin/busybox").stat().st_mode & 0o777 == 0o755
        assert os.readlink(root / "bin/sh") == "/bin/busybox"
        assert made.entries == len(images.busybox_entries())

    async def test_owner_mode_and_time_are_the_entries(self, root):
        await unpack_entries(
            root,
            images.Entry("./", type=tarfile.DIRTYPE, mode=0o711, uid=3, gid=4),
            images.directory("d", mode=0o2775, uid=1, gid=2000),
            images.file("d/plain", "x"),
            images.Entry("d/suid", b"x", mode=0o6755, uid=1000, gid=1001, mtime=1234567890.123456),
            images.directory("d/sub"),
            special("d/pipe", tarfile.FIFOTYPE, mode=0o622, uid=7),
            images.Entry("d/link", type=tarfile.SYMTYPE, link="x", uid=8, gid=9, mtime=1000),
        )
        suid = (root / "d/suid").stat()
        assert (stat.S_IMODE(suid.st_mode), suid.st_uid, suid.st_gid) == (0o6755, 1000, 1001)
        assert abs(suid.st_mtime_ns - 1234567890123456000) < 1000
        assert (root.stat().st_mode & 0o7777, root.stat().st_uid, root.stat().st_gid) == (0o711, 3, 4)
        # Neither group nor the bit itself is inherited from a set-group-id directory.
        assert ((root / "d/plain").stat().st_gid, (root / "d").stat().st_mode & 0o7777) == (0, 0o2775)
        assert (root / "d/sub").stat().st_mode & 0o7777 == 0o755
        assert stat.S_ISFIFO((root / "d/pipe").stat().st_mode)
        assert (root / "d/pipe").stat().st_uid == 7
        link = (root / "d/link").lstat()
        assert (link.st_uid, link.st_gid, link.st_mtime) == (8, 9, 1000)
        assert (root / "d").stat().st_mtime == 1_700_000_000

    async def test_hard_links_share_a_file(self, root):
        await unpack_entries(
            root,
            images.directory("a"),
            images.file("a/x", "1"),
            images.hard_link("b", "a/x"),
            images.hard_link("c", "/a/x"),
        )
        assert (root / "a/x").stat().st_nlink == 3
        assert (root / "b").samefile(root / "c")

    async def test_a_hard_link_to_a_symbolic_link_does_not_follow_it(self, root):
        await unpack_entries(root, images.symlink("s", "/etc/passwd"), images.hard_link("t", "s"))
        assert os.readlink(root / "t") == "/etc/passwd"

    async def test_attributes_of_files_are_kept(self, root):
        await unpack_entries(
            root,
            images.Entry("ping", b"x", mode=0o755, xattrs={"security.capability": CAPABILITY, "user.note": b"hi"}),
            images.Entry(
                "d", type=tarfile.DIRTYPE, mode=0o755, xattrs={"user.dir": b"1", "security.selinux": b"skipped"}
            ),
        )
        assert os.getxattr(root / "ping", "security.capability") == CAPABILITY
        assert os.getxattr(root / "ping", "user.note") == b"hi"
        assert os.listxattr(root / "d") == ["user.dir"]

    @pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    async def test_long_names_and_targets(self, root, form):
        name = "/".join(["d" * 200] * 5) + "/" + "f" * 250
        data = images.tar(
            [images.file(name, "x"), images.symlink("s", "t" * 600), images.hard_link("h", name)], format=form
        )
        await unpack(data, root)
        assert (root / name).read_text() == "x"
        assert os.readlink(root / "s") == "t" * 600
        assert (root / "h").stat().st_nlink == 2

    async def test_names_that_are_not_utf8(self, root):
        data = bytearray(images.tar([images.file("XYZ", "1")], format=tarfile.USTAR_FORMAT))
        data[0:3] = b"\xff\xfe\xfd"
        data[148:156] = b"%06o\0 " % (sum(data[:148]) + 8 * 32 + sum(data[156:512]))
        await unpack(bytes(data), root)
        assert os.listdir(os.fsencode(root)) == [b"\xff\xfe\xfd"]

    async def test_numbers_too_large_for_octal(self, root):
        data = images.tar([images.Entry("x", b"1", uid=4_000_000, gid=3_000_000)], format=tarfile.GNU_FORMAT)
        await unpack(data, root)
        assert ((root / "x").stat().st_uid, (root / "x").stat().st_gid) == (4_000_000, 3_000_000)

    @pytest.mark.parametrize(
        "flags",
        [
            ["--format=gnu"],
            ["--format=pax"],
            ["--format=pax", "--sparse-version=0.0"],
            ["--format=pax", "--sparse-version=0.1"],
        ],
    )
    async def test_sparse_files_as_gnu_tar_writes_them(self, root, flags, tmp_path):
        with (tmp_path / "holes").open("wb") as file:
            for number in range(30):
                file.seek(number * 200_000)
                file.write(b"%03d" % number * 300)
            file.truncate(10_000_000)
        subprocess.run(["tar", "-cSf", "x.tar", *flags, "holes"], cwd=tmp_path, check=True)
        await unpack((tmp_path / "x.tar").read_bytes(), root)
        assert (root / "holes").read_bytes() == (tmp_path / "holes").read_bytes()
        assert (root / "holes").stat().st_blocks * 512 < 2_000_000

    async def test_the_later_of_two_entries_wins(self, root):
        await unpack_entries(
            root,
            images.file("f", "1"),
            images.file("f", "22"),
            images.directory("d"),
            images.file("d/old", "x"),
            images.directory("d/deep"),
            images.file("d", "now a file"),
            images.symlink("s", "nowhere"),
            images.directory("s"),
            images.file("s/in", "x"),
            images.directory("s", mode=0o700),
        )
        assert (root / "f").read_text() == "22"
        assert (root / "d").read_text() == "now a file"
        assert (root / "s/in").read_text() == "x"
        assert (root / "s").stat().st_mode & 0o777 == 0o700

    async def test_missing_parents_are_made_and_told(self, root):
        made = await unpack_entries(root, images.file("a/b/c", "x"), images.directory("a"))
        assert made.implied == ("", "a/b")

    async def test_several_gzip_members_and_zstd_frames_are_one_stream(self, root):
        data = images.tar([images.file("a", os.urandom(300_000))])
        middle = len(data) // 2
        await unpack(gzip.compress(data[:middle]) + gzip.compress(data[middle:]) + b"\0" * 512, root)
        (root / "a").unlink()
        frames = [zstandard.compress(one) for one in (data[:middle], data[middle:])]
        skippable = struct.pack("<II", 0x184D2A50, 5) + b"extra"
        made = await unpack(frames[0] + skippable + frames[1] + skippable, root)
        assert made.diff_id == images.digest_of(data)

    async def test_pieces_of_any_size_do(self, root):
        layer = images.layer([images.file("a", b"x" * 3000), images.file("b", b"y")])
        made = await unpack(layer.blob, root, step=1)
        assert made.diff_id == layer.diff_id


class TestWhiteouts:
    async def test_they_become_what_overlayfs_knows(self, root):
        made = await unpack_entries(
            root, images.directory("d"), images.whiteout("d/gone"), images.whiteout("top"), images.opaque("d")
        )
        for path in (root / "d/gone", root / "top"):
            assert stat.S_ISCHR(path.stat().st_mode)
            assert path.stat().st_rdev == 0
        assert made.opaque == ("d",)
        unpacking.mark_opaque(root, made.opaque)
        assert os.getxattr(root / "d", "trusted.overlay.opaque") == b"y"

    async def test_removed_and_made_anew_hides_what_was_below(self, root):
        made = await unpack_entries(
            root,
            images.whiteout("first"),
            images.directory("first"),
            images.directory("second"),
            images.whiteout("second"),
            images.whiteout("file"),
            images.file("file", "x"),
            images.file("file2", "x"),
            images.whiteout("file2"),
        )
        assert made.opaque == ("first", "second")
        assert (root / "file").read_text() == (root / "file2").read_text() == "x"

    async def test_an_opaque_mark_is_never_set_through_a_link(self, root):
        (root / "link").symlink_to("/tmp")
        with pytest.raises(OSError, match=r"symbolic links|Not a directory"):
            unpacking.mark_opaque(root, ("link",))

    @pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "a/.wh.."])
    async def test_one_that_removes_no_name_is_refused(self, root, name):
        with pytest.raises(errors.HostileLayer, match="removes no name"):
            await unpack_entries(root, images.file(name))


class TestHostileLayers:
    """The corpus is in tests/hostile.py, and pulled in test_images_hostile.py."""

    async def test_links_may_point_anywhere_as_long_as_nothing_goes_through_them(self, root):
        await unpack_entries(
            root, images.symlink("a", "/etc"), images.symlink("b", "../../.."), images.symlink("a", "/usr")
        )
        assert os.readlink(root / "a") == "/usr"

    async def test_a_link_that_stays_inside_may_be_gone_through(self, root):
        await unpack_entries(
            root,
            images.directory("usr"),
            images.directory("usr/lib"),
            images.symlink("lib", "usr/lib"),
            images.file("lib/x", "1"),
            images.directory("usr/share"),
            images.symlink("usr/share/l", "../../lib/../lib"),
            images.file("usr/share/l/y", "2"),
        )
        assert (root / "usr/lib/x").read_text() == "1"
        assert (root / "usr/lib/y").read_text() == "2"
        assert (root / "lib").is_symlink()

    async def test_an_absolute_name_is_below_the_layers_root(self, root):
        await unpack_entries(root, images.file("/outside/x", "x"))
        assert (root / "outside/x").read_text() == "x"

    async def test_a_directory_made_a_link_is_not_gone_through(self, root):
        with pytest.raises(errors.HostileLayer, match="symbolic link"):
            await unpack_entries(root, images.directory("d"), images.symlink("d", "/outside"), images.file("d/x", "x"))

    @pytest.mark.parametrize("size", [10_000, 2**40, 2**62])
    async def test_a_size_that_lies_is_refused(self, root, size):
        data = bytearray(images.tar([images.file("x", b"1" * 100)], format=tarfile.GNU_FORMAT))
        data[124:136] = b"\x80" + size.to_bytes(11, "big")
        data[148:156] = b"%06o\0 " % (sum(data[:148]) + 8 * 32 + sum(data[156:512]))
        with pytest.raises((errors.BadImage, errors.HostileLayer)):
            await unpack(bytes(data)[:1024], root)

    @pytest.mark.parametrize("compression", ["gzip", "zstd"])
    async def test_a_bomb_is_stopped_early(self, root, compression):
        zeros = images.tar([images.file("zeros", b"\0" * (64 * 1024 * 1024))])
        with pytest.raises(errors.HostileLayer, match="bomb"):
            await unpack(images.compress(zeros, compression), root, limits=Limits(expansion=50))
        assert sum(path.stat().st_blocks * 512 for path in root.iterdir()) < 40 * 1024 * 1024

    async def test_a_zstd_bomb_is_stopped_by_default(self, root):
        compressor = zstandard.ZstdCompressor(level=19).compressobj()
        data = b"".join([compressor.compress(b"\0" * (1024 * 1024)) for _ in range(512)]) + compressor.flush()
        assert len(data) * 1100 < 512 * 1024 * 1024
        with pytest.raises((errors.HostileLayer, errors.BadImage)):
            await unpack(data, root)

    async def test_too_many_bytes_are_refused(self, root):
        with pytest.raises(errors.HostileLayer, match="larger than 1000 bytes"):
            await unpack_entries(
                root, images.file("x", b"1" * 999), images.file("y", b"1" * 2), limits=Limits(unpacked_bytes=1000)
            )

    async def test_a_sparse_file_of_exabytes_is_refused(self, root):
        entry = images.Entry(
            "x",
            b"1" * 512,
            pax={"GNU.sparse.map": "0,512", "GNU.sparse.size": str(2**60), "GNU.sparse.name": "x"},
        )
        with pytest.raises(errors.HostileLayer):
            await unpack_entries(root, entry)

    async def test_too_many_entries_are_refused(self, root):
        many = [images.file(f"f{number}") for number in range(101)]
        with pytest.raises(errors.HostileLayer, match="more than 100 entries"):
            await unpack_entries(root, *many, limits=Limits(entries=100))

    async def test_implied_directories_count_as_entries(self, root):
        with pytest.raises(errors.HostileLayer, match="more than 100 entries"):
            await unpack_entries(root, images.file("a/" * 150 + "x"), limits=Limits(entries=100))

    @pytest.mark.parametrize(
        "data",
        [
            b"\x1f\x8b" + b"\0" * 100,
            b"\x28\xb5\x2f\xfd" + b"\xff" * 100,
            b"not a tar archive at all" * 100,
            gzip.compress(images.tar([images.file("x", os.urandom(100_000))]))[:-5000],
            gzip.compress(images.tar([images.file("x", "1")])) + b"garbage follows",
            images.tar([images.file("x", b"1" * 10_000)])[:5000],
        ],
    )
    async def test_a_broken_stream_is_told(self, root, data):
        with pytest.raises(errors.BadImage):
            await unpack(data, root)

    async def test_no_space_is_this_nodes_fault_and_told_before_anything_is_written(self, root):
        with pytest.raises(errors.StoreError, match="full"):
            await unpack_entries(root, images.file("x"), limits=Limits(reserve_bytes=2**60))
        assert list(root.iterdir()) == []


async def test_many_files(root):
    """Count only; the benchmark has a hundred thousand, and the time."""
    entries = [images.directory(f"d{number}") for number in range(100)]
    entries += [images.file(f"d{number % 100}/f{number}", b"%d" % number) for number in range(20_000)]
    made = await unpack_entries(root, *entries)
    assert made.entries == 20_100
    assert (root / "d99/f19999").read_text() == "19999"


PROBE = """
import sys, os, json, socket
sys.path[:0] = sys.argv.pop().split(":")
from nodeagent.images.layers import process, extract
ATTEMPTS = {
    "proc": lambda: os.listdir("/proc"),
    "descriptors": lambda: os.listdir("/proc/self/fd"),
    "chroot": lambda: os.chroot("."),
    "mknod": lambda: os.mknod("device", 0o20600, os.makedev(1, 3)),
    "net": lambda: socket.socket().connect(("127.0.0.1", 1)),
    "setuid": lambda: os.setuid(1),
}
def run(self):
    found = {"root": os.listdir("/")}
    for name, act in ATTEMPTS.items():
        try:
            act()
            found[name] = "it worked"
        except OSError as error:
            found[name] = error.errno
    raise extract.Refused(json.dumps(found))
extract.Extractor.run = run
process.main()
"""


async def test_the_unpacking_process_sees_nothing_of_the_host(root, monkeypatch):
    """What a broken-in archive would find: run in place of the extractor, by a hook in the process's boot line."""
    monkeypatch.setattr(unpacking, "_BOOT", PROBE)
    with pytest.raises(errors.HostileLayer) as caught:
        await unpack_entries(root, images.file("x", "1"))
    found = json.loads(str(caught.value).partition("refused: ")[2])
    gone, forbidden, no_network = 2, 1, 101
    assert found == {
        "root": [],
        "proc": gone,
        "descriptors": gone,
        "chroot": forbidden,
        "mknod": forbidden,
        "setuid": forbidden,
        "net": no_network,
    }

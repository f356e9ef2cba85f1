"""Making a layer's files from its tar (runs confined, with the layer's directory as the root of the file system).

The directory is empty at first and nobody else is in it, so what is there is what this archive has made: a set of the
directories made so far tells without a system call whether a parent is a real directory. Symbolic links are made as
they are, wherever they point. A path that leads *through* one is followed only while it stays below the root by itself
(``lib -> usr/lib``); an absolute target or one that climbs out is refused, although the confinement would hold.

Whiteouts become what overlayfs knows: character device 0:0; opaque directories are reported, since their attribute takes
a privilege that this process has given up.
"""

# Names are bytes here, for which pathlib has no methods:
# ruff: noqa: PTH101, PTH102, PTH106, PTH108, PTH115, PTH211

from __future__ import annotations

import errno
import os
import stat

from nodeagent.images.layers import tarstream
from nodeagent.images.layers.tarstream import Member, Source, TarError

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
_LONGEST_PATH = 4095
_LONGEST_PART = 255
_MOST_LINKS = 40
_MOST_REPLACED_DIRECTORIES = 1000
_MOST_XATTRS = 64
_XATTR_PREFIX = b"SCHILY.xattr."
_KINDS = {tarstream.CHARACTER_DEVICE: "character", tarstream.BLOCK_DEVICE: "block"}


class Refused(Exception):
    """The archive asks for something that no layer may have."""


class Made:
    """What an archive has made: bytes of files, entries, opaque directories, and those without an entry of their own."""

    def __init__(self, size: int, entries: int, opaque: list[str], implied: list[str]) -> None:
        self.size, self.entries, self.opaque, self.implied = size, entries, opaque, implied


class Extractor:
    def __init__(self, source: Source, *, entries: int, unpacked_bytes: int, free_bytes: int) -> None:
        self._source = source
        self._is_disk_smaller = free_bytes < unpacked_bytes
        unpacked_bytes = min(unpacked_bytes, free_bytes)
        self._entries_left = self._most_entries = entries
        self._bytes_left = self._most_bytes = unpacked_bytes
        self._directories: dict[bytes, int] = {b"": -1}
        """Path to modification time, set at the end; -1 for a directory that has no entry of its own (yet)."""
        self._late_modes: dict[bytes, int] = {}
        """Of directories with set-group-id: what is made in them meanwhile must not inherit it."""
        self._whiteouts: set[bytes] = set()
        self._opaque: set[bytes] = set()
        self._replaced_directories = 0

    def run(self) -> None:
        makers = {
            tarstream.REGULAR: self._file,
            tarstream.DIRECTORY: self._directory,
            tarstream.SYMBOLIC_LINK: self._symbolic_link,
            tarstream.HARD_LINK: self._hard_link,
            tarstream.FIFO: self._fifo,
        }
        for member in tarstream.members(self._source):
            self._count()
            path = _path(member.name, "entry")
            head, _, name = path.rpartition(b"/")
            if head not in self._directories:
                head = self._parent(head, member.name)
                path = head + b"/" + name if head else name
            if name.startswith(_WHITEOUT):
                self._whiteout(head, name)
                self._source.skip(member.size + tarstream.padding(member.size))
                continue
            maker = makers.get(member.type)
            if maker is None:
                raise _unknown(member)
            maker(path, member)
        self._finish()

    def _count(self) -> None:
        self._entries_left -= 1
        if self._entries_left < 0:
            raise Refused(f"it has more than {self._most_entries} entries")

    def summary(self) -> Made:
        """Paths are in file system encoding (surrogate escapes for bytes that are not UTF-8)."""
        return Made(
            self._most_bytes - self._bytes_left,
            self._most_entries - self._entries_left,
            sorted(os.fsdecode(path) for path in self._opaque),
            sorted(os.fsdecode(path) for path, time in self._directories.items() if time == -1),
        )

    # --- kinds of entry

    def _file(self, path: bytes, member: Member) -> None:
        self._bytes_left -= member.size
        if self._bytes_left < 0 or member.real_size > self._most_bytes:
            if self._is_disk_smaller:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise Refused(f"its files are larger than {self._most_bytes} bytes, the most that is taken")
        if not path:
            raise Refused("an entry makes a file of the root directory")
        descriptor = self._create(path, member.mode)
        try:
            self._fill(descriptor, member)
            if member.uid or member.gid:
                _owner(member)
                os.fchown(descriptor, member.uid, member.gid)
                if member.mode & 0o6000:
                    os.fchmod(descriptor, member.mode)
            if member.pax:
                _set_xattrs(descriptor, member)
            os.utime(descriptor, ns=(member.mtime_ns, member.mtime_ns))
        finally:
            os.close(descriptor)

    def _create(self, path: bytes, mode: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(path, flags, mode)
        except FileExistsError:
            self._remove(path)
            return os.open(path, flags, mode)

    def _fill(self, descriptor: int, member: Member) -> None:
        size = member.size
        if member.pieces is not None:
            for offset, length in member.pieces:
                os.lseek(descriptor, offset, os.SEEK_SET)
                self._copy(descriptor, length)
            os.ftruncate(descriptor, member.real_size)
        elif size <= 65536:
            if size:
                data = self._source.take(size)
                if os.write(descriptor, data) != size:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        else:
            self._copy(descriptor, size)
        if size % tarstream.BLOCK:
            self._source.take(-size % tarstream.BLOCK)

    def _copy(self, descriptor: int, size: int) -> None:
        for piece in self._source.pieces(size):
            view = piece
            while view:
                view = view[os.write(descriptor, view) :]

    def _directory(self, path: bytes, member: Member) -> None:
        if path not in self._directories:
            self._make_directory(path, member.mode & 0o1777)
        else:
            os.chmod(path or b".", member.mode & 0o1777)
        if member.uid or member.gid or self._directories[path] != -1:
            _owner(member)
            os.chown(path or b".", member.uid, member.gid)
        self._late_modes.pop(path, None)
        if member.mode & 0o6000:
            self._late_modes[path] = member.mode
        if member.pax:
            _set_xattrs(path or b".", member)
        self._directories[path] = max(member.mtime_ns, 0)

    def _make_directory(self, path: bytes, mode: int) -> None:
        try:
            os.mkdir(path, mode)
        except FileExistsError:
            was_whiteout = path in self._whiteouts
            self._remove(path)
            os.mkdir(path, mode)
            if was_whiteout:
                # Removed below and made anew here: nothing of the lower directory may shine through.
                self._opaque.add(path)
        self._directories[path] = -1

    def _symbolic_link(self, path: bytes, member: Member) -> None:
        if not member.link or len(member.link) > _LONGEST_PATH or b"\0" in member.link:
            raise Refused(f"the symbolic link {_show(member.name)} has an impossible target")
        if not path:
            raise Refused("an entry makes a symbolic link of the root directory")
        try:
            os.symlink(member.link, path)
        except FileExistsError:
            self._remove(path)
            os.symlink(member.link, path)
        self._finish_special(path, member)

    def _hard_link(self, path: bytes, member: Member) -> None:
        target = _path(member.link, f"hard link {_show(member.name)} to")
        head, _, name = target.rpartition(b"/")
        if head not in self._directories:
            head = self._resolve(head, member.link, create=False)
            target = head + b"/" + name if head else name
        if target == path:
            return
        try:
            self._link(target, path)
        except FileNotFoundError:
            raise Refused(
                f"the hard link {_show(member.name)} leads to {_show(member.link)}, which the layer does not have"
            ) from None

    def _link(self, target: bytes, path: bytes) -> None:
        if not path or target in self._directories or target in self._whiteouts:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), target)
        try:
            os.link(target, path, follow_symlinks=False)
        except FileExistsError:
            os.lstat(target)
            self._remove(path)
            os.link(target, path, follow_symlinks=False)

    def _fifo(self, path: bytes, member: Member) -> None:
        if not path:
            raise Refused("an entry makes a pipe of the root directory")
        try:
            os.mkfifo(path, member.mode)
        except FileExistsError:
            self._remove(path)
            os.mkfifo(path, member.mode)
        self._finish_special(path, member)

    def _finish_special(self, path: bytes, member: Member) -> None:
        if member.uid or member.gid:
            _owner(member)
            os.chown(path, member.uid, member.gid, follow_symlinks=False)
        os.utime(path, ns=(member.mtime_ns, member.mtime_ns), follow_symlinks=False)

    def _whiteout(self, head: bytes, name: bytes) -> None:
        if name == _OPAQUE:
            self._opaque.add(head)
            return
        if name.startswith(_WHITEOUT + _WHITEOUT):
            return  # bookkeeping of aufs
        removed = name[len(_WHITEOUT) :]
        if removed in (b"", b".", b".."):
            raise Refused(f"the whiteout {_show(name)} removes no name")
        path = head + b"/" + removed if head else removed
        if path in self._directories:
            # The layer has the directory itself: what is removed is the one below.
            self._opaque.add(path)
            return
        try:
            os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))
        except FileExistsError:
            return  # the layer has a file of that name, which hides the lower one anyway
        self._whiteouts.add(path)

    # --- paths

    def _parent(self, head: bytes, shown: bytes) -> bytes:
        """The real directory that ``head`` is, made (with everything above it) where it is missing."""
        return self._resolve(head, shown, create=True)

    def _resolve(self, path: bytes, shown: bytes, *, create: bool) -> bytes:
        done = b""
        waiting = path.split(b"/") if path else []
        waiting.reverse()
        links = 0
        while waiting:
            part = waiting.pop()
            here = done + b"/" + part if done else part
            if here in self._directories:
                done = here
                continue
            if part in (b"", b"."):
                continue
            if part == b"..":
                if not done:
                    raise Refused(f"the path {_show(shown)} leads through a symbolic link out of the root")
                done = done.rpartition(b"/")[0]
                continue
            target = _read_link(here)
            if target is None:
                done = self._implied(here, create=create)
                continue
            links += 1
            if target.startswith(b"/") or links > _MOST_LINKS:
                raise Refused(
                    f"the path {_show(shown)} leads through the symbolic link {_show(here)} to {_show(target)}"
                )
            waiting.extend(reversed(target.split(b"/")))
        return done

    def _implied(self, path: bytes, *, create: bool) -> bytes:
        if not create:
            raise Refused(f"a hard link leads to {_show(path)}, which is no directory of this layer")
        if len(path) > _LONGEST_PATH:
            raise Refused("a path is longer than 4095 bytes")
        self._count()
        self._make_directory(path, 0o755)
        return path

    def _remove(self, path: bytes) -> None:
        """Something of this name came before: the later entry wins, as in every tar."""
        self._whiteouts.discard(path)
        if path not in self._directories:
            os.unlink(path)
            return
        if not path:
            raise Refused("an entry replaces the root directory")
        self._replaced_directories += 1
        if self._replaced_directories > _MOST_REPLACED_DIRECTORIES:
            raise Refused(f"more than {_MOST_REPLACED_DIRECTORIES} entries replace a directory")
        below = path + b"/"
        gone = [one for one in self._directories if one == path or one.startswith(below)]
        for one in sorted(gone, key=len, reverse=True):
            _remove_directory(one)
            del self._directories[one]
            self._late_modes.pop(one, None)
        self._whiteouts = {one for one in self._whiteouts if not one.startswith(below)}
        self._opaque = {one for one in self._opaque if one != path and not one.startswith(below)}

    def _finish(self) -> None:
        """Modes and times of directories come last: making a file in one changes its time."""
        for path, mode in self._late_modes.items():
            os.chmod(path or b".", mode)
        for path, time in self._directories.items():
            if time >= 0:
                os.utime(path or b".", ns=(time, time))


def _path(name: bytes, what: str) -> bytes:
    """``./a//b/`` is ``a/b``; a leading ``/`` is the layer's root. Raises `Refused` for ``..`` and absurd names."""
    if len(name) > _LONGEST_PATH:
        raise Refused(f"the {what} of {len(name)} bytes is longer than any path ({_show(name[:60])}…)")
    if b"\0" in name:
        raise Refused(f"the {what} {_show(name)} has a zero byte in its name")
    parts = name.split(b"/")
    if b".." in parts:
        raise Refused(f"the {what} {_show(name)} leads outside its root ('..')")
    if b"" in parts or b"." in parts:
        parts = [part for part in parts if part not in (b"", b".")]
        name = b"/".join(parts)
    if len(name) > _LONGEST_PART and max(map(len, parts)) > _LONGEST_PART:
        raise Refused(f"the {what} {_show(name[:60])}… has a part longer than {_LONGEST_PART} bytes")
    return name


def _unknown(member: Member) -> Exception:
    if member.type in _KINDS:
        return Refused(f"{_show(member.name)} is a {_KINDS[member.type]} device, and images may not bring devices")
    return TarError(f"{_show(member.name)} is an entry of unknown type {member.type!r}")


def _owner(member: Member) -> None:
    if not (0 <= member.uid < 2**32 - 1 and 0 <= member.gid < 2**32 - 1):
        raise Refused(f"{_show(member.name)} has an impossible owner {member.uid}:{member.gid}")


def _set_xattrs(target: int | bytes, member: Member) -> None:
    """File capabilities, ACLs and ``user.*`` are the image's to set. What steers overlayfs is not; the rest is skipped."""
    given = [(key[len(_XATTR_PREFIX) :], value) for key, value in member.pax.items() if key.startswith(_XATTR_PREFIX)]
    if len(given) > _MOST_XATTRS:
        raise Refused(f"{_show(member.name)} has {len(given)} extended attributes")
    for name, value in given:
        if name.startswith((b"trusted.", b"user.overlay.")):
            raise Refused(f"{_show(member.name)} sets the extended attribute {_show(name)}, which is the host's")
        if name == b"security.capability" or name.startswith((b"user.", b"system.posix_acl_")):
            try:
                os.setxattr(target, name, value)
            except OSError as error:
                if error.errno != errno.ENOTSUP:
                    raise


def _read_link(path: bytes) -> bytes | None:
    """None where there is no symbolic link."""
    try:
        return os.readlink(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINVAL):
            return None
        raise


def _remove_directory(path: bytes) -> None:
    """One that has no directories in it (any more)."""
    with os.scandir(path) as entries:
        names = [entry.path for entry in entries]
    for name in names:
        os.unlink(name)
    os.rmdir(path)


def _show(name: bytes) -> str:
    return repr(os.fsdecode(name[:200]))[:300]

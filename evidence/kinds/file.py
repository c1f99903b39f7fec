"""Files in watched trees: what they were, what they are, who wrote or read them."""

from __future__ import annotations

from ..kind import Actor, Body, Part


class FileState(Part, frozen=True, kw_only=True):
    """A file's state. mtime is UTC nanoseconds; type is ``file``, ``dir``, ``link`` or ``other``."""

    type: str = "file"
    size: int | None = None
    sha256: str | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    mtime: int | None = None
    inode: int | None = None
    target: str | None = None
    xattrs: dict[str, str] | None = None
    capabilities: str | None = None


class Explanation(Part, frozen=True, kw_only=True):
    """Why a change is expected: the package that owns the path, and whether the hash is the package's.

    A file that is gone matches when the package that owned it does not list it any more.
    """

    package: str
    version: str | None = None
    matches: bool | None = None
    transaction: bool = False


class _FileEvent(Body, frozen=True, kw_only=True):
    """What file kinds share. found is ``live`` (seen happening) or ``scan`` (differs from the baseline).

    late: the actor had ended when the event was read, and was found by its pid and the time. container_path
    is the path as the actor's own mount namespace shows it, where that is another one. told_by is the kind of
    the event that says what the content means, where there is one: rules judge that one.
    """

    path: str
    actor: Actor | None = None
    explained_by: Explanation | None = None
    found: str = "live"
    late: bool = False
    container_path: str | None = None
    told_by: str | None = None


class Create(_FileEvent, frozen=True, kw_only=True, tag="file.create"):
    """A file appeared; moved_from is its former path, outside the watched trees."""

    after: FileState | None = None
    moved_from: str | None = None


class Change(_FileEvent, frozen=True, kw_only=True, tag="file.change"):
    """A file's content changed; diff holds lines only for the short list of the design (section 4)."""

    before: FileState | None = None
    after: FileState | None = None
    added: tuple[str, ...] | None = None
    removed: tuple[str, ...] | None = None


class Attributes(_FileEvent, frozen=True, kw_only=True, tag="file.attributes"):
    """Mode, owner, xattrs or capabilities changed, the content did not."""

    before: FileState | None = None
    after: FileState | None = None


class Rename(_FileEvent, frozen=True, kw_only=True, tag="file.rename"):
    """A file moved; path is the new one, former the old one."""

    former: str
    after: FileState | None = None


class Delete(_FileEvent, frozen=True, kw_only=True, tag="file.delete"):
    """A file is gone; moved_to is its new path, outside the watched trees."""

    before: FileState | None = None
    moved_to: str | None = None


class Read(_FileEvent, frozen=True, kw_only=True, tag="file.read"):
    """Sensitive files of one tree were opened for reading by one process, aggregated; path is the first one.

    tree is the configured path. The first read of a process is told at once, then what came since, each
    minute and at the process's end: the sums over its events count. files counts paths that no earlier event
    counted, bytes their sizes, opens all opens; first and last are UTC ns. decoy: the file is there to be
    read by nobody.
    """

    lane = "priority"

    tree: str
    paths: tuple[str, ...] = ()
    files: int = 1
    opens: int = 1
    bytes: int | None = None
    decoy: bool = False
    owner: int | None = None
    first: int | None = None
    last: int | None = None


class Shrunk(_FileEvent, frozen=True, kw_only=True, tag="file.shrunk"):
    """A log or login record that is followed lost what had been read of it, other than by rotation.

    how: truncated, rewritten (in place), replaced (by an altered copy), removed. before.size is up to where
    it had been read. lost counts those of the newest records (64 KiB) that are gone; lost_from and lost_to
    are the times they bear (UTC ns), lost_at all of those, where they are few.
    """

    lane = "priority"

    how: str
    before: FileState | None = None
    after: FileState | None = None
    lost: int = 0
    lost_from: int | None = None
    lost_to: int | None = None
    lost_at: tuple[int, ...] = ()


class Package(Body, frozen=True, kw_only=True, tag="file.package"):
    """What a transaction did to one package's files in the watched trees, instead of an event for each.

    Counted are only those that the package manager itself wrote or removed, and that then were exactly what
    the package's database says; links, and files with powers of their own, are told by themselves. bytes are
    the sizes of what was created and changed; first and last are UTC ns. former_version is None where the
    package was not installed (or that is not known, of rpm), version where it is not any more.
    """

    package: str
    former_version: str | None = None
    version: str | None = None
    created: int = 0
    changed: int = 0
    deleted: int = 0
    bytes: int = 0
    first: int | None = None
    last: int | None = None
    actor: Actor | None = None


KINDS = (Create, Change, Attributes, Rename, Delete, Read, Shrunk, Package)

"""Who may write the published files: one folder, and no version of the software over a newer one.

The folder keeps a code of its own, and one row says whose turn it is. So a second host with the same database and
another disk says that its pages are not the ones that are kept current, instead of confirming them.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Exists
from django.utils.translation import gettext_lazy as _

from incidents.models import Failure
from incidents.models.base import new_public_id
from status.models import Publisher
from status.publication import files, state

IDENTITY = ".identity"
FAILURE = "root"  # the kind of failure that is noted of a folder which is not published in
ELSEWHERE = _(
    "The pages are published in another folder, and this host's is not written any more. If readers read here, run:"
    " incident-portal publish --here"
)
NEWER = _("These files were written by newer software. To go back to this version, run: incident-portal publish --here")
KEPT = 50  # versions: a process of one that is older has ended long ago


class NotOurs(Exception):
    """It is for another folder, or for newer software, to write these files. Its words say what staff can do."""


def identity() -> str:
    """The code of PUBLICATION_ROOT, whatever its path is; a folder without one gets a new one."""
    try:
        if known := (files.root() / IDENTITY).read_text():
            return known
    except FileNotFoundError:
        pass
    with files.locked(files.root() / ".ticks" / "identity", timeout=1.0):
        if not (files.root() / IDENTITY).exists():
            files.replace(files.root() / IDENTITY, new_public_id().encode())
    return (files.root() / IDENTITY).read_text()


def check_folder() -> None:
    """Raise `NotOurs` unless PUBLICATION_ROOT is the folder that the row names; the first that asks is."""
    own = identity()
    known = Publisher.objects.filter(pk=1).values_list("root", flat=True).first()
    if not known:
        Publisher.objects.get_or_create(pk=1)
        Publisher.objects.filter(pk=1, root="").update(root=own)
        known = Publisher.objects.values_list("root", flat=True).get(pk=1)
    if known != own:
        raise NotOurs(ELSEWHERE)


def why_not() -> str:
    """What staff can do when pages are not published in this process's folder; "" when they are. Changes nothing."""
    known = Publisher.objects.filter(pk=1).values_list("root", flat=True).first()
    try:
        own = (files.root() / IDENTITY).read_text()
    except OSError:
        own = ""
    return str(ELSEWHERE) if known and known != own else ""


def check_version(found: str) -> None:
    """Raise `NotOurs` when the software that wrote these files came after this process's own."""
    if found == state.VERSION:
        return
    known = Publisher.objects.filter(pk=1).values_list("versions", flat=True).first() or []
    if state.VERSION not in known:
        known = note_version()
    if found in known and known.index(found) > known.index(state.VERSION):
        raise NotOurs(NEWER)


def note_version(**_signal: Any) -> list[str]:
    """What was just installed is the newest, also when it is an older one that is wanted back; returns all of them."""
    with transaction.atomic():
        Publisher.objects.get_or_create(pk=1)
        row = Publisher.objects.select_for_update(no_key=True).get(pk=1)
        row.versions = [*(version for version in row.versions if version != state.VERSION), state.VERSION][-KEPT:]
        row.save(update_fields=["versions"])
    versions: list[str] = row.versions
    return versions


def publish_here() -> None:
    """Let this folder and this software be what pages are published with, whatever was before.

    What a folder has from when it was that before is made anew.
    """
    note_version()
    if Publisher.objects.exclude(root=identity()).filter(pk=1).update(root=identity()):
        for noted in files.root().glob(f"pages/*/{state.NAME}"):
            noted.unlink(missing_ok=True)
    Failure.objects.filter(kind=FAILURE).delete()


def is_still_here() -> Exists:
    """For a statement: that no other folder has become the one meanwhile."""
    return Exists(Publisher.objects.filter(pk=1, root=identity()))

"""What the record's rows have in common: a public id, times, and a history with an author."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any, NoReturn, Self, TypeVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from simple_history.manager import HistoryManager
from simple_history.models import HistoricalRecords

from incidents.authorship import history_author, history_reason
from incidents.errors import InvalidInput, InvalidTransition
from incidents.marks import mark_of
from incidents.record_time import WrittenAt, written_at

M = TypeVar("M", bound=models.Model)


class TrackedQuerySet(models.QuerySet[M]):
    def live(self) -> Self:
        return self.filter(deleted_at=None)

    def locked(self) -> Self:
        """Hold these rows as `Tracked.lock` does, in the order of their keys: what fits still when it is held."""
        return self.select_for_update(of=("self",), no_key=True).order_by("pk")


# Kept in no history row, so that a subscriber can be forgotten; it has a keyed hash of them
PERSONAL = ("address", "endpoint", "contact", "secret", "old_secret")

PUBLIC_ID_ALPHABET = "0123456789bcdfghjklmnpqrstvwxyz"  # Statuspage's: no vowels, so no words
PUBLIC_ID_LENGTH = 12


def new_public_id() -> str:
    return "".join(secrets.choice(PUBLIC_ID_ALPHABET) for _position in range(PUBLIC_ID_LENGTH))


class Marked(models.Model):
    """A history row with a keyed hash of what it does not say itself (`incidents.marks`)."""

    mark = models.CharField(max_length=32, blank=True, editable=False)

    class Meta:
        abstract = True


class MarkingManager(HistoryManager):
    def bulk_history_create(self, objs: Iterable[Any], **options: Any) -> list[Any]:
        """Of rows that `bulk_create_with_history` created."""
        now = written_at()
        rows = [
            self.model(
                history_date=now,
                history_type="+",
                history_user=options["default_user"],
                mark=mark_of(row),
                **{field.attname: getattr(row, field.attname) for field in self.model.tracked_fields},
            )
            for row in objs
        ]
        return list(self.model.objects.bulk_create(rows, batch_size=options["batch_size"]))


class History(HistoricalRecords):
    """What a proxy saves is kept in the history of its model. The reason has what the running service remarked."""

    def finalize(self, sender: type[models.Model], **kwargs: Any) -> None:
        if sender._meta.proxy and issubclass(sender, self.cls):
            models.signals.post_save.connect(self.post_save, sender=sender, weak=False)
            sender._meta.simple_history_manager_attribute = self.manager_name  # type: ignore[attr-defined]  # simple_history's
        else:
            super().finalize(sender, **kwargs)

    def create_historical_record(self, instance: Any, history_type: str, using: str | None = None) -> None:
        instance._history_date = written_at()
        super().create_historical_record(instance, history_type, using=using)

    def get_change_reason_for_object(self, instance: models.Model, _kind: str, _using: str | None) -> str | None:
        return history_reason(instance)


class Tracked(models.Model):
    """A row whose every change is kept, with its author; changed by services, one row at a time."""

    public_id = models.CharField(_("public id"), max_length=12, unique=True, default=new_public_id, editable=False)
    created_at = WrittenAt(auto_now_add=True)
    updated_at = WrittenAt(auto_now=True)
    deleted_at = models.DateTimeField(_("deleted at"), null=True, blank=True, editable=False)

    history = History(
        inherit=True,
        get_user=history_author,
        history_change_reason_field=models.TextField(null=True),
        excluded_fields=list(PERSONAL),
        bases=[Marked],
        history_manager=MarkingManager,
    )

    _change_reason: str | None  # kept in the next history row

    class Meta:
        abstract = True

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        """A new row whole; of one that was there only what is named, so that it never undoes what others wrote."""
        history_author()  # before anything is written: the history row, which asks too, comes after
        if not self._state.adding:
            if update_fields is None:
                raise TypeError("Name the fields to save: the others may have changed since this row was read.")
            update_fields = {*update_fields, "updated_at"}
        super().save(*args, update_fields=update_fields, **kwargs)

    def lock(self) -> Self:
        """Hold this row until the transaction ends (FOR NO KEY UPDATE) and read it anew.

        On SQLite a transaction holds the only write lock from its start, so nothing more is needed.
        """
        rows = type(self)._base_manager.select_for_update(of=("self",), no_key=True)
        self.refresh_from_db(from_queryset=rows)
        return self

    def lock_live(self) -> Self:
        """`lock` it; raises `InvalidTransition` when it was deleted, or its page."""
        self.lock()
        self._check_in_use()
        if page := getattr(self, "page", None):
            page.check_live()
        return self

    @property
    def is_in_use(self) -> bool:
        """Whether neither it nor its page was deleted: what `lock_live` asks for."""
        page = getattr(self, "page", None)
        return self.deleted_at is None and (page is None or page.deleted_at is None)

    def check_live(self) -> None:
        """Raises `InvalidTransition` when it was deleted, for whoever works on what belongs to it."""
        if self.deleted_at:
            raise InvalidTransition(
                gettext("“%(name)s”, where it belongs, is deleted. Restore that first.") % {"name": self}
            )

    def _check_in_use(self) -> None:
        if self.deleted_at:
            raise InvalidTransition(gettext("“%(row)s” was deleted. The record keeps it as it was.") % {"row": self})

    def change(self, **facts: Any) -> None:
        """Set these facts of a locked row, and save them alone. They are the code's own; a caller's are checked."""
        for name, value in {"updated_at": written_at(), **facts}.items():
            setattr(self, name, value)
        self.save(update_fields=facts)

    def beside_history(self) -> list[Any]:
        """What counts of it and is kept in no history row, in plain values; [] when there is nothing."""
        names = {field.name for field in self._meta.concrete_fields}
        return [getattr(self, name) for name in PERSONAL if name in names]

    def mark_deleted(self, reason: str = "") -> None:
        """Take a locked row out of use; it stays in the record. Raises `InvalidTransition` when it is not in use."""
        self._check_in_use()
        self._change_reason = reason or None
        self.change(deleted_at=written_at())

    def mark_restored(self, reason: str = "") -> None:
        """Take back into use what was deleted; its public id and its history go on.

        Raises `InvalidTransition` when it is not deleted; a constraint refuses when something else has its place now.
        """
        if self.deleted_at is None:
            raise InvalidTransition(gettext("This is not deleted: there is nothing to restore."))
        self._change_reason = reason or None
        self.change(deleted_at=None)


def save_checked(row: models.Model, **facts: Any) -> bool:
    """Set these facts of a new or a locked row and save it: a new one whole, another one in what changed, if anything.

    What the fields refuse is one `InvalidInput`; what its constraints refuse, the database says when it is written.
    Returns whether anything was saved.
    """
    is_new = row._state.adding
    changed = [name for name, value in facts.items() if is_new or getattr(row, name) != value]
    for name in changed:
        setattr(row, name, facts[name])
    for field in row._meta.concrete_fields:  # PostgreSQL cannot keep a NUL, SQLite would
        if isinstance(value := getattr(row, field.attname), str) and "\x00" in value:
            raise InvalidInput(gettext("The text contains a NUL character."), field=field.name)
    try:
        row.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        name, messages = next(iter(error.message_dict.items()))
        raise InvalidInput(" ".join(messages), field=None if name == "__all__" else name) from error
    if is_new:
        row.save()
    elif changed:
        row.save(update_fields=changed)
    return is_new or bool(changed)


def _refuse() -> NoReturn:
    raise TypeError("These rows are append-only: add a newer one instead.")


class AppendOnlyQuerySet(models.QuerySet[M]):
    def update(self, **_fields: Any) -> NoReturn:
        _refuse()

    def delete(self) -> NoReturn:
        _refuse()


class AppendOnly(models.Model):
    """A row that stays as it was written, and so is its own history."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            _refuse()
        super().save(*args, **kwargs)

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        _refuse()

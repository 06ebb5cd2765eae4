"""Django's classes that only type checkers know to be generic, for rows of any model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin import ModelAdmin
from django.forms import ModelForm

if TYPE_CHECKING:
    AnyModelAdmin = ModelAdmin[Any]
    AnyModelForm = ModelForm[Any]
else:
    AnyModelAdmin, AnyModelForm = ModelAdmin, ModelForm

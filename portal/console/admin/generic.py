"""Django's classes that only type checkers know to be generic, for rows of any model or of people's accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin import ModelAdmin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.forms import ModelForm

if TYPE_CHECKING:
    from incidents.models import User

    AnyModelAdmin = ModelAdmin[Any]
    AnyModelForm = ModelForm[Any]
    AccountAdmin = UserAdmin[User]
    AccountCreationForm = AdminUserCreationForm[User]
    AccountChangeForm = UserChangeForm[User]
else:
    AnyModelAdmin, AnyModelForm = ModelAdmin, ModelForm
    AccountAdmin, AccountCreationForm, AccountChangeForm = UserAdmin, AdminUserCreationForm, UserChangeForm

from __future__ import annotations

from django.urls import path

from status.subscriptions import views

urlpatterns = [
    path("subscribe", views.subscribe, name="subscribe"),
    path("subscribe/webhook", views.subscribe_webhook, name="subscribe-webhook"),
    path("subscriptions/<str:token>", views.subscription, name="subscription"),
    path("subscriptions/<str:token>/confirm", views.confirm, name="subscription-confirm"),
    path("subscriptions/<str:token>/secret", views.secret, name="subscription-secret"),
    path("subscriptions/<str:token>/unsubscribe", views.unsubscribe, name="subscription-unsubscribe"),
]

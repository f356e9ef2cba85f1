"""The dashboard's paths: its page at every address that is nobody else's, so that deep links work."""

from __future__ import annotations

from django.urls import path, re_path

from dashboard import views

urlpatterns = [
    path("session", views.SessionView.as_view()),
    path("", views.index),
    re_path(rf"^(?P<path>(?!({views.RESERVED})(/|$))[a-z][^/]*(/.*)?)$", views.index),
]

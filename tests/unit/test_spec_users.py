from __future__ import annotations

import os

import pytest

from nodeagent.errors import ConfigError
from nodeagent.runtime import users
from nodeagent.runtime.spec import User


@pytest.fixture
def root(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nbroken\napp:x:1000:1001::/:/bin/sh\n")
    (tmp_path / "etc/group").write_text("root:x:0:\nstaff:x:50:app,other\nwheel:x:10:app\n")
    return tmp_path


@pytest.mark.parametrize(
    ("image_user", "settings", "expected"),
    [
        ("", {}, User(0, 0)),
        ("app", {}, User(1000, 1001, (50, 10))),
        ("1000", {}, User(1000, 1001, (50, 10))),
        ("app:staff", {}, User(1000, 50, (50, 10))),
        ("app:77", {}, User(1000, 77, (50, 10))),
        ("5555", {}, User(5555, 0)),
        ("app", {"run_as_user": 5555}, User(5555, 0)),
        ("app:staff", {"run_as_user": 1000}, User(1000, 1001, (50, 10))),
        ("app", {"run_as_group": 9}, User(1000, 9, (50, 10))),
        ("", {"run_as_group": 9}, User(0, 9)),
        ("app", {"additional_gids": [10, 99]}, User(1000, 1001, (50, 10, 99))),
    ],
)
def test_names_and_numbers_are_resolved(root, image_user, settings, expected):
    assert users.resolve(root, image_user=image_user, **settings) == expected


@pytest.mark.parametrize("image_user", ["nobody", "app:nogroup", "99999999999", "-1"])
def test_unknown_names_are_refused(root, image_user):
    with pytest.raises(ConfigError, match=r"securityContext\.runAs"):
        users.resolve(root, image_user=image_user)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../../etc/passwd"])
def test_links_do_not_lead_to_the_hosts_files(root, target):
    (root / "etc/passwd").unlink()
    (root / "etc/passwd").symlink_to(target)
    with pytest.raises(ConfigError):
        users.resolve(root, image_user="daemon")  # which the host does have


def test_links_within_the_image_are_followed(root):
    (root / "real").mkdir()
    (root / "etc/passwd").rename(root / "real/passwd")
    (root / "etc/passwd").symlink_to("/real/passwd")
    assert users.resolve(root, image_user="app").uid == 1000


def test_a_fifo_for_a_file_does_not_hold_us(root):
    (root / "etc/passwd").unlink()
    os.mkfifo(root / "etc/passwd")
    with pytest.raises(ConfigError):
        users.resolve(root, image_user="app")

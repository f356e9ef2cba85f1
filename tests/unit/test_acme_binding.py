"""What an ACME account is to be bound to, from the settings; what is wrong with them is said by their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from controlplane.controllers.acme import controller
from controlplane.controllers.acme.errors import AcmeError


@pytest.mark.parametrize(
    ("key_id", "content", "wrong"),
    [
        ("customer", b"c2VjcmV0_-==\n", ""),
        ("customer", None, "KEY_FILE, .*no-such, cannot be read: No such file"),
        ("customer", b"\xff", "KEY_FILE, .*, cannot be read: it is not text"),
        ("customer", b"not/base64url", "is not a key in base64url"),
        ("customer", b"", "is not a key in base64url"),
        ("", b"c2VjcmV0", "both, or neither"),
    ],
)
def test_a_binding_is_whole_or_refused(settings: Any, tmp_path: Path, key_id: str, content: bytes | None, wrong: str):
    file = tmp_path / ("no-such" if content is None else "key")
    if content is not None:
        file.write_bytes(content)
    settings.ACME_EAB_KEY_ID, settings.ACME_EAB_KEY_FILE = key_id, str(file)
    if wrong:
        with pytest.raises(AcmeError, match=wrong) as refused:
            controller._binding()
        assert "not/base64url" not in str(refused.value), "it is a secret"
        return
    made = controller._binding()
    assert (made.key_id, made.hmac_key) == ("customer", "c2VjcmV0_-")
    assert "c2VjcmV0" not in repr(made)


def test_without_settings_there_is_none(settings: Any):
    settings.ACME_EAB_KEY_ID = settings.ACME_EAB_KEY_FILE = ""
    assert controller._binding() is None

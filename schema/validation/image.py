"""Images: made by the control plane from what nodes and the registry have, so types are all there is to check."""

from __future__ import annotations

from schema.slipway.image import Image
from schema.validation.causes import Problems


def check(image: Image, problems: Problems) -> None:
    """Nothing that the types do not say."""

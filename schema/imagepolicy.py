"""Which images the pods of a namespace may use: annotations of the Namespace, which only its administrators write. Pure.

* ``slipway.dev/allowed-registries``: ``localhost:5000/shop, docker.io/library``: registries, or parts of them.
* ``slipway.dev/require-image-digest: "true"``: images are named by digest, which cannot come to mean something else.
* ``slipway.dev/image-signature-keys``: public keys (PEM); nodes run only images that one of them has signed (cosign).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schema import imagenames
from schema.base import Wire
from schema.slipway.building import BUILDER_IMAGE

REGISTRIES = "slipway.dev/allowed-registries"
DIGEST = "slipway.dev/require-image-digest"
KEYS = "slipway.dev/image-signature-keys"
_TRUTHS = ("true", "false")
BEGINNING = "-----BEGIN PUBLIC KEY-----"


@dataclass(frozen=True)
class Policy:
    registries: tuple[str, ...] = ()
    """Empty: all."""
    needs_digest: bool = False
    keys: str = ""

    @property
    def restricts_names(self) -> bool:
        return bool(self.registries) or self.needs_digest


def of(annotations: Mapping[str, str]) -> Policy:
    """What cannot be read restricts: a policy that was meant must not vanish by a slip."""
    text = annotations.get(REGISTRIES)
    registries = tuple(each.strip().strip("/") for each in text.split(",") if each.strip()) if text is not None else ()
    if text is not None and not registries:
        registries = ("none",)
    return Policy(registries, annotations.get(DIGEST, "false") != "false", annotations.get(KEYS, ""))


def refusals(policy: Policy, spec: Wire) -> Iterator[tuple[str, str]]:
    """Field and reason for each image of a pod's spec that the policy forbids."""
    if not policy.restricts_names:
        return
    for group, position, text in imagenames.texts_of(spec):
        name = imagenames.parse(text)
        field = f"spec.{group}[{position}].image"
        if name is None or text.startswith(f"{BUILDER_IMAGE}/"):
            continue  # validation's; the node's own builder
        if policy.registries and not _is_allowed(policy, name):
            yield (
                field,
                f"image {text} is of none of the registries that the namespace allows: {', '.join(policy.registries)}",
            )
        elif policy.needs_digest and not name.digest:
            yield field, f"image {text} has no digest, which the namespace requires"


def _is_allowed(policy: Policy, name: imagenames.Image) -> bool:
    whole = f"{name.host}/{name.repository}"
    return any(whole == each or whole.startswith(f"{each}/") for each in policy.registries)


def faults(annotations: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Annotation, value and what is wrong with it."""
    if (value := annotations.get(REGISTRIES)) is not None:
        for each in (part.strip() for part in value.split(",")):
            host, slash, rest = each.strip("/").partition("/")
            if not host or (slash and not all(imagenames.is_part(part) for part in rest.split("/"))):
                yield REGISTRIES, value, "a list of registries, such as localhost:5000/shop, docker.io/library"
                break
    if (value := annotations.get(DIGEST)) is not None and value not in _TRUTHS:
        yield DIGEST, value, "true or false"
    if (value := annotations.get(KEYS)) is not None and BEGINNING not in value:
        yield KEYS, value[:60], f"one or more public keys in PEM, beginning with {BEGINNING}"

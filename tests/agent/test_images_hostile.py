"""The corpus of hostile images: each is refused with its reason, and the node is as it was."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from nodeagent.errors import ImagePullError
from nodeagent.images.settings import Limits
from tests import hostile
from tests.agent.host import needs_host
from tests.agent.images_host import QUICK, leftovers, opened, scratch

pytestmark = needs_host

SETTINGS = replace(QUICK, limits=Limits(entries=2050, unpacked_bytes=2 * 1024 * 1024, expansion=50))
REPOSITORIES = {f"case{number}": name for number, name in enumerate(hostile.CORPUS)}


@pytest.fixture(scope="module")
def host():
    sites = {}
    for repository, name in REPOSITORIES.items():
        sites[repository] = hostile.Site()
        hostile.CORPUS[name][0](sites[repository])
    with hostile.serve(sites) as where:
        yield where


@pytest.fixture(scope="module")
def directory():
    with scratch() as made:
        (made / "outside").mkdir()
        yield made


@pytest.mark.parametrize("repository", REPOSITORIES, ids=REPOSITORIES.values())
async def test_it_is_refused_with_its_reason_and_leaves_nothing(directory: Path, host: str, repository: str) -> None:
    async with opened(directory, SETTINGS) as store:
        with pytest.raises(ImagePullError, match=hostile.CORPUS[REPOSITORIES[repository]][1]) as caught:
            await store.pull(f"{host}/{repository}:1", credentials={})
        state = store.state()
    assert caught.value.reason == "ErrImagePull"
    assert 20 < len(str(caught.value)) < 1200
    assert leftovers(directory) == []
    assert not state.references
    assert not state.images
    assert not state.layers
    assert {path.name for path in directory.iterdir()} == {"images", "outside"}
    assert not list((directory / "outside").iterdir())


async def test_all_of_them_at_once_leave_nothing_either(directory: Path, host: str) -> None:
    async with opened(directory, SETTINGS) as store:
        pulls = [store.pull(f"{host}/{repository}:1", credentials={}) for repository in list(REPOSITORIES)[::4]]
        outcomes = await asyncio.gather(*pulls, return_exceptions=True)
    assert all(isinstance(one, ImagePullError) for one in outcomes)
    assert leftovers(directory) == []

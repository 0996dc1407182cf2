"""The pages of people."""

from __future__ import annotations

import httpx2
import pytest

from tests.web.site import PageDevice, fields
from tests.web.world import ANN, EVE

pytestmark = pytest.mark.anyio


async def test_people_are_listed_and_found(http: httpx2.AsyncClient):
    everybody = (await http.get("/people")).text
    found = (await http.get("/people", params={"q": "ben"})).text

    assert "Ann Lee" in everybody
    assert ("Ben Okafor" in found, "Ann Lee" in found) == (True, False)


async def test_a_person_is_shown_with_every_name_and_the_groups_in_common(http: httpx2.AsyncClient):
    page = (await http.get(f"/people/{ANN}")).text

    assert "+15550000001" in page
    assert "In your address book" in page
    assert "Boat club" in page


async def test_a_stranger_becomes_known_by_a_button_of_their_page(
    http: httpx2.AsyncClient, device: PageDevice
):
    path = f"/people/{EVE}/known"
    form = fields((await http.get(f"/people/{EVE}")).text, path)

    assert "not valid" in (await http.post(f"/people/{ANN}/known", data={**form, "known": "yes"})).text
    assert device.asked == []
    answer = await http.post(path, data={**form, "known": "yes"})

    assert (answer.headers["location"], device.asked) == (f"/people/{EVE}", [f"confirm {EVE} True"])


async def test_nobody_can_be_confirmed_who_stands_in_the_address_book(http: httpx2.AsyncClient):
    assert '<form method="post"' not in (await http.get(f"/people/{ANN}")).text


async def test_somebody_who_is_not_there_is_not_found(http: httpx2.AsyncClient):
    assert (await http.get("/people/1@s.whatsapp.net")).status_code == 404

"""Steps: pictures go up and come down, whole and small."""

from __future__ import annotations

import io
import random

import nio
from PIL import Image

from tests.end_to_end.cast import Cast
from tests.end_to_end.people import V1, done

SIZE = (640, 480)


def picture() -> bytes:
    """A PNG of noise, so that it is large: about 900 KB."""
    noise = random.Random(7).randbytes(SIZE[0] * SIZE[1] * 3)
    file = io.BytesIO()
    Image.frombytes("RGB", SIZE, noise).save(file, "PNG")
    return file.getvalue()


async def share_a_picture(cast: Cast) -> None:
    alice, bob = cast.alice, cast.bob
    content = picture()
    limit = (await bob.get(f"{V1}/media/config"))["m.upload.size"]
    assert len(content) < limit == 50 * 1024 * 1024
    uploaded, _ = await alice.client.upload(
        io.BytesIO(content), content_type="image/png", filename="näh.png", filesize=len(content)
    )
    uri = done(uploaded).content_uri
    sent = done(
        await alice.client.room_send(
            cast.lobby, "m.room.message", {"msgtype": "m.image", "body": "noise", "url": uri}
        )
    ).event_id
    shown = await bob.sees(cast.lobby, sent)
    assert isinstance(shown, nio.RoomMessageImage)
    assert shown.url == uri

    down = done(await bob.client.download(uri))
    assert (down.body, down.content_type, down.filename) == (content, "image/png", "näh.png")
    await _see_it_small(cast, uri)
    await _ask_for_it_otherwise(cast, uri, content)
    done(await alice.client.set_avatar(uri))
    assert done(await bob.client.get_avatar(alice.user)).avatar_url == uri


async def _see_it_small(cast: Cast, uri: str) -> None:
    server, media = uri.removeprefix("mxc://").split("/")
    for method, size in ((nio.ResizingMethod.crop, (96, 96)), (nio.ResizingMethod.scale, (320, 240))):
        small = done(await cast.carol.client.thumbnail(server, media, *size, method))
        assert Image.open(io.BytesIO(small.body)).size == size
        assert small.content_type == "image/png"


async def _ask_for_it_otherwise(cast: Cast, uri: str, content: bytes) -> None:
    """By range, by head alone, on a condition: Synapse takes the last two, and of a range sends all."""
    path = f"{V1}/media/download/{uri.removeprefix('mxc://')}"
    part = await cast.bob.ask("GET", path, headers={"Range": "bytes=1000-1999"})
    assert (part.status, part.body) == (200, content)
    head = await cast.bob.ask("HEAD", path)
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(content)))
    assert head.body == b""
    same = await cast.bob.ask("GET", path, headers={"If-None-Match": head.headers["ETag"]})
    assert (same.status, same.body) == (304, b"")


async def reserve_and_fill(cast: Cast) -> None:
    """A message can name a picture before it is there: the id is made first, the content comes later."""
    alice, bob = cast.alice, cast.bob
    made = await alice.post("/_matrix/media/v1/create", {})
    media = made["content_uri"].removeprefix("mxc://")
    early = await bob.ask("GET", f"{V1}/media/download/{media}?timeout_ms=0")
    assert (early.status, early.json["errcode"]) == (504, "M_NOT_YET_UPLOADED")
    filled = await alice.ask(
        "PUT", f"/_matrix/media/v3/upload/{media}", data=b"text", headers={"Content-Type": "text/plain"}
    )
    assert filled.status == 200
    late = await bob.ask("GET", f"{V1}/media/download/{media}")
    assert (late.status, late.body) == (200, b"text")
    none = await bob.ask("GET", f"{V1}/media/download/{cast.server_name}/AAAAAAAAAAAAAAAAAAAAAAAA")
    assert (none.status, none.json["errcode"]) == (404, "M_NOT_FOUND")
    old = await bob.ask("GET", f"/_matrix/media/v3/download/{media}")  # new media want a token
    assert (old.status, old.json["errcode"]) == (404, "M_NOT_FOUND")

"""A person with an account, and the rooms, events, devices and keys of theirs that requests want to name.

What has a name here is made when it is first wanted; what begins with `new_` is made anew each time.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from router.errors import LocalError
from router.local.asking.wire import Wire

CLIENT = "/_matrix/client/v3"
PASSWORD = "demo-pass"
DELAY = "org.matrix.msc4140.delay"
BACKUP = "m.megolm_backup.v1.curve25519-aes-sha2"

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A PNG of one point."""

Value = str | Mapping[str, object]


class CanNotMake(LocalError):
    """The deployment refused what a request would have named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to make things: client ports by process, the process with the media repository, stream writers.

    A stream that `writers` does not name is written by main.
    """

    ports: Mapping[str, int]
    media: str
    writers: Mapping[str, str]


class Person:
    """Has an account as soon as anything is wanted."""

    __slots__ = ("_values", "_wire", "place")

    def __init__(self, wire: Wire, place: Place) -> None:
        self.place = place
        self._wire = wire
        self._values: dict[str, Value] = {}

    async def value(self, name: str) -> Value:
        """What `$name` stands for; raises CanNotMake, or KeyError for a name that nobody knows."""
        if name not in self._values:
            made = await MAKERS[name](self)
            if name == "unique" or name.startswith("new_"):
                return made
            self._values[name] = made
        return self._values[name]

    async def text(self, name: str) -> str:
        """The same, where it is a text."""
        return str(await self.value(name))

    def remember(self, **values: object) -> None:
        """Keeps texts that came along with another."""
        self._values.update({name: str(value) for name, value in values.items()})

    def stranger(self) -> Person:
        """Somebody else, with an account on the same deployment."""
        return Person(self._wire, self.place)

    async def ask(
        self, method: str, path: str, body: object = None, *, at: str = "main", bare: bool = False
    ) -> Mapping[str, object]:
        """The JSON of a request that is to succeed, `bare` without a token; raises CanNotMake.

        The path is below /_matrix/client/v3, unless it begins with `/_`.
        """
        token = "" if bare else await self.text("token")
        target = path if path.startswith("/_") else CLIENT + path
        answer = await self._wire.ask(self.place.ports[at], method, target, body=body, token=token)
        if answer.status != 200:
            raise CanNotMake(f"{method} {target} at {at} answered {answer.status}: {answer.body[:300]!r}")
        return answer.json()


async def _account(person: Person) -> Value:
    wanted = {"username": await _unique(person), "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
    made = await person.ask("POST", "/register", wanted, bare=True)
    person.remember(user=made["user_id"], token=made["access_token"], device=made["device_id"])
    return made


def _of_account(name: str) -> Maker:
    async def made(person: Person) -> Value:
        await person.value("account")
        return await person.value(name)

    return made


async def _unique(_person: Person) -> Value:
    return f"x{secrets.token_hex(8)}"


async def _password(_person: Person) -> Value:
    return PASSWORD


async def _key(_person: Person) -> Value:
    return base64.b64encode(b"k" * 32).decode().rstrip("=")


async def _auth(person: Person) -> Value:
    """What a user-interactive request wants (Matrix specification, user-interactive authentication API)."""
    whom = {"type": "m.id.user", "user": await person.value("user")}
    return {"type": "m.login.password", "identifier": whom, "password": PASSWORD}


async def _new_user(person: Person) -> Value:
    return await person.stranger().value("user")


async def _other(person: Person) -> Value:
    """Somebody in the same room."""
    stranger = person.stranger()
    await stranger.ask("POST", f"/join/{quote(await person.text('room'))}", {})
    return await stranger.value("user")


async def _new_room(person: Person, **more: object) -> Value:
    return str((await person.ask("POST", "/createRoom", {"preset": "public_chat", **more}))["room_id"])


async def _new_left_room(person: Person) -> Value:
    room = str(await _new_room(person))
    await person.ask("POST", f"/rooms/{quote(room)}/leave", {})
    return room


async def _new_knockable_room(person: Person) -> Value:
    rule = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
    return await _new_room(person.stranger(), initial_state=[rule])


async def _new_muted_room(person: Person) -> Value:
    """One with a push rule."""
    room = str(await _new_room(person))
    writer = person.place.writers.get("push_rules", "main")
    await person.ask("PUT", f"/pushrules/global/room/{quote(room)}", {"actions": []}, at=writer)
    return room


async def _new_event(person: Person, **content: object) -> Value:
    path = f"/rooms/{quote(await person.text('room'))}/send/m.room.message"
    sent = await person.ask("POST", path, {"msgtype": "m.text", "body": "hello", **content})
    return str(sent["event_id"])


async def _thread(person: Person) -> Value:
    """The event that a thread begins with."""
    root = await _new_event(person)
    await _new_event(person, **{"m.relates_to": {"rel_type": "m.thread", "event_id": root}})
    return root


async def _new_delayed_event(person: Person) -> Value:
    """Where the deployment delays none, an id that nobody has."""
    unique = await person.text("unique")
    path = f"/rooms/{quote(await person.text('room'))}/send/m.room.message/{unique}?{DELAY}=3600000"
    try:
        return str((await person.ask("PUT", path, {"msgtype": "m.text", "body": "later"}))["delay_id"])
    except CanNotMake:
        return "unknown"


async def _new_alias(person: Person) -> Value:
    alias = f"#{await person.text('unique')}:localhost"
    await person.ask("PUT", f"/directory/room/{quote(alias)}", {"room_id": await person.value("room")})
    return alias


async def _logged_in(person: Person, **more: object) -> Mapping[str, object]:
    auth = await person.value("auth")
    return await person.ask("POST", "/login", {**dict(auth), **more} if isinstance(auth, Mapping) else None)


async def _new_device(person: Person) -> Value:
    return str((await _logged_in(person))["device_id"])


async def _new_refresh_token(person: Person) -> Value:
    return str((await _logged_in(person, refresh_token=True))["refresh_token"])


async def _filter(person: Person) -> Value:
    path = f"/user/{quote(await person.text('user'))}/filter"
    return str((await person.ask("POST", path, {"room": {}}))["filter_id"])


async def _version(person: Person) -> Value:
    """Of a key backup."""
    wanted = {"algorithm": BACKUP, "auth_data": {}}
    return str((await person.ask("POST", "/room_keys/version", wanted))["version"])


async def _since(person: Person) -> Value:
    return str((await person.ask("GET", "/sync?timeout=0"))["next_batch"])


async def _openid_token(person: Person) -> Value:
    path = f"/user/{quote(await person.text('user'))}/openid/request_token"
    return str((await person.ask("POST", path, {}))["access_token"])


async def _media(person: Person) -> Value:
    made = await person.ask("POST", "/_matrix/media/v3/upload", PICTURE, at=person.place.media)
    return str(made["content_uri"]).rpartition("/")[2]


async def _new_media_id(person: Person) -> Value:
    """One that waits for its upload."""
    made = await person.ask("POST", "/_matrix/media/v1/create", {}, at=person.place.media)
    return str(made["content_uri"]).rpartition("/")[2]


Maker = Callable[[Person], Awaitable[Value]]

MAKERS: Mapping[str, Maker] = {
    "account": _account,
    "alias": _new_alias,
    "auth": _auth,
    "device": _of_account("device"),
    "event": _new_event,
    "filter": _filter,
    "key": _key,
    "media": _media,
    "new_alias": _new_alias,
    "new_delayed_event": _new_delayed_event,
    "new_device": _new_device,
    "new_event": _new_event,
    "new_knockable_room": _new_knockable_room,
    "new_left_room": _new_left_room,
    "new_media_id": _new_media_id,
    "new_muted_room": _new_muted_room,
    "new_refresh_token": _new_refresh_token,
    "new_room": _new_room,
    "new_user": _new_user,
    "openid_token": _openid_token,
    "other": _other,
    "password": _password,
    "room": _new_room,
    "since": _since,
    "thread": _thread,
    "token": _of_account("token"),
    "unique": _unique,
    "user": _of_account("user"),
    "version": _version,
}

"""Matrix clients and servers as they behave, for locust: by turns through the router and past it.

    locust -f benchmarks/locustfile.py --host http://127.0.0.1:8080 --table routes.yaml

is enough beside `make run`; `python -m benchmarks.clients` does it without a browser, and reports. Every
second request of a kind goes straight to the worker that the table chooses: both lanes meet the same noise.
"""

from __future__ import annotations

import json
import random
import secrets
import time
from argparse import ArgumentParser
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, cast
from urllib.parse import quote

import gevent
from gevent.lock import BoundedSemaphore
from locust import FastHttpUser, between, events, task
from locust.env import Environment

from benchmarks.clients.samples import DIRECT, THROUGH, Samples
from benchmarks.straight import CLIENT, Straight
from router.config.loader import load_or_raise

V3 = "/_matrix/client/v3"
IN_ROOM = 4
"""People who share a room, so that a message wakes as many."""

UPLOADS = (16 << 10, 64 << 10, 512 << 10)
"""Bytes of what is uploaded: a thumbnail, a picture, a photograph."""

FORWARDED = {"X-Forwarded-For": CLIENT, "X-Forwarded-Proto": "http"}
"""What a worker expects from its proxy, for requests that have none."""

ARRIVING = {"register", "createRoom", "join", "sync, initial"}
"""What each person asks once, at the beginning."""

Json = Mapping[str, object]
SAMPLES = Samples()


@events.init_command_line_parser.add_listener
def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--table", default="routes.yaml", help="the routes.yaml of the router at --host")
    parser.add_argument("--samples", default="", help="where the measured times go, as JSON")
    parser.add_argument("--poll", type=float, default=10.0, help="seconds that a /sync may wait")


@events.quitting.add_listener
def _write_samples(environment: Environment, **_: object) -> None:
    file = environment.parsed_options.samples if environment.parsed_options else ""
    if file:
        SAMPLES.write(Path(file))


@events.spawning_complete.add_listener
def _forget_the_crowd(**_: object) -> None:
    """While everybody arrives, what else is asked meets no ordinary day."""
    for kind in SAMPLES.times.keys() - ARRIVING:
        del SAMPLES.times[kind]


@events.user_error.add_listener
def _note_error(exception: Exception, **_: object) -> None:
    if not isinstance(exception, Failed):
        SAMPLES.failures[f"{type(exception).__name__}: {exception}"] += 1


class Failed(Exception):
    """A request was not answered as it should be."""


class Asking(FastHttpUser):
    """Whoever asks: each kind of request by turns on either lane, its time kept."""

    abstract = True
    connection_timeout = 10.0
    network_timeout = 60.0
    straight: ClassVar[Straight | None] = None

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        assert environment.parsed_options is not None
        self.poll = environment.parsed_options.poll
        if Asking.straight is None:
            Asking.straight = Straight(load_or_raise(Path(environment.parsed_options.table)))
        self.identity: dict[str, str] = {}
        self._turns: dict[str, int] = {}

    def lane(self, kind: str) -> str:
        """The other one than last time; the first is anybody's guess."""
        turn = self._turns.get(kind, random.randrange(2))
        self._turns[kind] = turn + 1
        return (DIRECT, THROUGH)[turn % 2]

    def ask(
        self,
        kind: str,
        method: str,
        target: str,
        body: Json | bytes | None = None,
        *,
        lane: str = "",
        timed: bool = True,
        media_type: str = "application/json",
        fine: tuple[int, ...] = (200,),
    ) -> Json:
        """The answer's JSON, empty where it is none; raises Failed, which is counted, for another status."""
        lane = lane or self.lane(kind)
        fields = {"Content-Type": media_type, **self.identity} if body is not None else dict(self.identity)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        url = target
        if lane == DIRECT:
            assert self.straight is not None
            sent = [(name.encode(), value.encode()) for name, value in fields.items()]
            url = f"http://{CLIENT}:{self.straight.port(method, target.encode(), sent)}{target}"
            fields |= FORWARDED
        started = time.perf_counter()
        with self.client.request(
            method,
            url,
            data=cast("str | None", data),  # it takes bytes too
            headers=fields,
            name=f"{kind}, {lane}",
            catch_response=True,
        ) as answer:
            status, content = answer.status_code, answer.content
            spent = time.perf_counter() - started
            if status not in fine:
                what = f"{kind}, {lane}: {status or answer.error}"
                SAMPLES.failures[what] += 1
                answer.failure(what)
                raise Failed(what)
            answer.success()
        if timed:
            SAMPLES.times[kind][lane].append(1000 * spent)
        is_json = content is not None and content[:1] == b"{"
        return cast("Json", json.loads(content)) if is_json and content is not None else {}


class Person(Asking):
    """A client with an account: it waits for news all the time, and now and then its owner does something."""

    weight = 8
    wait_time = between(0.5, 2.5)

    numbers = count()
    rooms: ClassVar[list[str]] = []
    making_a_room = BoundedSemaphore()

    def on_start(self) -> None:
        """Registers, finds a room, and begins to wait for news."""
        number = next(Person.numbers)
        account = {
            "username": f"locust-{secrets.token_hex(6)}",
            "password": secrets.token_hex(8),
            "auth": {"type": "m.login.dummy"},
        }
        made = self.ask("register", "POST", f"{V3}/register", account)
        self.name = str(made["user_id"])
        self.identity = {"Authorization": f"Bearer {made['access_token']}"}
        self.room = self._enter(number // IN_ROOM)
        self._waiting = gevent.spawn(self._wait_for_news)

    def on_stop(self) -> None:
        """Waits no more."""
        self._waiting.kill(block=False)

    def _enter(self, number: int) -> str:
        with Person.making_a_room:
            while len(Person.rooms) <= number:
                made = self.ask("createRoom", "POST", f"{V3}/createRoom", {"preset": "public_chat"})
                Person.rooms.append(str(made["room_id"]))
        room = Person.rooms[number]
        self.ask("join", "POST", f"{V3}/join/{quote(room)}", {})
        return room

    def _in_room(self, rest: str) -> str:
        return f"{V3}/rooms/{quote(self.room)}/{rest}"

    def _wait_for_news(self) -> None:
        """As long as it lives; each answer begins the next /sync, at once."""
        since = ""
        while True:
            try:
                since = self._sync(since)
            except Failed:
                gevent.sleep(1)

    def _sync(self, since: str) -> str:
        if not since:
            return str(self.ask("sync, initial", "GET", f"{V3}/sync?timeout=0")["next_batch"])
        lane, began = self.lane("sync"), time.perf_counter()
        target = f"{V3}/sync?since={quote(since)}&timeout={round(1000 * self.poll)}"
        news = self.ask("sync, waiting", "GET", target, lane=lane, timed=False)
        come = time.perf_counter()
        messages = _messages(news, self.room)
        for sent in messages:
            if sent > began:  # or else it was sent before anybody waited for it
                SAMPLES.times["message until a waiting /sync has it"][lane].append(1000 * (come - sent))
        if messages:
            gevent.spawn(self._read, str(_events(news, self.room)[-1]["event_id"]))
        return str(news["next_batch"])

    def _read(self, event: str) -> None:
        try:
            self.ask("receipt", "POST", self._in_room(f"receipt/m.read/{quote(event)}"), {})
        except Failed:
            return

    @task(6)
    def talk(self) -> None:
        """Types, sends some messages, and types no more."""
        typing = self._in_room(f"typing/{quote(self.name)}")
        self.ask("typing", "PUT", typing, {"typing": True, "timeout": 20_000})
        for _ in range(random.randint(1, 5)):
            target = self._in_room(f"send/m.room.message/{secrets.token_hex(8)}")
            body = {"msgtype": "m.text", "body": "Shall we meet?", "locust_sent": str(time.perf_counter())}
            self.ask("send", "PUT", target, body)
            gevent.sleep(random.uniform(0.02, 0.2))
        self.ask("typing", "PUT", typing, {"typing": False})

    @task(2)
    def look_somebody_up(self) -> None:
        """As an encrypting client does before it sends."""
        self.ask("profile", "GET", f"{V3}/profile/{quote(self.name)}/displayname", fine=(200, 404))
        self.ask("keys/query", "POST", f"{V3}/keys/query", {"device_keys": {self.name: []}})

    @task(1)
    def scroll_back(self) -> None:
        """One page."""
        self.ask("messages", "GET", self._in_room("messages?dir=b&limit=20"))

    @task(1)
    def show_a_picture(self) -> None:
        """Up, and down again as it was sent."""
        picture = secrets.token_bytes(random.choice(UPLOADS))
        kind = "application/octet-stream"
        up = self.ask("media up", "POST", "/_matrix/media/v3/upload", picture, media_type=kind)
        place = str(up["content_uri"]).removeprefix("mxc://")
        self.ask("media down", "GET", f"/_matrix/client/v1/media/download/{place}")


class Server(Asking):
    """Another homeserver with its transactions; a real worker refuses them, since nobody knows its key."""

    weight = 1
    wait_time = between(0.2, 1)
    numbers = count()

    def on_start(self) -> None:
        """Takes a name."""
        self._origin = f"other{next(Server.numbers)}.example.org"
        signed = f'X-Matrix origin="{self._origin}",destination="localhost",key="ed25519:a",sig="AAAA"'
        self.identity = {"Authorization": signed}

    @task
    def send_transaction(self) -> None:
        """One without events."""
        body = {"origin": self._origin, "origin_server_ts": int(1000 * time.time()), "pdus": [], "edus": []}
        target = f"/_matrix/federation/v1/send/{secrets.token_hex(8)}"
        self.ask("transaction", "PUT", target, body, fine=(200, 401, 403))


def _events(news: Json, room: str) -> list[dict[str, Any]]:
    rooms = cast("dict[str, Any]", news.get("rooms", {}))
    found: list[dict[str, Any]] = rooms.get("join", {}).get(room, {}).get("timeline", {}).get("events", [])
    return found


def _messages(news: Json, room: str) -> list[float]:
    """When each message of an answer was sent, by this process's clock."""
    contents = (event.get("content", {}) for event in _events(news, room))
    return [float(content["locust_sent"]) for content in contents if "locust_sent" in content]

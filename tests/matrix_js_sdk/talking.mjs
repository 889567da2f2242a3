// What people say: messages, edits, reactions, threads, redactions; and how they find it again.

import { Direction, Filter } from "matrix-js-sdk";
import { loggedIn } from "./person.mjs";
import { expect, expectEqual, step, until } from "./report.mjs";

const bodies = (client, room) =>
  client.getRoom(room).getLiveTimeline().getEvents()
    .filter((event) => event.getType() === "m.room.message")
    .map((event) => event.getContent().body);

export async function talk({ alice, bob, phone }, room) {
  let first;
  await step("messages arrive once and in order, on every device", async () => {
    const said = Array.from({ length: 10 }, (_, index) => `message ${index}`);
    const sent = await Promise.all(said.map((body) => alice.sendTextMessage(room, body)));
    first = sent[0].event_id;
    for (const client of [bob, phone]) {
      await until(client, () => bodies(client, room).length >= said.length);
      expectEqual(bodies(client, room), said, `what ${client.getDeviceId()} has`);
    }
  });
  await step("a message wakes a long poll", async () => {
    const { event_id } = await bob.sendTextMessage(room, "are you awake?");
    await until(alice, () => alice.getRoom(room).findEventById(event_id));
  });
  await step("edit", async () => {
    const content = { msgtype: "m.text", body: "message 0, better" };
    const relation = { rel_type: "m.replace", event_id: first };
    await alice.sendMessage(room, { ...content, "m.new_content": content, "m.relates_to": relation });
    await until(bob, () => bob.getRoom(room).findEventById(first)?.getContent().body === content.body);
  });
  await step("reaction and relations", async () => {
    const reaction = { "m.relates_to": { rel_type: "m.annotation", event_id: first, key: "👍" } };
    const { event_id } = await bob.sendEvent(room, "m.reaction", reaction);
    const found = await alice.relations(room, first, "m.annotation", "m.reaction");
    expectEqual(found.events.map((event) => event.getId()), [event_id], "reactions");
  });
  await step("thread", async () => {
    // From a device without a sync loop: the SDK breaks down over a message of a thread whose echo in a sync
    // is faster than the answer to its sending.
    const pen = await loggedIn(bob.getHomeserverUrl(), bob, "PEN");
    const { event_id: reply } = await pen.sendMessage(room, first, { msgtype: "m.text", body: "in the thread" });
    await pen.logout();
    const thread = await until(alice, () => alice.getRoom(room).getThread(first));
    await until(alice, () => thread.findEventById(reply));
    const list = await alice.createThreadListMessagesRequest(room, null, 10, Direction.Backward);
    expectEqual(list.chunk.map((event) => event.event_id), [first], "threads of the room");
  });
  await step("redaction", async () => {
    const { event_id: regretted } = await alice.sendTextMessage(room, "regretted");
    await until(bob, () => bob.getRoom(room).findEventById(regretted));
    await alice.redactEvent(room, regretted);
    await until(bob, () => bob.getRoom(room).findEventById(regretted).isRedacted());
  });
  return first;
}

export async function lookBack({ alice, bob }, room, first) {
  await step("one event, and what is around it", async () => {
    expectEqual((await bob.fetchRoomEvent(room, first)).event_id, first, "event");
    const timeline = await bob.getEventTimeline(bob.getRoom(room).getUnfilteredTimelineSet(), first);
    expect(timeline.getEvents().some((event) => event.getId() === first), "the event in its context");
  });
  await step("pages of messages, to the beginning", async () => {
    const seen = [];
    let from = null;
    do {
      const page = await bob.createMessagesRequest(room, from, 7, Direction.Backward);
      seen.push(...page.chunk);
      from = page.end;
    } while (from);
    expectEqual(seen.at(-1).type, "m.room.create", "the last event");
    expectEqual(new Set(seen.map((event) => event.event_id)).size, seen.length, "number of different events");
    return seen.length;
  });
  await step("the event at a time", async () => {
    const { origin_server_ts: time } = await bob.fetchRoomEvent(room, first);
    expectEqual((await bob.timestampToEvent(room, time, Direction.Forward)).event_id, first, "event");
  });
  await step("search", async () => {
    const found = await bob.searchRoomEvents({ term: "awake", filter: { rooms: [room] } });
    expectEqual(found.results.map((result) => result.context.ourEvent.getContent().body), ["are you awake?"], "found");
  });
  await step("report", async () => {
    await bob.reportEvent(room, first, -50, "only to show that it works");
  });
  await step("notifications", async () => {
    const answer = await bob.http.authedRequest("GET", "/notifications", { limit: 5 });
    expect(Array.isArray(answer.notifications), "a list");
  });
  await step("filters", async () => {
    const wanted = { room: { timeline: { limit: 3 } } };
    const filter = await alice.createFilter(wanted);
    const kept = await alice.getFilter(alice.getUserId(), filter.filterId, false);
    expect(kept instanceof Filter, "a filter");
    expectEqual(kept.getDefinition(), wanted, "definition");
  });
}

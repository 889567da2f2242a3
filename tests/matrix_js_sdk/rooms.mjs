// Rooms: made, named, found, joined, left, ordered in spaces; their state and members.

import { JoinRule, Preset, Visibility } from "matrix-js-sdk";
import { registered } from "./person.mjs";
import { expect, expectEqual, expectSoon, failureOf, step, until } from "./report.mjs";

/** A public room of Alice's with an alias, which Bob has joined after an invitation; gives its id. */
export async function meet({ alice, bob }) {
  const local = `meeting-${alice.getUserIdLocalpart()}`;
  let room;
  await step("create a room with an alias", async () => {
    const preset = { visibility: Visibility.Public, preset: Preset.PublicChat };
    room = (await alice.createRoom({ ...preset, name: local, topic: "the router", room_alias_name: local })).room_id;
    return room;
  });
  await step("aliases", async () => {
    const alias = `#${local}/with-a-slash:localhost`;
    await alice.createAlias(alias, room);
    expectEqual((await bob.getRoomIdForAlias(alias)).room_id, room, "room");
    expectEqual((await alice.getLocalAliases(room)).aliases.sort(), [alias, `#${local}:localhost`].sort(), "aliases");
    await alice.deleteAlias(alias);
    expectEqual((await failureOf(bob.getRoomIdForAlias(alias), "a deleted alias")).errcode, "M_NOT_FOUND", "errcode");
  });
  await step("invite, seen by the other's sync", async () => {
    await alice.invite(room, bob.getUserId());
    await until(bob, () => bob.getRoom(room)?.getMyMembership() === "invite");
  });
  await step("join by alias", async () => {
    await bob.joinRoom(`#${local}:localhost`);
    await until(alice, () => alice.getRoom(room)?.getMember(bob.getUserId())?.membership === "join");
    await until(bob, () => bob.getRoom(room)?.getMyMembership() === "join");
  });
  return room;
}

export async function state({ alice, bob }, room) {
  await step("state, written and read", async () => {
    await alice.setRoomTopic(room, "a topic");
    await alice.sendStateEvent(room, "org.example.state", { value: 1 }, "key/with a slash");
    await alice.sendStateEvent(room, "org.example.state", { value: 2 }, "");
    expectEqual((await bob.getStateEvent(room, "org.example.state", "key/with a slash")).value, 1, "keyed state");
    expectEqual((await bob.getStateEvent(room, "org.example.state", "")).value, 2, "state without a key");
    const all = await bob.roomState(room);
    expectEqual(all.filter((event) => event.type === "org.example.state").length, 2, "number of events");
    const topic = () => bob.getRoom(room).currentState.getStateEvents("m.room.topic", "")?.getContent().topic;
    await until(bob, () => topic() === "a topic");
  });
  await step("members", async () => {
    const members = (await alice.members(room, undefined, "leave")).chunk.map((event) => event.state_key);
    const joined = Object.keys((await alice.getJoinedRoomMembers(room)).joined);
    const both = [alice, bob].map((client) => client.getUserId());
    expectEqual([members.sort(), joined.sort()], [both.sort(), both.sort()], "members");
    expect((await bob.getJoinedRooms()).joined_rooms.includes(room), "the room among those joined");
  });
  await step("power levels, kick, ban, unban", async () => {
    await alice.setPowerLevel(room, bob.getUserId(), 50);
    const carol = await registered(alice.getHomeserverUrl(), "carol", "CAROLS");
    const membership = async () => (await alice.getStateEvent(room, "m.room.member", carol.getUserId())).membership;
    await carol.joinRoom(room);
    await bob.kick(room, carol.getUserId(), "out");
    expectEqual(await membership(), "leave", "membership");
    await bob.ban(room, carol.getUserId());
    expectEqual((await failureOf(carol.joinRoom(room), "a join of the banned")).httpStatus, 403, "status");
    await bob.unban(room, carol.getUserId());
    expectEqual(await membership(), "leave", "membership");
    await carol.logout();
  });
}

export async function directory({ alice, bob }, room) {
  await step("room directory", async () => {
    const visibility = async () => (await bob.getRoomDirectoryVisibility(room)).visibility;
    await expectSoon(visibility, "public", "visibility");
    const filter = { generic_search_term: alice.getUserIdLocalpart() };
    const found = async () => (await bob.publicRooms({ filter, limit: 5 })).chunk.map((entry) => entry.room_id);
    await expectSoon(found, [room], "rooms found"); // by their names, which main collects
    await bob.publicRooms({ limit: 1 });
    await alice.setRoomDirectoryVisibility(room, Visibility.Private);
    await expectSoon(visibility, "private", "visibility");
  });
  await step("user directory", async () => {
    const found = async () => {
      const { results } = await alice.searchUserDirectory({ term: bob.getUserIdLocalpart() });
      return results.map((user) => user.user_id);
    };
    await expectSoon(found, [bob.getUserId()], "users found");
  });
}

export async function spaces({ alice, bob }, room) {
  await step("a space and its hierarchy", async () => {
    const { room_id: space } = await alice.createRoom({ name: "a space", creation_content: { type: "m.space" } });
    await alice.sendStateEvent(space, "m.space.child", { via: ["localhost"] }, room);
    const { rooms } = await alice.getRoomHierarchy(space, 10);
    expectEqual(rooms.map((entry) => entry.room_id), [space, room], "rooms of the space");
    expectEqual((await bob.getRoomSummary(room)).room_id, room, "summary");
  });
  await step("knock, leave, forget", async () => {
    const knocked = { type: "m.room.join_rules", state_key: "", content: { join_rule: JoinRule.Knock } };
    const { room_id: closed } = await alice.createRoom({ name: "knock first", initial_state: [knocked] });
    await bob.knockRoom(closed);
    await until(alice, () => alice.getRoom(closed)?.getMember(bob.getUserId())?.membership === "knock");
    await bob.leave(closed);
    await alice.leave(closed);
    await alice.forget(closed);
    expect(!(await alice.getJoinedRooms()).joined_rooms.includes(closed), "the room to be left");
  });
  await step("upgrade a room", async () => {
    const { room_id: old } = await alice.createRoom({ name: "old", room_version: "11" });
    const { replacement_room: successor } = await alice.upgradeRoom(old, "12");
    expect(!successor.includes(":"), "an id of room version 12, without a domain");
    await alice.setRoomTopic(successor, "new");
    expectEqual((await alice.getStateEvent(old, "m.room.tombstone", "")).replacement_room, successor, "successor");
    return successor;
  });
}

// Simplified sliding sync (MSC4186), by the SDK's own loop.

import { SlidingSync } from "matrix-js-sdk/lib/sliding-sync.js";
import { loggedIn } from "./person.mjs";
import { expectEqual, happens, step } from "./report.mjs";

export async function slidingSync(people, room) {
  const { alice, bob } = people;
  const list = { ranges: [[0, 9]], timeline_limit: 5, required_state: [["m.room.name", ""]] };
  const told = (loop, matches) => happens(loop, "SlidingSync.RoomData", (id, data) => id === room && matches(data));
  await step("sliding sync: the list, then a message that wakes it", async () => {
    people.sliding = await loggedIn(alice.getHomeserverUrl(), alice, "SLIDING");
    const loop = new SlidingSync(alice.getHomeserverUrl(), new Map([["all", list]]), {}, people.sliding, 30_000);
    const initial = told(loop, (data) => data.initial);
    loop.start();
    const [, seen] = await initial;
    expectEqual(seen.name, alice.getRoom(room).name, "name of the room");
    const woken = told(loop, (data) => data.timeline?.some((event) => event.content.body === "slide"));
    await bob.sendTextMessage(room, "slide");
    await woken;
    loop.stop();
    return loop.getListData("all");
  });
}

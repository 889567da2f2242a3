// A conversation that goes on while workers are killed and come back: node kills.mjs HOMESERVER
//
// Whoever runs it is asked, on standard output, to kill and to restart, and answers on standard input.

import { EventStatus } from "matrix-js-sdk";
import { failures, loggedIn, registered, syncing } from "./person.mjs";
import { expect, expectEqual, expectSoon, finished, outside, step, until } from "./report.mjs";

const homeserver = process.argv[2];
let alice;
let bob;
let phone;
let room;

await step("register, log in, meet", async () => {
  alice = await registered(homeserver, "alice", "LAPTOP");
  bob = await registered(homeserver, "bob", "BOBS");
  phone = await loggedIn(homeserver, bob, "PHONE");
  room = (await alice.createRoom({ invite: [bob.getUserId()] })).room_id;
  await bob.joinRoom(room);
  await Promise.all([alice, bob, phone].map((client) => syncing(client)));
  return [alice.getUserId(), bob.getUserId()];
});

const heardBy = (client) =>
  client.getRoom(room).getLiveTimeline().getEvents()
    .filter((event) => event.getType() === "m.room.message")
    .map((event) => event.getContent().body);

// Alice talks from here to the end, and sends again what the SDK gave up. She is never more messages
// ahead than one sync answer holds: beyond that the SDK begins a new timeline.
const AHEAD = 6;
const said = [];
let talking = true;
const talk = (async () => {
  while (talking) {
    for (const client of [bob, phone]) await until(client, () => said.length - heardBy(client).length < AHEAD);
    const body = `message ${said.length}`;
    said.push(body);
    await alice.sendTextMessage(room, body).catch(sentAgain);
  }
})();

async function sentAgain() {
  for (;;) {
    const unsent = alice.getRoom(room).getPendingEvents().find((event) => event.status === EventStatus.NOT_SENT);
    if (!unsent) return;
    await alice.resendEvent(unsent, alice.getRoom(room)).catch(() => {});
  }
}

/** Waits until each of Bob's devices has heard something that was not yet said when this began. */
async function conversationGoesOn() {
  const after = said.length;
  for (const client of [bob, phone]) {
    await until(client, () => heardBy(client).includes(`message ${after}`));
  }
}

await step("the conversation goes on", conversationGoesOn);

for (const what of ["send", `sync of ${bob.getUserId()}`]) {
  await step(`the worker of ${what} is killed`, async () => {
    await outside("kill", what);
    await conversationGoesOn();
  });
  await step("it comes back", async () => {
    await outside("restart", what);
    await conversationGoesOn();
  });
}

await step("the writer of receipts is killed: typing is refused, messages go on", async () => {
  await outside("kill", "receipts_writer");
  const refused = await alice.sendTyping(room, true, 10_000).then(() => null, (error) => error);
  expect(refused?.errcode && [502, 503].includes(refused.httpStatus), `a Matrix error of 502 or 503, not ${refused}`);
  await conversationGoesOn();
  return [refused.httpStatus, refused.errcode];
});
// That typing is seen again is not asked for: its writer begins to count anew, and Synapse tells a client only
// of what is beyond the count that the client has.
await step("it comes back: typing is taken, receipts arrive", async () => {
  await outside("restart", "receipts_writer");
  const typed = () => alice.sendTyping(room, true, 10_000).then(() => "sent", (error) => error.httpStatus);
  await expectSoon(typed, "sent", "typing");
  const event = bob.getRoom(room).getLiveTimeline().getEvents().at(-1);
  await bob.sendReceipt(event, "m.read");
  await until(alice, () => alice.getRoom(room).hasUserReadEvent(bob.getUserId(), event.getId()));
  await conversationGoesOn();
});

await step("every message has arrived once and in order", async () => {
  talking = false;
  await talk;
  expect(failures.some((failure) => failure.includes("typing")), "the refused typing among the failures");
  for (const client of [bob, phone]) {
    await until(client, () => heardBy(client).includes(said.at(-1)));
    expectEqual(heardBy(client), said, `what ${client.getDeviceId()} heard`);
  }
  const seen = {};
  for (const failure of failures) seen[failure] = (seen[failure] ?? 0) + 1;
  return { messages: said.length, failures: seen };
});
finished();

// What is passing or private: typing, receipts, read markers, presence, account data, tags, push rules, to-device.

import { ConditionKind, PushRuleActionName, PushRuleKind, ReceiptType } from "matrix-js-sdk";
import { expect, expectEqual, expectSoon, happens, step, until } from "./report.mjs";

export async function readAndType({ alice, bob, phone }, room) {
  await step("typing", async () => {
    await bob.sendTyping(room, true, 20_000);
    await until(alice, () => alice.getRoom(room).getMember(bob.getUserId()).typing);
    await bob.sendTyping(room, false);
    await until(alice, () => !alice.getRoom(room).getMember(bob.getUserId()).typing);
  });
  const { event_id: last } = await alice.sendTextMessage(room, "read me");
  await until(bob, () => bob.getRoom(room).findEventById(last));
  const event = bob.getRoom(room).findEventById(last);
  await step("receipts, public and private", async () => {
    await bob.sendReceipt(event, ReceiptType.Read);
    await until(alice, () => alice.getRoom(room).hasUserReadEvent(bob.getUserId(), last));
    await bob.sendReceipt(event, ReceiptType.ReadPrivate);
  });
  await step("read markers, seen on the other device", async () => {
    await alice.setRoomReadMarkers(room, last, alice.getRoom(room).findEventById(last));
    const marker = () => phone.getRoom(room).getAccountData("m.fully_read")?.getContent().event_id;
    await until(phone, () => marker() === last);
  });
  await step("presence", async () => {
    await bob.setPresence({ presence: "unavailable", status_msg: "through the router" });
    expectEqual((await alice.getPresence(bob.getUserId())).status_msg, "through the router", "status message");
    await until(alice, () => alice.getUser(bob.getUserId())?.presence === "unavailable");
  });
}

export async function keepPrivate({ alice, bob, phone }, room) {
  await step("account data, seen on the other device", async () => {
    await alice.setAccountData("org.example.setting", { value: 7 });
    await expectSoon(async () => (await alice.getAccountDataFromServer("org.example.setting"))?.value, 7, "value");
    await until(phone, () => phone.getAccountData("org.example.setting")?.getContent().value === 7);
  });
  await step("account data of a room, and tags", async () => {
    await alice.setRoomAccountData(room, "org.example.colour", { colour: "green" });
    await alice.setRoomTag(room, "m.favourite", { order: 0.5 });
    await expectSoon(async () => Object.keys((await alice.getRoomTags(room)).tags), ["m.favourite"], "tags");
    await until(phone, () => phone.getRoom(room).getAccountData("org.example.colour")?.getContent().colour === "green");
    await until(phone, () => phone.getRoom(room).tags["m.favourite"]);
    await alice.deleteRoomTag(room, "m.favourite");
    await until(phone, () => !phone.getRoom(room).tags["m.favourite"]);
  });
  await step("push rules", async () => {
    const rule = {
      conditions: [{ kind: ConditionKind.EventMatch, key: "content.body", pattern: "router" }],
      actions: [PushRuleActionName.Notify],
    };
    const named = ["global", PushRuleKind.Override, "org.example.rule"];
    const mine = async () => (await alice.getPushRules()).global.override.find((each) => each.rule_id === named[2]);
    await alice.addPushRule(...named, rule);
    await alice.setPushRuleEnabled(...named, false);
    await expectSoon(async () => (await mine())?.enabled, false, "enabled");
    await alice.setPushRuleActions(...named, []);
    await expectSoon(async () => (await mine())?.actions, [], "actions");
    await alice.deletePushRule(...named);
    await expectSoon(mine, undefined, "the rule");
  });
  await step("pushers", async () => {
    const pusher = {
      app_id: "org.example.app",
      pushkey: "key",
      kind: "http",
      app_display_name: "app",
      device_display_name: "device",
      lang: "en",
      data: { url: "https://push.example/_matrix/push/v1/notify" },
    };
    await alice.setPusher(pusher);
    expectEqual((await alice.getPushers()).pushers.map((each) => each.pushkey), ["key"], "pushers");
    await alice.removePusher("key", "org.example.app");
    expectEqual((await alice.getPushers()).pushers, [], "pushers");
  });
  await step("to-device", async () => {
    const type = "org.example.nudge";
    const received = happens(phone, "toDeviceEvent", (event) => event.getType() === type);
    await bob.sendToDevice(type, new Map([[alice.getUserId(), new Map([["PHONE", { value: 1 }]])]]));
    const [event] = await received;
    expectEqual([event.getSender(), event.getContent()], [bob.getUserId(), { value: 1 }], "message");
    expect(!event.isEncrypted(), "it as it was sent");
  });
}

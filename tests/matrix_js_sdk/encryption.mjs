// End-to-end encryption: identities, secret storage, encrypted rooms between people and devices, key backup.

import { loggedIn, passwordOf, syncing } from "./person.mjs";
import { expect, expectEqual, step, until } from "./report.mjs";

const SECRET = "nobody between us reads this";

async function bootstrap(client) {
  const crypto = client.getCrypto();
  await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: (upload) => upload(passwordOf(client)) });
  client.secrets.recoveryKey = await crypto.createRecoveryKeyFromPassphrase();
  await crypto.bootstrapSecretStorage({
    createSecretStorageKey: async () => client.secrets.recoveryKey,
    setupNewKeyBackup: true,
  });
}

const STORED = ["cross_signing.master", "cross_signing.self_signing", "cross_signing.user_signing", "megolm_backup.v1"];

/** Reads its identity and the key of the backup from secret storage, as somebody who types the recovery key. */
async function adopt(client) {
  const crypto = client.getCrypto();
  await until(client, () => STORED.every((name) => client.getAccountData(`m.${name}`))); // the SDK looks nowhere else
  expect(await crypto.userHasCrossSigningKeys(client.getUserId(), true), "an identity to adopt");
  expect(await crypto.checkKeyBackupAndEnable(), "a backup, though there may have been none when the device started");
  await crypto.bootstrapCrossSigning({});
  await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
  await crypto.checkKeyBackupAndEnable();
}

/** The plain text of an event, once this client has it and could read it. */
export async function decrypted(client, room, id) {
  const event = await until(client, () => client.getRoom(room)?.findEventById(id));
  await until(client, async () => {
    await client.decryptEventIfNeeded(event);
    return !event.isBeingDecrypted() && event.getClearContent();
  });
  expect(event.isEncrypted(), "an event that came encrypted");
  return event.getContent().body;
}

/** Makes an encrypted room in which Alice and Bob are, and waits until both know. */
async function encryptedRoom({ alice, bob, phone }) {
  const encryption = { type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } };
  const { room_id: room } = await alice.createRoom({ initial_state: [encryption], invite: [bob.getUserId()] });
  await bob.joinRoom(room);
  for (const client of [alice, bob, phone]) {
    await until(client, () => client.getRoom(room)?.getMember(bob.getUserId())?.membership === "join");
    await until(client, () => client.getCrypto().isEncryptionEnabledInRoom(room));
  }
  return room;
}

export async function encryption(people) {
  const { alice, bob, phone } = people;
  let room;
  let first;
  await step("cross-signing, secret storage and key backup", async () => {
    for (const client of [alice, bob]) {
      await bootstrap(client);
      expect(await client.getCrypto().isCrossSigningReady(), "cross-signing");
      expect(await client.getCrypto().isSecretStorageReady(), "secret storage");
    }
    return alice.getCrypto().getActiveSessionBackupVersion();
  });
  await step("a second device is signed by the identity of the first", async () => {
    await adopt(phone);
    const status = () => alice.getCrypto().getDeviceVerificationStatus(alice.getUserId(), "PHONE");
    await until(alice, async () => (await status())?.signedByOwner);
  });
  await step("an encrypted message, read by the other and on the second device", async () => {
    room = await encryptedRoom(people);
    first = (await alice.sendTextMessage(room, SECRET)).event_id;
    for (const client of [bob, phone]) expectEqual(await decrypted(client, room, first), SECRET, "text");
    const wire = await bob.fetchRoomEvent(room, first);
    expectEqual([wire.type, wire.content.body], ["m.room.encrypted", undefined], "what Synapse has");
  });
  await step("an encrypted answer, edited", async () => {
    const { event_id: answer } = await bob.sendTextMessage(room, "I do");
    for (const client of [alice, phone]) expectEqual(await decrypted(client, room, answer), "I do", "text");
    const content = { msgtype: "m.text", body: "I can" };
    const relation = { rel_type: "m.replace", event_id: answer };
    await bob.sendMessage(room, { ...content, "m.new_content": content, "m.relates_to": relation });
    await until(phone, () => phone.getRoom(room).findEventById(answer).getContent().body === "I can");
  });
  await step("an encrypted to-device message", async () => {
    const received = new Promise((resolve) => phone.on("receivedToDeviceMessage", resolve));
    const devices = [{ userId: alice.getUserId(), deviceId: "PHONE" }];
    await alice.encryptAndSendToDevice("org.example.secret", devices, { value: SECRET });
    const { message, encryptionInfo } = await received;
    expectEqual([message.content.value, encryptionInfo?.sender], [SECRET, alice.getUserId()], "message");
  });
  await step("the backup restored on a new device, which reads what was said before it", async () => {
    const { version } = await alice.getCrypto().getKeyBackupInfo();
    const count = async () => (await alice.http.authedRequest("GET", "/room_keys/version")).count;
    await until(alice, async () => (await count()) >= 2); // Alice's and Bob's outgoing sessions
    people.tablet = await loggedIn(alice.getHomeserverUrl(), alice, "TABLET");
    await people.tablet.initRustCrypto({ useIndexedDB: false });
    await syncing(people.tablet);
    await adopt(people.tablet);
    const { imported, total } = await people.tablet.getCrypto().restoreKeyBackup();
    expect(total >= 2, "both sessions in the backup");
    expectEqual(imported, total, "number of sessions imported");
    expectEqual(await decrypted(people.tablet, room, first), SECRET, "text");
    return { version, imported };
  });
}

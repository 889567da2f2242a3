// Accounts: what a client asks first, registering, logging in, profiles, devices, and at the end logging out.

import { loggedIn, passwordOf, PASSWORD, registered, syncing } from "./person.mjs";
import { expect, expectEqual, expectSoon, failureOf, step } from "./report.mjs";

/** Registers Alice and Bob; Alice has a laptop, a phone and, later, more. */
export async function enter(homeserver) {
  const people = {};
  await step("register", async () => {
    people.alice = await registered(homeserver, "alice", "LAPTOP");
    people.bob = await registered(homeserver, "bob", "BOBS");
    return [people.alice.getUserId(), people.bob.getUserId()];
  });
  const { alice } = people;
  await step("versions, capabilities and ways to log in", async () => {
    const { versions } = await alice.getVersions();
    const capabilities = await alice.getCapabilities();
    const { flows } = await alice.loginFlows();
    expect(flows.some(({ type }) => type === "m.login.password"), "a login by password");
    expect(capabilities["m.room_versions"], "room versions");
    return versions.at(-1);
  });
  await step("a taken name is not available", async () => {
    expect(!(await alice.isUsernameAvailable(alice.getUserIdLocalpart())), "her name to be taken");
  });
  await step("log in on a second device", async () => {
    people.phone = await loggedIn(homeserver, alice, "PHONE");
    const who = await people.phone.whoami();
    expectEqual([who.user_id, who.device_id], [alice.getUserId(), "PHONE"], "whoami");
  });
  await step("a wrong password is refused", async () => {
    const wrong = { ...passwordOf(alice), password: `${PASSWORD}!` };
    expectEqual((await failureOf(alice.loginRequest(wrong), "a login")).httpStatus, 403, "status");
  });
  await step("Rust crypto on all three", async () => {
    for (const client of Object.values(people)) await client.initRustCrypto({ useIndexedDB: false });
    return alice.getCrypto().getVersion();
  });
  await step("sync loops of all three", async () => {
    await Promise.all(Object.values(people).map((client) => syncing(client)));
  });
  return people;
}

export async function profiles({ alice, bob }) {
  await step("profile", async () => {
    await alice.setDisplayName("Alice & Co/ünï");
    await alice.setAvatarUrl("mxc://localhost/avatar");
    const seen = await bob.getProfileInfo(alice.getUserId());
    expectEqual(seen.displayname, "Alice & Co/ünï", "display name");
    const { avatar_url: avatar } = await bob.getProfileInfo(alice.getUserId(), "avatar_url");
    expectEqual(avatar, "mxc://localhost/avatar", "avatar");
  });
  await step("devices", async () => {
    await alice.setDeviceDetails("PHONE", { display_name: "her phone" });
    expectEqual((await alice.getDevice("PHONE")).display_name, "her phone", "name of the device");
    const { devices } = await alice.getDevices();
    expectEqual(devices.map((device) => device.device_id).sort(), ["LAPTOP", "PHONE"], "devices");
  });
  let old;
  await step("a token is refreshed", async () => {
    old = await loggedIn(alice.getHomeserverUrl(), alice, "OLD", { refresh_token: true });
    const { access_token: token } = await old.refreshToken(old.getRefreshToken());
    expect(token !== old.getAccessToken(), "another token");
    old.setAccessToken(token);
    expectEqual((await old.whoami()).device_id, "OLD", "device of the new token");
  });
  await step("a device is deleted with a password", async () => {
    const asked = await failureOf(alice.deleteDevice("OLD"), "a deletion without a password");
    expectEqual(asked.httpStatus, 401, "status");
    await alice.deleteDevice("OLD", { ...passwordOf(alice), session: asked.data.session });
    const heard = () => old.whoami().catch((error) => error.errcode);
    await expectSoon(heard, "M_UNKNOWN_TOKEN", "what the deleted device hears");
  });
  await step("OpenID token, TURN server, third-party ids", async () => {
    expect((await alice.getOpenIdToken()).access_token, "a token");
    await alice.turnServer();
    expectEqual((await alice.getThreePids()).threepids, [], "third-party ids");
    await alice.getThirdpartyProtocols();
  });
  await step("a changed password", async () => {
    await alice.setPassword(passwordOf(alice), PASSWORD, false);
  });
  await step("a deactivated account", async () => {
    const dave = await registered(alice.getHomeserverUrl(), "dave", "DAVES");
    await dave.deactivateAccount(passwordOf(dave), true);
    expectEqual((await failureOf(alice.loginRequest(passwordOf(dave)), "a login")).httpStatus, 403, "status");
  });
}

/** Every device that is left logs out; a token is then worth nothing, and the sync loop says so. */
export async function leave(devices) {
  await step("log out", async () => {
    for (const client of devices) {
      await client.logout(true);
      const heard = () => client.whoami().catch((error) => [error.httpStatus, error.errcode]);
      await expectSoon(heard, [401, "M_UNKNOWN_TOKEN"], "what the logged-out device hears");
    }
    return devices.length;
  });
}

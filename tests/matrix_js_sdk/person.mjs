// People and their devices: clients of the SDK that are registered or logged in, and what they asked the homeserver.

import { createHash, randomBytes } from "node:crypto";
import { createClient, PendingEventOrdering } from "matrix-js-sdk";
import { RustBackupManager } from "matrix-js-sdk/lib/rust-crypto/backup.js";
import { happens } from "./report.mjs";

export const PASSWORD = "correct-horse";

// So that a backup begins at once and not at a random moment of the next ten seconds; the SDK keeps it open for tests.
RustBackupManager.maxBackupLoopStartDelayMillis = 0;

const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, getChild: () => quiet };

/** Every request that went out: method and URL. */
export const requests = [];

/** Every request that got no answer, or one above 499: method, endpoint and why. */
export const failures = [];

/** The path with a star for each segment that is an id, so that one stands for all rooms, people and events. */
export const shape = (url) => url.pathname.replace(/\/(?=[^/]*(%|[$!@#:]|\d{3}))[^/]+/g, "/*");

async function recordedFetch(resource, options) {
  const url = new URL(resource);
  const method = options?.method ?? "GET";
  const failed = (why) => failures.push(`${method} ${shape(url)}: ${why}`);
  requests.push({ method, url });
  try {
    const answer = await fetch(resource, options);
    if (answer.status >= 500) failed(answer.status);
    return answer;
  } catch (error) {
    if (error.name !== "AbortError") failed(error.cause ?? error);
    throw error;
  }
}

const bare = (homeserver) => createClient({ baseUrl: homeserver, fetchFn: recordedFetch, logger: quiet });

/** A person of a name that nobody has, on one device. */
export async function registered(homeserver, name, device) {
  const username = `${name}-${randomBytes(4).toString("hex")}`;
  const answer = await bare(homeserver).registerRequest({
    username,
    password: PASSWORD,
    device_id: device,
    auth: { type: "m.login.dummy" },
  });
  return deviceOf(homeserver, answer, new Secrets());
}

/** Another device of somebody. It shares nothing with the first but what a person would type in. */
export async function loggedIn(homeserver, person, device, options = {}) {
  const answer = await bare(homeserver).loginRequest({
    type: "m.login.password",
    identifier: { type: "m.id.user", user: person.getUserIdLocalpart() },
    password: PASSWORD,
    device_id: device,
    ...options,
  });
  return deviceOf(homeserver, answer, person.secrets);
}

function deviceOf(homeserver, answer, secrets) {
  const client = createClient({
    baseUrl: homeserver,
    fetchFn: recordedFetch,
    logger: quiet,
    userId: answer.user_id,
    deviceId: answer.device_id,
    accessToken: answer.access_token,
    refreshToken: answer.refresh_token,
    timelineSupport: true,
    cryptoCallbacks: { getSecretStorageKey: async ({ keys }) => secrets.answering(keys) },
  });
  client.secrets = secrets;
  return client;
}

/** The recovery key of one person, which they would keep on paper. */
class Secrets {
  recoveryKey = null;

  answering(keys) {
    return this.recoveryKey && [Object.keys(keys)[0], this.recoveryKey.privateKey];
  }
}

/** Starts the sync loop and waits until the first answer has been worked in. */
export async function syncing(client, options = {}) {
  const prepared = happens(client, "sync", (state) => state === "PREPARED");
  await client.startClient({
    initialSyncLimit: 20,
    pendingEventOrdering: PendingEventOrdering.Detached,
    pollTimeout: 30_000,
    threadSupport: true,
    ...options,
  });
  await prepared;
  return client;
}

/** The answer to user-interactive authentication by password. */
export const passwordOf = (client) => ({
  type: "m.login.password",
  identifier: { type: "m.id.user", user: client.getUserId() },
  password: PASSWORD,
});

/** Asks something that the SDK has no method for, with the token of that device. */
export function ask(client, method, path, { headers = {}, ...options } = {}) {
  return recordedFetch(`${client.getHomeserverUrl()}${path}`, {
    method,
    headers: { Authorization: `Bearer ${client.getAccessToken()}`, ...headers },
    ...options,
  });
}

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

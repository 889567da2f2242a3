// Runs named steps one after another, each within its time, and prints one JSON line for each on standard output.

import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

const STEP_MS = 45_000;

// Standard output is the report's; what the SDK and its wasm warn of goes to standard error.
for (const level of ["debug", "info", "log", "trace"]) console[level] = () => {};

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const answers = createInterface({ input: process.stdin });

/** How long the step that runs has left; stands still while others work for it. */
const patience = {
  start() {
    this.timer = setTimeout(() => this.lose(new Error(`not done after ${STEP_MS / 1000} s`)), STEP_MS);
  },
  stop() {
    clearTimeout(this.timer);
  },
};

/** Runs one step; what it returns is shown as its detail. The first step that fails ends the process with 1. */
export async function step(name, run) {
  const began = performance.now();
  const told = (ok, detail) =>
    say({ name, ok, seconds: Number(((performance.now() - began) / 1000).toFixed(3)), detail: detail ?? null });
  const lost = new Promise((_, reject) => {
    patience.lose = reject;
  });
  patience.start();
  try {
    told(true, await Promise.race([run(), lost]));
  } catch (error) {
    told(false, described(error));
    console.error(error);
    process.exit(1);
  } finally {
    patience.stop();
  }
}

function described(error) {
  const where = error.httpStatus ? `${error.httpStatus} ${error.errcode ?? ""} from ${error.url ?? "?"}: ` : "";
  return `${where}${error.message ?? error}`;
}

/** Asks whoever runs this process to do something, such as to kill a worker, and waits for a line: it is done. */
export async function outside(verb, name) {
  patience.stop();
  say({ ask: verb, of: name });
  await once(answers, "line");
  patience.start();
}

/** Says goodbye: long polls and timers of the SDK would keep the process alive. */
export function finished() {
  process.stdout.write("", () => process.exit(0));
}

export function expect(held, what) {
  if (!held) throw new Error(`expected ${what}`);
}

export function expectEqual(found, wanted, what) {
  const [left, right] = [found, wanted].map((value) => JSON.stringify(value));
  if (left !== right) throw new Error(`expected ${what} to be ${right}, not ${left}`);
}

/**
 * Reads until it finds what is wanted: what one process has written, another knows of a moment later.
 * A process tells nobody when it has heard, so this looks every few milliseconds.
 */
export async function expectSoon(read, wanted, what) {
  const latest = performance.now() + STEP_MS / 2;
  let found = await read();
  while (JSON.stringify(found) !== JSON.stringify(wanted) && performance.now() < latest) {
    await delay(10);
    found = await read();
  }
  expectEqual(found, wanted, what);
}

/** The error that the promise ends in. */
export async function failureOf(promise, what) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`expected ${what} to fail`);
}

/** The first arguments with which `emitter` emits `event` and for which `matches` holds. */
export function happens(emitter, event, matches = () => true) {
  return new Promise((resolve) => {
    const listen = (...found) => {
      if (!matches(...found)) return;
      emitter.off(event, listen);
      resolve(found);
    };
    emitter.on(event, listen);
  });
}

const NEWS = ["sync", "event", "Event.decrypted", "crypto.devicesUpdated"];

/** Waits until `holds()` is truthy, looking again whenever the client has something new; gives its value. */
export async function until(client, holds) {
  for (;;) {
    const news = newsOf(client); // listens before it looks, so that nothing can slip between
    const value = await holds();
    if (value) return value;
    await news;
  }
}

function newsOf(client) {
  return new Promise((resolve) => {
    const listen = () => {
      for (const name of NEWS) client.off(name, listen);
      resolve();
    };
    for (const name of NEWS) client.on(name, listen);
  });
}

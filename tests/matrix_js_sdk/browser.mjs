// What other clients do on their own around such requests: a preflight before each, a wait before a body.

import { request } from "node:http";
import { requests, shape } from "./person.mjs";
import { expect, expectEqual, step } from "./report.mjs";

const ORIGIN = "https://app.example";

export async function browser(homeserver) {
  await step("a preflight for every endpoint that the SDK has used", async () => {
    const asked = new Map(requests.map(({ method, url }) => [`${method} ${shape(url)}`, { method, url }]));
    for (const { method, url } of asked.values()) {
      const answer = await fetch(url, { method: "OPTIONS", headers: preflight(method) });
      const allowed = answer.headers;
      const what = `${method} ${url.pathname}`;
      const wanted = closed(url) ? [200, 204, 404] : [200, 204];
      expect(wanted.includes(answer.status), `a preflight of ${what} to be answered, not ${answer.status}`);
      expectEqual(allowed.get("access-control-allow-origin"), "*", `origin allowed for ${what}`);
      expect(allowed.get("access-control-allow-methods")?.includes(method), `${method} allowed for ${url.pathname}`);
      expect(/authorization/i.test(allowed.get("access-control-allow-headers")), `Authorization allowed for ${what}`);
      await answer.arrayBuffer();
    }
    return asked.size;
  });
  await step("an upload that waits for 100 Continue", async () => {
    const login = new URL("/_matrix/client/v3/login", homeserver);
    const answer = await continued(login, JSON.stringify({ type: "m.unknown" }));
    expectEqual(answer.status, 400, "status");
    expectEqual(JSON.parse(answer.body).errcode, "M_INVALID_PARAM", "errcode");
    return answer.continued;
  });
}

const preflight = (method) => ({
  Origin: ORIGIN,
  "Access-Control-Request-Method": method,
  "Access-Control-Request-Headers": "authorization,content-type",
});

const closed = (url) => /^\/_synapse\/(admin|replication|mas)\//.test(url.pathname);

/** Sends a body only once the other side has said 100 Continue or answered. */
function continued(url, body) {
  return new Promise((resolve, reject) => {
    const length = Buffer.byteLength(body);
    const headers = { Expect: "100-continue", "Content-Type": "application/json", "Content-Length": length };
    let told = false;
    const sent = request(url, { method: "POST", headers }, (answer) => {
      const pieces = [];
      answer.on("data", (piece) => pieces.push(piece));
      answer.on("end", () => {
        resolve({ status: answer.statusCode, body: Buffer.concat(pieces).toString(), continued: told });
      });
    });
    sent.on("continue", () => {
      told = true;
      sent.end(body);
    });
    sent.on("error", reject);
    sent.flushHeaders();
  });
}

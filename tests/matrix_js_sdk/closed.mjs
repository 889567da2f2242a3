// What the router keeps closed, as an SDK reads it: a Matrix error, even for somebody with a token.

import { MatrixError } from "matrix-js-sdk";
import { expect, expectEqual, failureOf, step } from "./report.mjs";

const CLOSED = ["/_synapse/admin/v1/server_version", "/_synapse/replication/send_events/x", "/_synapse/mas/x"];

export async function closed({ alice }) {
  await step("admin, replication and MAS are closed", async () => {
    for (const path of CLOSED) {
      const error = await failureOf(alice.http.authedRequest("GET", path, undefined, undefined, { prefix: "" }), path);
      expect(error instanceof MatrixError, "a MatrixError");
      expectEqual([error.httpStatus, error.errcode], [404, "M_UNRECOGNIZED"], path);
    }
    const whois = await failureOf(alice.isSynapseAdministrator(), "isSynapseAdministrator");
    expectEqual([whois.httpStatus, whois.errcode], [404, "M_UNRECOGNIZED"], "isSynapseAdministrator");
  });
  await step("an endpoint that nobody has is a Matrix error too", async () => {
    const error = await failureOf(alice.http.authedRequest("GET", "/nothing/here"), "an unknown endpoint");
    expectEqual([error.httpStatus, error.errcode], [404, "M_UNRECOGNIZED"], "answer");
  });
}

// Media: uploaded, downloaded whole and in part, as a thumbnail, by those who are logged in.

import { randomBytes } from "node:crypto";
import { crc32, deflateSync } from "node:zlib";
import { ask, sha256 } from "./person.mjs";
import { expect, expectEqual, step } from "./report.mjs";

const SIDE = 600;

export async function media({ alice, bob }) {
  const picture = noise(SIDE);
  let mxc;
  await step("upload", async () => {
    const { "m.upload.size": limit } = await alice.getMediaConfig(true);
    expect(limit > picture.length, "a limit above the picture's size");
    const blob = new Blob([picture], { type: "image/png" });
    mxc = (await alice.uploadContent(blob, { name: "noise & ünï.png" })).content_uri;
    return { mxc, bytes: picture.length };
  });
  const link = (...size) => new URL(bob.mxcUrlToHttp(mxc, ...size, false, true, true));
  const get = (url, options) => ask(bob, options?.method ?? "GET", url.pathname + url.search, options);
  const whole = link(undefined, undefined, undefined);
  await step("download", async () => {
    expect(whole.pathname.startsWith("/_matrix/client/v1/media/download/"), "the authenticated endpoint");
    const answer = await get(whole);
    expectEqual([answer.status, answer.headers.get("content-type")], [200, "image/png"], "answer");
    expectEqual(sha256(Buffer.from(await answer.arrayBuffer())), sha256(picture), "content");
    expectEqual((await fetch(whole)).status, 401, "status without a token");
  });
  await step("a range", async () => {
    const answer = await get(whole, { headers: { Range: "bytes=100-1099" } });
    const bytes = Buffer.from(await answer.arrayBuffer());
    // Synapse may send the whole instead (RFC 9110, section 14.2); what it sends must be what it says.
    expect([200, 206].includes(answer.status), "200 or 206");
    const wanted = answer.status === 206 ? picture.subarray(100, 1100) : picture;
    expectEqual(sha256(bytes), sha256(wanted), "content");
    return answer.status;
  });
  await step("HEAD tells the length and sends nothing", async () => {
    const answer = await get(whole, { method: "HEAD" });
    const length = Number(answer.headers.get("content-length"));
    expectEqual([answer.status, length], [200, picture.length], "status and length");
    expectEqual((await answer.arrayBuffer()).byteLength, 0, "length of the body");
  });
  await step("thumbnails", async () => {
    const sizes = [];
    for (const [side, method] of [[96, "crop"], [320, "scale"]]) {
      const answer = await get(link(side, side, method));
      const thumbnail = Buffer.from(await answer.arrayBuffer());
      expectEqual([answer.status, answer.headers.get("content-type")], [200, "image/png"], "answer");
      expectEqual(thumbnail.subarray(1, 4).toString(), "PNG", "kind of file");
      expect(thumbnail.readUInt32BE(16) < SIDE, "a smaller picture");
      sizes.push(thumbnail.readUInt32BE(16));
    }
    return sizes;
  });
}

/** A PNG of random grey pixels, which does not compress: `side` squared bytes and a little more. */
function noise(side) {
  const pixels = randomBytes((side + 1) * side);
  for (let line = 0; line < side; line += 1) pixels[line * (side + 1)] = 0; // each begins with its filter: none
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = 8; // bits; the other fields are 0: grey, deflate, no interlace
  const chunks = [chunk("IHDR", header), chunk("IDAT", deflateSync(pixels)), chunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), ...chunks]);
}

function chunk(type, data) {
  const named = Buffer.concat([Buffer.from(type), data]);
  const framed = Buffer.alloc(named.length + 8);
  framed.writeUInt32BE(data.length, 0);
  named.copy(framed, 4);
  framed.writeUInt32BE(crc32(named), named.length + 4);
  return framed;
}

// Verifies webhooks by the libraries of others: `standardwebhooks` of npm for v1, Node's own `crypto` for v1a.
//
// Usage: webhooks.mjs FOLDER-OF-THE-PACKAGE. Reads lines of JSON from stdin (headers, body, secret, public) and prints how many verified.
// A forged body has to be refused each time.

import assert from "node:assert";
import { createPublicKey, verify as ed25519 } from "node:crypto";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { Webhook } = createRequire(import.meta.url)(process.argv[2]);

function v1(line, body) {
  try {
    new Webhook(line.secret).verify(body, line.headers);
    return true;
  } catch (error) {
    if (error.name === "WebhookVerificationError" || /signature/i.test(error.message)) return false;
    throw error;
  }
}

function v1a(line, body) {
  const raw = Buffer.from(line.public.replace(/^whpk_/, ""), "base64");
  // The head of a public key of Ed25519 in SPKI (RFC 8410).
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]);
  const key = createPublicKey({ key: spki, format: "der", type: "spki" });
  const headers = line.headers;
  const message = Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`);
  return headers["webhook-signature"].split(" ").some((signature) => {
    const [version, text] = signature.split(",");
    return version === "v1a" && ed25519(null, message, key, Buffer.from(text, "base64"));
  });
}

const counts = { v1: 0, v1a: 0 };
for await (const text of createInterface({ input: process.stdin })) {
  const line = JSON.parse(text);
  for (const [name, verify] of [["v1", v1], ["v1a", v1a]]) {
    const forged = line.body.replaceAll("1", "2") + " ";
    assert(!verify(line, forged), `${name}: a forged body was taken`);
    counts[name] += verify(line, line.body) ? 1 : 0;
  }
}
console.log(JSON.stringify(counts));

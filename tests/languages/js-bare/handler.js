// The probe's handler in JavaScript, from `wit/` alone; what it does is in ../README.md.
import config from "wasi:config/store@0.2.0-rc.1";
import atomics from "wasi:keyvalue/atomics@0.2.0-draft";
import store from "wasi:keyvalue/store@0.2.0-draft";
import clock from "wasi:clocks/wall-clock@0.2.0";
import logging from "wasi:logging/logging@0.1.0-draft";
import random from "wasi:random/random@0.2.0";
import counters from "wharf:plugin/counters@0.1.0";
import publisher from "wharf:plugin/publisher@0.1.0";

let counter = 0;

const utf8 = {
  encode: (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (letter) => letter.charCodeAt(0)),
  decode: (bytes) => decodeURIComponent(Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, "0")}`).join("")),
};

const answer = (event, value) => store.open("default").set(event.id, value instanceof Uint8Array ? value : utf8.encode(String(value)));
const retry = (reason, afterMs = null) => ({ tag: "retry", val: { afterMs, reason } });
const reject = (reason) => ({ tag: "reject", val: reason });
const publish = (type, more = {}) =>
  publisher.publish({ type, source: null, subject: null, datacontenttype: null, extensions: [], data: null, ...more });

export const handler = {
  handle(event, delivery) {
    const what = event.type.replace("probe.", "");
    const data = Uint8Array.from(event.data ?? []);
    if (what.startsWith("kv-")) buckets(what, event, data);
    else if (what.startsWith("publish") || what === "half" || what === "order") publishing(what, event, data, delivery.attempt);
    else other(what, event, data, delivery);
  },
};

function publishing(what, event, data, attempt) {
  switch (what) {
    case "order": {
      let order;
      try {
        order = JSON.parse(utf8.decode(data));
      } catch {}
      const { number, cents, note = null } = order ?? {};
      const fits = Number.isInteger(number) && Number.isInteger(cents) && (note === null || typeof note === "string");
      if (!fits) throw reject("the payload is no order");
      publish("probe.ordered", { subject: `order/${number}`, data: utf8.encode(JSON.stringify({ number, cents, note })) });
      break;
    }
    case "publish": {
      const first = publish("probe.published", { subject: "first", extensions: [{ name: "mark", value: "a" }], data: utf8.encode('{"n":1}') });
      answer(event, `${first} ${publish("probe.published", { source: "elsewhere", datacontenttype: "application/octet-stream", data })}`);
      break;
    }
    case "publish-again": {
      const id = publish("probe.published");
      if (attempt === 1) throw retry(id);
      answer(event, id);
      break;
    }
    case "publish-denied":
    case "publish-invalid":
      try {
        if (what === "publish-denied") publish("elsewhere.event");
        else publish("probe.published", { extensions: [{ name: "Not A Name", value: "x" }] });
      } catch (error) {
        answer(event, error.payload.tag);
        break;
      }
      answer(event, "taken");
      break;
    case "publish-flood":
      for (let n = 0; n < 101; n += 1) publish("probe.published");
      break;
    case "half":
      publish("probe.published");
      answer(event, "half");
      throw reject("half done");
  }
}

function buckets(what, event, data) {
  const kv = store.open("default");
  const at = (name) => `${event.id}/${name}`;
  const set = (key, text) => kv.set(key, utf8.encode(text));
  const shown = (key) => {
    const value = kv.get(key);
    return value === null || value === undefined ? "none" : utf8.decode(value);
  };
  switch (what) {
    case "kv-set-get":
      set(at("a"), "1");
      return answer(event, `${shown(at("a"))} ${shown(at("b"))}`);
    case "kv-delete":
      set(at("a"), "1");
      kv.delete(at("a"));
      return answer(event, `${kv.exists(at("a"))} ${shown(at("a"))}`);
    case "kv-list": {
      set(at("b"), "1");
      set(at("a"), "1");
      const keys = [];
      let cursor = null;
      do {
        const page = kv.listKeys(cursor);
        keys.push(...page.keys.filter((key) => key.startsWith(at(""))));
        cursor = page.cursor ?? null;
      } while (cursor !== null);
      return answer(event, keys.join(" "));
    }
    case "kv-binary":
      kv.set(at("bytes"), data);
      return answer(event, Uint8Array.from(kv.get(at("bytes"))));
    case "kv-add":
      counters.add(kv, at("n"), 5);
      return counters.add(kv, at("n"), -2);
    case "kv-increment":
      atomics.increment(kv, at("n"), 2);
      return answer(event, atomics.increment(kv, at("n"), 3));
    case "kv-swap": {
      const done = [["none", "one"], ["zero", "two"], ["one", "three"]].map(([old, text]) => {
        const fits = shown(at("s")) === old;
        if (fits) set(at("s"), text);
        return fits;
      });
      return answer(event, done.join(" "));
    }
    case "kv-conflict":
      return void atomics.increment(kv, "conflicts", 1);
    case "kv-named":
      return store.open("ledger").set(event.id, utf8.encode("kept"));
    case "kv-denied":
      try {
        store.open("vault").set(event.id, utf8.encode("x"));
      } catch (error) {
        return answer(event, error.payload.tag === "access-denied" ? "denied" : "taken");
      }
      return answer(event, "taken");
  }
}

function other(what, event, data, delivery) {
  const { id, rule, attempt, maxAttempts, deadlineMs } = delivery;
  switch (what) {
    case "echo":
      return answer(event, data);
    case "attributes": {
      const { id, source, type, subject, time, datacontenttype, dataschema } = event;
      const extensions = Object.fromEntries(event.extensions.map(({ name, value }) => [name, value]));
      return answer(event, JSON.stringify({ id, source, type, subject, time, datacontenttype, dataschema, extensions }));
    }
    case "delivery":
      return answer(event, JSON.stringify({ id, rule, attempt, max_attempts: maxAttempts, deadline_ms: deadlineMs }));
    case "retry":
      if (attempt === 1) throw retry(`again: ${id}`);
      return answer(event, `${attempt} ${id}`);
    case "retry-after":
      if (attempt === 1) throw retry("later", 1500);
      return answer(event, attempt);
    case "retry-always":
      throw retry(`attempt ${attempt} as asked`);
    case "reject":
      throw reject(utf8.decode(data));
    case "uncaught":
      answer(event, "half");
      throw new Error("uncaught as asked");
    case "loop":
      for (;;);
    case "memory":
      for (const hoard = []; ; ) hoard.push(new Uint8Array(1 << 20).fill(1));
    case "log":
      for (const level of ["trace", "debug", "info", "warn", "error", "critical"]) logging.log(level, "", `${level} ${utf8.decode(data)}`);
      return undefined;
    case "config":
      return answer(event, `${config.get("greeting")} ${config.get("absent") ?? "none"}`);
    case "clock":
      return answer(event, clock.now().seconds);
    case "random":
      return answer(event, Array.from(random.getRandomBytes(16), (byte) => byte.toString(16).padStart(2, "0")).join(""));
    case "counter":
      return answer(event, (counter += 1));
  }
}

// The probe's batch handler in TypeScript; what it does is in ../README.md.
import { Reject, Retry, RetryAfter, batchHandler, shape } from "wharf";

export default batchHandler<number>({ needs: { publish: ["probe.*"], kv: ["default"] }, payload: shape.integer }, (batch, cx) => {
  const has = (type: string) => batch.some((item) => item.event.type === type);
  if (has("probe.uncaught")) throw new Error("uncaught as asked");
  if (has("probe.fail-all")) throw new Retry("all fail as asked");
  for (const item of batch) {
    const { source, id, type, data, extensions } = item.event;
    cx.kv.add(`sum/${source}`, data);
    cx.kv.add(`seen/${id}`, 1);
    if (type === "probe.append") {
      const key = `line/${extensions.partitionkey}`;
      cx.kv.set(key, `${cx.kv.getText(key) ?? ""}${data},`);
    }
    if (type === "probe.reject") item.fail(new Reject("rejected as asked"));
    if (type === "probe.retry") item.fail(new RetryAfter(0.001, "again as asked"));
  }
  if (has("probe.publish")) cx.publish("probe.batched", batch.length);
});

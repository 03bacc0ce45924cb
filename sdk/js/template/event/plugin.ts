// {{name}}: handles orders.
import { Reject, handler, shape } from "wharf";

const order = shape.object({ number: shape.integer, cents: shape.integer });
const needs = { publish: ["order.accepted"], kv: ["default"] };

export default handler({ on: "order.created", needs, payload: order }, (event, cx) => {
  const { number, cents } = event.data;
  if (cents < 0) throw new Reject("an order cannot cost less than nothing");
  cx.kv.add("orders");
  cx.publish("order.accepted", { number }, { subject: `order/${number}` });
  cx.info(`order ${number} accepted`);
});

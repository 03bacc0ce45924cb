// {{name}}: sums up what a queue brings.
import { Reject, batchHandler, shape } from "wharf";

export default batchHandler({ needs: { kv: ["default"] }, payload: shape.integer }, (batch, cx) => {
  cx.kv.add("total", batch.reduce((sum, item) => sum + item.event.data, 0));
  for (const item of batch) if (item.event.data < 0) item.fail(new Reject("less than nothing"));
});

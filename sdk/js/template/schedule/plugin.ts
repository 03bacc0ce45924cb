// {{name}}: makes a report each time that it is due, and numbers them.
import { handler } from "wharf";

const needs = { publish: ["report.made"], kv: ["default"] };

export default handler({ needs }, (event, cx) => {
  const number = cx.kv.increment("reports");
  cx.publish("report.made", { number, title: title(number, event.time ?? "") });
});

function title(number: number, due: string): string {
  return `Report ${number} of ${due.split("T")[0]}`;
}

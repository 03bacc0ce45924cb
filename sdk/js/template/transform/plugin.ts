// {{name}}: adds the price in euros, and leaves out what has no price.
import { transform } from "wharf";

export default transform<{ cents?: unknown }>({}, (event) => {
  const { cents } = event.data;
  if (typeof cents !== "number") return undefined;
  return { ...event, data: { ...event.data, euros: cents / 100 } };
});

// The probe's transform in TypeScript; what it does is in ../README.md.
import { Reject, Retry, shape, transform } from "wharf";

export default transform<Uint8Array>({ payload: shape.bytes }, (event) => {
  switch (event.extensions.bend) {
    case "change": {
      const data = new Uint8Array([...event.data, ...Array.from(" bent", (letter) => letter.charCodeAt(0))]);
      const extensions = { ...event.extensions, mark: "yes" };
      return { ...event, subject: "bent", datacontenttype: "text/plain", extensions, data };
    }
    case "drop":
      return undefined;
    case "retry":
      throw new Retry("bent as asked");
    case "reject":
      throw new Reject("bent as asked");
    case "uncaught":
      throw new Error("uncaught as asked");
    default:
      return event;
  }
});

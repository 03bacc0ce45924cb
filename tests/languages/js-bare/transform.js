// The probe's transform in JavaScript, from `wit/` alone; what it does is in ../README.md.
export const transformer = {
  transform(event) {
    switch (event.extensions.find(({ name }) => name === "bend")?.value) {
      case "change": {
        const extensions = [...event.extensions, { name: "mark", value: "yes" }];
        const data = Uint8Array.from([...(event.data ?? []), ...Array.from(" bent", (letter) => letter.charCodeAt(0))]);
        return { ...event, subject: "bent", datacontenttype: "text/plain", extensions, data };
      }
      case "drop":
        return null;
      case "retry":
        throw { tag: "retry", val: { afterMs: null, reason: "bent as asked" } };
      case "reject":
        throw { tag: "reject", val: "bent as asked" };
      case "uncaught":
        throw new Error("uncaught as asked");
      default:
        return event;
    }
  },
};

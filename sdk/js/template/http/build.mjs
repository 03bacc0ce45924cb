// Makes the component: `npm run build`.
//
// The engine has an interface wasi:http of its own, which is in the way of the plugin's while the component is made. So the plugin's goes through
// it under another name of the same length, and gets its own back at the end.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";

import { componentize } from "componentize-qjs";
import { rolldown } from "rolldown";

const [name, spared] = ["wasi:", "wazi:"];

const bundle = await rolldown({ input: "proxy.ts", external: /^wasi:/, logLevel: "silent" });
const { output } = await bundle.generate({ format: "esm" });

const wit = "dist/wit";
mkdirSync(wit, { recursive: true });
writeFileSync(`${wit}/proxy.wit`, readFileSync("wit/proxy.wit", "utf8").replaceAll(name, spared));
const jsSource = output[0].code.replaceAll(`"${name}`, `"${spared}`);
const { component } = await componentize({ jsSource, witPath: wit, world: "proxy", sync: true, optSize: true });

const bytes = Buffer.from(component);
for (let at = bytes.indexOf(spared); at >= 0; at = bytes.indexOf(spared, at)) bytes.write(name, at, "latin1");
writeFileSync("dist/{{name}}.wasm", bytes);
renameSync("dist/{{name}}.wasm", "{{name}}.wasm");

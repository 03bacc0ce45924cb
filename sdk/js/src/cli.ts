#!/usr/bin/env node
/** The program `wharf-js`; what it does is in `build.ts`. */

import { main } from "./build.js";

declare const process: { argv: string[]; exitCode: number };

process.exitCode = await main(process.argv.slice(2));

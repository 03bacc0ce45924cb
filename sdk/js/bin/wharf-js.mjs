#!/usr/bin/env node
/** The program `wharf-js`; what it does is in `build.mjs`. */

import { main } from "./build.mjs";

process.exitCode = await main(process.argv.slice(2));

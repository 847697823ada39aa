#!/usr/bin/env node
/** op-pipe: the program. Plain JavaScript, so that an old Node gets a sentence and not a syntax error; CommonJS, since Node starts that sooner. */
"use strict"
const [major, minor] = process.versions.node.split(".").map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  console.error(
    `op-pipe: expected Node.js 22.19 or later, but this is ${process.version}. ` +
      "Get it with `npm install --save-dev node@22` and call op-pipe by npx."
  )
  process.exit(2)
}
try {
  process.cwd()
} catch {
  console.error(
    "op-pipe: expected a working directory, but it was removed. Change to a folder that is there (cd), and run again"
  )
  process.exit(2)
}
require("../core/start/start.cjs").start(process.argv.slice(2))

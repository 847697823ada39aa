#!/usr/bin/env node
// Plain JavaScript, so that an old Node gets a sentence and not a syntax error.
import { existsSync } from "node:fs"
import module from "node:module"
import { fileURLToPath } from "node:url"

const [major, minor] = process.versions.node.split(".").map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  console.error(
    `op-pipe: expected Node.js 22.19 or later, but this is ${process.version}. ` +
      "Get it with `npm install --save-dev node@22` and call op-pipe by npx."
  )
  process.exit(2)
}
module.enableCompileCache?.()
// A checkout has the sources; a package has the built files.
const source = new URL("../cli/Main.ts", import.meta.url)
const [entry, builtIn] = existsSync(source)
  ? [source, new URL("../pipeline.ts", import.meta.url)]
  : [new URL("../dist/cli/Main.js", import.meta.url), new URL("../dist/pipeline.js", import.meta.url)]
const { launch } = await import("./launch.mjs")
const start = await launch(fileURLToPath(entry), fileURLToPath(builtIn), process.argv.slice(2))
start()

/**
 * build: the package's JavaScript and types, in `dist/`, file by file.
 *
 * Nothing is bundled: a stage's code identity is told by its modules, so the package keeps them apart as the sources do.
 */
import { execFileSync } from "node:child_process"
import { cpSync, rmSync } from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const dist = path.join(root, "dist")

rmSync(dist, { recursive: true, force: true })
execFileSync(path.join(root, "node_modules/.bin/tsc"), ["-p", path.join(root, "tsconfig.build.json")], {
  stdio: "inherit"
})
// The engine's addon is built on the user's machine, from its sources.
cpSync(path.join(root, "engine/native/src"), path.join(dist, "engine/native/src"), { recursive: true })

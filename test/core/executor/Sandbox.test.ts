/** What a sandbox is made of. */
import { mkdirSync, symlinkSync } from "node:fs"
import * as path from "node:path"
import { expect, it } from "vitest"
import * as Sandbox from "../../../core/executor/Sandbox.ts"
import { temporaryFolder } from "../../lib/temporary.ts"

it("makes no link where PATH leads through it: npx in a folder whose node_modules is linked", () => {
  const root = temporaryFolder()
  const [real, linked] = [path.join(root, "real"), path.join(root, "project/node_modules")]
  for (const folder of [path.join(real, ".bin"), path.dirname(linked)]) mkdirSync(folder, { recursive: true })
  symlinkSync(real, linked)
  const links = [
    [linked, real],
    [path.join(root, "other"), real]
  ] as const
  const walls = { writable: [], readable: [], links, hidden: [], network: false, env: {}, cwd: "/" }
  const command = Sandbox.wrap(walls, { PATH: path.join(linked, ".bin") }, ["true"])
  const made = command.flatMap((each, at) => (each === "--symlink" ? [command[at + 2]] : []))
  expect(made).toContain(path.join(root, "other"))
  expect(made).not.toContain(linked)
})

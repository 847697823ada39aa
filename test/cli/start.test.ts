/**
 * What the command line loads before it knows what there is to do. A run with nothing to do is mostly this: a package that
 * is imported at the top of a stage, and not where the work is done, costs every run.
 */
import { spawnSync } from "node:child_process"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { repository } from "../lib/cli.ts"

/** The packages that loading these modules loads. */
const packagesOf = (modules: ReadonlyArray<string>): ReadonlyArray<string> => {
  const program = `
    import { registerHooks } from "node:module"
    const loaded = new Set()
    registerHooks({
      load: (url, context, next) => {
        const found = /.*\\/node_modules\\/((?:@[^/]+\\/)?[^/]+)/u.exec(url)
        if (found !== null) loaded.add(found[1])
        return next(url, context)
      }
    })
    for (const each of ${JSON.stringify(modules.map((each) => path.join(repository, each)))}) await import(each)
    console.log(JSON.stringify([...loaded]))
  `
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    encoding: "utf8"
  })
  if (stdout === "") throw new Error(stderr)
  return JSON.parse(stdout) as ReadonlyArray<string>
}

/** Effect and the hash: what everything is written with. */
const allowed = ["effect", "@effect/platform-node", "@effect/platform-node-shared", "xxhash-wasm"]

describe("the start", () => {
  it("loads no package that only the work of a stage needs", () => {
    const packages = packagesOf(["cli/Main.ts", "pipeline.ts"])
    expect(packages.toSorted()).toEqual(allowed.toSorted())
  })

  it("would tell of one: the module that does the work loads it", () => {
    expect(packagesOf(["stages/lib/ArrowTable.ts"])).toContain("apache-arrow")
  })
})

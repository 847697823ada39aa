/** Engines whose packages are optional are opened in the process of a step, which may read little. */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { repository } from "../lib/cli.ts"

const at = (name: string): string => path.join(repository, name)

describe("finding a package", () => {
  it("goes on where a folder may not be read", () => {
    const program = `
      import { findPackage } from ${JSON.stringify(at("engine/Packages.ts"))}
      console.log(JSON.stringify([findPackage("sharp")?.version ?? null, findPackage("no-such-package") ?? null]))`
    const readable = ["engine/Packages.ts", "package.json", "node_modules"].map(at)
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ["--permission", ...readable.map((each) => `--allow-fs-read=${each}`), "--input-type=module", "--eval", program],
      { encoding: "utf8", cwd: repository }
    )
    const { version } = JSON.parse(readFileSync(at("node_modules/sharp/package.json"), "utf8")) as { version: string }
    expect(stdout, stderr).toBe(`${JSON.stringify([version, null])}\n`)
  })
})

/**
 * The harnesses, tried on planted bugs: each is caught by the harness that is there for it. All of them by
 * `npm run test:hostile`; the quick ones always.
 */
import { execFile } from "node:child_process"
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it, vi } from "vitest"
import { repository } from "../lib/cli.ts"
import { temporaryFolder } from "../lib/temporary.ts"
import { plantedBugs } from "./planted.ts"
import { full, isInPart, timeoutMs } from "./series.ts"

if (full) vi.setConfig({ testTimeout: timeoutMs })
const base = temporaryFolder()

/** A copy of the sources with a piece of text replaced. */
const plant = (name: string, file: string, find: string, replace: string): string => {
  const root = path.join(base, name.replaceAll(/\W+/g, "-"))
  mkdirSync(root, { recursive: true })
  for (const each of [
    "bench",
    "bin",
    "commands",
    "charts",
    "cache",
    "core",
    "cli",
    "engine",
    "demo",
    "schemas",
    "stages",
    "test",
    "package.json",
    "tsconfig.json",
    "vitest.config.ts"
  ]) {
    cpSync(path.join(repository, each), path.join(root, each), { recursive: true })
  }
  symlinkSync(path.join(repository, "node_modules"), path.join(root, "node_modules"))
  const text = readFileSync(path.join(root, file), "utf8")
  expect(text.split(find).length, `${name}: what is to be replaced stands once in ${file}`).toBe(2)
  writeFileSync(
    path.join(root, file),
    text.replace(find, () => replace)
  )
  return root
}

const runTests = (
  root: string,
  files: ReadonlyArray<string>,
  rare: string | undefined
): Promise<{ readonly failed: boolean; readonly output: string }> =>
  new Promise((resolve) => {
    const vitest = path.join(repository, "node_modules/vitest/vitest.mjs")
    // of the quick ones, the first test that fails is known to fail by an assertion
    const [size, part] = rare !== undefined ? ["full", "1/10"] : ["", "1/1"]
    const env = { ...process.env, OP_PIPE_HOSTILE: size, OP_PIPE_HOSTILE_PART: part, NO_COLOR: "1" }
    execFile(
      process.execPath,
      [vitest, "run", ...(full ? [] : ["--bail=1"]), ...files, ...(rare === undefined ? [] : ["-t", rare])],
      { cwd: root, env, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => resolve({ failed: error !== null, output: stdout + stderr })
    )
  })

describe("planted bugs", () => {
  it("are many, and each has its place in the sources as they are", () => {
    expect(plantedBugs.length).toBeGreaterThanOrEqual(10)
    for (const { name, file, find } of plantedBugs) {
      expect(readFileSync(path.join(repository, file), "utf8").split(find).length, name).toBe(2)
    }
  })

  it.each(plantedBugs.filter((bug, index) => isInPart(index) && (full || bug.quick === true)))(
    "$name: caught by $caughtBy",
    async ({ name, file, find, replace, caughtBy, rare }) => {
      const { failed, output } = await runTests(plant(name, file, find, replace), caughtBy, rare)
      expect(failed, output).toBe(true)
      // caught by an assertion, and not because the plant does not load
      expect(output).toMatch(
        /AssertionError|Error: (?:sequence|no RunFinished|killed|unsynced|store)|Property failed|no good run/u
      )
    },
    1_200_000
  )
})

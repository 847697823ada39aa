/** Packages that are worked on beside a pipeline, as in a workspace: they keep their version, and what they hold is in the keys. */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { expect, it } from "vitest"
import { events, lastEvent, onceUnderWay, opPipe, repository } from "../lib/cli.ts"
import { makeProject, stageModule, valueModule } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const workspace = (): string => {
  const root = path.join(temporaryFolder(), "project")
  const work = `Effect.gen(function* () {
    yield* progress({ label: "wait", done: 0, total: 1, unit: "values" })
    yield* Effect.sleep(1000)
    yield* output.value.write(value)
  })`
  makeProject(root, undefined, {
    "value.ts": valueModule("Schema.Int"),
    "first.ts": `import { value } from "lib"\n${stageModule("first", "{}", work)}`,
    "pipeline.ts": `import { Pipeline } from "./core/index.ts"
import { first } from "./first.ts"
export default Pipeline.make({ name: "p", steps: [Pipeline.step(first, { inputs: {} })] })
`,
    "packages/lib/package.json": JSON.stringify({ name: "lib", version: "1.0.0", type: "module", exports: "./i.ts" }),
    // as bundlers take it, and Node.js does not
    "packages/lib/i.ts": `export { value } from "./value"\nexport enum Kind { A = "a" }\n`,
    "packages/lib/value.ts": "export const value = 1\n"
  })
  rmSync(path.join(root, "node_modules"))
  mkdirSync(path.join(root, "node_modules"))
  for (const name of ["effect", "xxhash-wasm"]) {
    symlinkSync(path.join(repository, "node_modules", name), path.join(root, "node_modules", name))
  }
  symlinkSync("../packages/lib", path.join(root, "node_modules/lib"))
  return root
}

it("an edit of one reruns what imports it, and one that is made while a step runs is not taken for what the key says", async () => {
  const root = workspace()
  const file = path.join(root, "packages/lib/value.ts")
  const run = async () => {
    const finished = await opPipe(["run", "--json"], { cwd: root })
    expect(finished.code, finished.stdout + finished.stderr).toBe(0)
    const value: unknown = JSON.parse(readFileSync(path.join(root, "outputs/first/value.json"), "utf8"))
    return [lastEvent(finished).executed, value]
  }
  expect(await run()).toEqual([["first"], 1])
  expect(await run()).toEqual([[], 1])
  writeFileSync(file, "export const value = 2\n")
  expect(await run()).toEqual([["first"], 2])
  writeFileSync(file, "export const value = 3\n")
  const disturbedBy = (edited: string, text: string) =>
    opPipe(["run", "--json"], { cwd: root, onOutput: onceUnderWay(() => writeFileSync(edited, text)) })
  // the module was loaded before: what the step gives is what the key says
  expect(lastEvent(await disturbedBy(file, "export const value = 4\n")).executed).toEqual(["first"])
  expect(await run()).toEqual([["first"], 4])
  // when a file is read, nobody knows
  const data = path.join(root, "packages/lib/data.txt")
  writeFileSync(data, "1")
  const disturbed = await disturbedBy(data, "2")
  expect(events(disturbed).find((event) => event.type === "StepFailed")).toMatchObject({
    step: "first",
    reason: `${data} changed while the step ran, so its result was discarded. Run again`
  })
  expect(await run()).toEqual([["first"], 4])
})

it("what one imports from outside of its folder, which no key would hold, is told with what to do", async () => {
  const root = workspace()
  writeFileSync(path.join(root, "packages/lib/value.ts"), `export { value } from "../other/value.ts"\n`)
  mkdirSync(path.join(root, "packages/other"))
  writeFileSync(path.join(root, "packages/other/value.ts"), "export const value = 1\n")
  const { code, stderr } = await opPipe(["run"], { cwd: root })
  expect(code).toBe(2)
  expect(stderr).toContain("packages/lib/value.ts:1:23: expected a module behind the import")
  expect(stderr).toContain("it lies outside of its package")
  expect(stderr).toContain("Make it a package of its own, and import it by its name")
})

it("one that another imports, and no package.json names, is told with what to do", async () => {
  const root = workspace()
  writeFileSync(path.join(root, "packages/lib/value.ts"), `export { value } from "other"\n`)
  mkdirSync(path.join(root, "packages/other"))
  const other = { name: "other", version: "1.0.0", type: "module", exports: "./i.ts" }
  writeFileSync(path.join(root, "packages/other/package.json"), JSON.stringify(other))
  writeFileSync(path.join(root, "packages/other/i.ts"), "export const value = 5\n")
  symlinkSync("../packages/other", path.join(root, "node_modules/other"))
  const failed = await opPipe(["run"], { cwd: root })
  expect(failed.code, failed.stdout + failed.stderr).toBe(1)
  expect(failed.stdout).toContain("other is installed, but no package.json of what the stage imports names it")
  expect(failed.stdout).not.toContain("bug")
  const lib = { name: "lib", version: "1.0.0", type: "module", exports: "./i.ts", dependencies: { other: "*" } }
  writeFileSync(path.join(root, "packages/lib/package.json"), JSON.stringify(lib))
  expect(await opPipe(["run"], { cwd: root })).toMatchObject({ code: 0 })
})

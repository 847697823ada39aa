/** Code that is edited while a run goes on, before it is loaded: what it makes is not what its key says. */
import { readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { events, lastEvent, onceUnderWay, opPipe } from "../lib/cli.ts"
import { chainModule, makeProject, stageModule, valueModule } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

/** A stage that is long enough under way for an edit. */
const waiting = stageModule(
  "first",
  "{}",
  `Effect.gen(function* () {
    yield* progress({ label: "wait", done: 0, total: 1, unit: "values" })
    yield* Effect.sleep(1500)
    yield* output.value.write(7)
  })`
)

it("is told, its result is discarded, and the next run takes it in", async () => {
  const root = path.join(temporaryFolder(), "project")
  const later = (factor: number): string =>
    stageModule(
      "later",
      "{ value: Value }",
      `Effect.flatMap(inputs.value.read, (value) => output.value.write(value * ${factor}))`
    )
  makeProject(root, undefined, {
    "value.ts": valueModule("Schema.Int"),
    "first.ts": waiting,
    "later.ts": later(2),
    "pipeline.ts": chainModule("first", "later")
  })
  const file = path.join(root, "later.ts")
  const disturbed = await opPipe(["run", "--json"], {
    cwd: root,
    onOutput: onceUnderWay(() => writeFileSync(file, later(3)))
  })
  expect(disturbed.code, disturbed.stderr).toBe(1)
  expect(events(disturbed).find((event) => event.type === "StepFailed")).toMatchObject({
    step: "later",
    reason: `${file} changed since the run began, so the step was not begun. Run again`
  })
  const next = await opPipe(["run", "--json"], { cwd: root })
  expect(lastEvent(next)).toMatchObject({ executed: ["later"], cached: ["first"] })
  expect(JSON.parse(readFileSync(path.join(root, "outputs/later/value.json"), "utf8"))).toBe(21)
})

describe("what a module of a later step leads to is told, and nothing is stored of it,", () => {
  /** A project whose later step gives what `named.ts` leads to, both modules being among the key's. */
  const root = path.join(temporaryFolder(), "project")
  const project = (): void => {
    const later = stageModule("later", "{ value: Value }", "output.value.write(named * 100 + one * 10 + two)")
    makeProject(root, undefined, {
      "package.json": JSON.stringify({ type: "module", imports: { "#named": "./one.ts" } }),
      "one.ts": "export const it = 1",
      "two.ts": "export const it = 2",
      "value.ts": valueModule("Schema.Int"),
      "first.ts": waiting,
      "later.ts": `import { it as named } from "#named"
import { it as one } from "./one.ts"
import { it as two } from "./two.ts"
import { it as linked } from "./linked.ts"
export const unused = linked
${later}`,
      "pipeline.ts": chainModule("first", "later")
    })
    symlinkSync("one.ts", path.join(root, "linked.ts"))
  }
  const edits: Readonly<Record<string, () => void>> = {
    "by an import that is added": () => {
      writeFileSync(path.join(root, "more.ts"), "export const more = 1")
      writeFileSync(path.join(root, "one.ts"), `import { more } from "./more.ts"\nexport const it = more`)
    },
    "by a name in a manifest": () =>
      writeFileSync(
        path.join(root, "package.json"),
        JSON.stringify({ type: "module", imports: { "#named": "./two.ts" } })
      ),
    "by a link": () => {
      rmSync(path.join(root, "linked.ts"))
      symlinkSync("two.ts", path.join(root, "linked.ts"))
    },
    "or that it is half written": () => writeFileSync(path.join(root, "two.ts"), "export const it = ("),
    "or that it is gone": () => rmSync(path.join(root, "two.ts"))
  }
  it.each(Object.keys(edits))("%s", async (name) => {
    project()
    const disturbed = await opPipe(["run", "--json"], { cwd: root, onOutput: onceUnderWay(edits[name]!) })
    expect(disturbed.code, disturbed.stdout + disturbed.stderr).toBe(1)
    expect(lastEvent(disturbed)).toMatchObject({ executed: ["first"], failed: ["later"] })
    expect(events(disturbed).find((event) => event.type === "StepFailed")).toMatchObject({
      step: "later",
      fault: "stage",
      reason: expect.stringMatching(/ changed since the run began, so the step was not begun\. Run again$/u)
    })
  })
})

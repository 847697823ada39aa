/** What steps print: shown live, kept with the run, and shown again. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { events, opPipe, repository } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const root = path.join(temporaryFolder(), "talk")

const pipeline = (command: string): string => `
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const talk = Stage.command({ name: "talk", command: ${JSON.stringify(command)}, inputs: {}, output: { text: Text } })
export const think = Stage.make({
  name: "think", source: import.meta.url, params: Schema.Struct({}), inputs: {}, output: { text: Text },
  run: ({ output }) => Effect.andThen(Effect.sync(() => console.log("a thought")), output.text.write(new Uint8Array(1)))
})
const steps = [Pipeline.step(talk, { inputs: {} }), Pipeline.step(think, { inputs: {} })]
export default Pipeline.make({ name: "talking", steps })
`
const declare = (command: string): void => writeFileSync(path.join(root, "pipeline.ts"), pipeline(command))
const op = (...args: ReadonlyArray<string>) => opPipe(args, { cwd: root })

beforeAll(() => {
  makeProject(root, undefined, {
    "pipeline.ts": pipeline('printf "one\\ntwo\\n\\033[31mthree\\033[0m\\rfour\\n"; echo > "$text"')
  })
})

describe("what a step prints", () => {
  it("is shown with --verbose, and is an event with --json", async () => {
    const { stdout } = await op("run", "--verbose")
    expect(stdout).toContain("talk │ one\ntalk │ two\n")
    expect(stdout).toContain("think │ a thought\n")
    const json = await op("run", "--force", "--verbose", "--json")
    const printed = events(json).flatMap((event) => (event.type === "StepPrinted" ? [event.step] : []))
    expect(new Set(printed)).toEqual(new Set(["talk", "think"]))
    expect(events(json).at(-1)?.type).toBe("RunFinished")
  })

  it("is kept with the result, without what a terminal takes as orders", async () => {
    expect((await op("logs", "talk")).stdout).toBe("one\ntwo\nfour\n")
    expect((await op("logs", "think")).stdout).toBe("a thought\n")
    expect((await op("logs", "talk", "--raw")).stdout).toContain("\u001b[31m")
    const json = JSON.parse((await op("logs", "talk", "--json")).stdout) as {
      readonly file: string
      readonly text: string
    }
    expect(json.text).toBe("one\ntwo\nfour\n")
    expect(readFileSync(json.file, "utf8")).toContain("one")
  })

  it("is shown for a run that had the result in the cache", async () => {
    await op("run")
    expect((await op("logs", "talk", "--run", "last")).stdout).toBe("one\ntwo\nfour\n")
  })

  it("is kept of a step that failed, and told where", async () => {
    declare("echo a reason; exit 3")
    const { code, stdout } = await op("run", "--keep-going")
    expect(code).toBe(1)
    expect(stdout).toContain("All that it printed: op-pipe logs talk")
    expect((await op("logs", "talk")).stdout).toBe("a reason\n")
    declare("exit 3")
    await op("run", "--keep-going")
    // the run before printed something, and this one nothing
    expect((await op("logs", "talk")).stdout).toBe("")
  })

  it("is bounded, and a log of any size costs the step alone", async () => {
    declare('yes "$(printf %1000s | tr " " x)" | head -c 200000000 || true; echo the end; exit 3')
    const { code, stdout } = await op("run", "--keep-going", "--json")
    expect(code).toBe(1)
    expect(stdout).toContain("the end")
    const { file } = JSON.parse((await op("logs", "talk", "--json")).stdout) as { readonly file: string }
    expect(readFileSync(file).length).toBeLessThan(70_000_000)
  }, 60_000)

  it("of a step that is not there is bad usage", async () => {
    expect(await op("logs", "nobody")).toMatchObject({ code: 2 })
    expect(existsSync(path.join(repository, ".op-pipe/v1/logs/nobody"))).toBe(false)
  })
})

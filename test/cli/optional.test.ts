/** Texts, bytes, and outputs that a step may leave out (dvc#4410). */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { beforeEach, describe, expect, it } from "vitest"
import { Artifact, Pipeline, Stage } from "../../core/index.ts"
import { runStage } from "../../core/testing.ts"
import { events, lastEvent, opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const stages = `import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Stage } from "./core/index.ts"
const whether = (value: boolean) => Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(value)))
const Good = Artifact.text({ tag: "Good/v1", path: "good.txt" })
const Rejects = Artifact.optional(Artifact.text({ tag: "Rejects/v1", path: "rejects.txt" }))
const Parts = Artifact.optional(Artifact.folder({ tag: "Parts/v1", path: "parts" }))
const Raw = Artifact.bytes({ tag: "Raw/v1", path: "raw.bin" })
export const clean = Stage.command({
  name: "clean",
  command: \`
    if $bad; then echo bad > "$rejects"; fi
    if $split; then mkdir "$parts"; echo 1 > "$parts/a"; fi
    if $good; then echo good > "$kept"; else printf '\\\\377' > "$kept"; fi\`,
  params: Schema.Struct({ bad: whether(false), split: whether(false), good: whether(true) }),
  inputs: {},
  output: { kept: Good, rejects: Rejects, parts: Parts }
})
export const list = Stage.command({
  name: "list",
  command: 'echo "[$rejects] [$parts] $(cat "$rejects" /dev/null 2>&1)" > "$listed"',
  inputs: { rejects: Rejects, parts: Parts },
  output: { listed: Good }
})
export const count = Stage.make({
  name: "count",
  source: import.meta.url,
  params: Schema.Struct({}),
  inputs: { kept: Artifact.optional(Good), rejects: Rejects },
  output: { raw: Raw, again: Rejects },
  run: ({ inputs, output }) =>
    Effect.gen(function* () {
      const kept = inputs.kept === undefined ? "none" : yield* inputs.kept.read
      if (inputs.rejects !== undefined) yield* output.again.write(yield* inputs.rejects.read)
      yield* output.raw.write(new TextEncoder().encode(kept))
    })
})
`
const pipeline = `import { Pipeline } from "./core/index.ts"
import { clean, count, list } from "./stages.ts"
const { out } = Pipeline.step(clean, { inputs: {} })
const listed = Pipeline.step(list, { inputs: { rejects: out.rejects, parts: out.parts } })
const counted = Pipeline.step(count, { inputs: { kept: out.kept, rejects: out.rejects } })
export default Pipeline.make({ name: "cleaning", steps: [listed, counted], report: counted.out.again })
`

const root = path.join(temporaryFolder(), "project")
beforeEach(() => makeProject(root, undefined, { "stages.ts": stages, "pipeline.ts": pipeline }))
const run = (...args: ReadonlyArray<string>) => opPipe(["run", "--json", ...args], { cwd: root })
const output = (file: string): string => readFileSync(path.join(root, "outputs", file), "utf8")
const has = (file: string): boolean => existsSync(path.join(root, "outputs", file))

describe("an optional output", () => {
  it.each(["auto", "off"])("may be left out: its absence is a result (sandbox %s)", async (mode) => {
    const first = lastEvent(await run("--sandbox", mode))
    expect(first).toMatchObject({ executed: ["clean", "list", "count"], failed: [], report: null })
    expect([has("clean/rejects.txt"), has("clean/parts"), has("count/rejects.txt")]).toEqual([false, false, false])
    expect(output("list/good.txt")).toMatch(/^\[\] \[\] /u)
    expect(output("count/raw.bin")).toBe("good\n")
    expect(lastEvent(await run("--sandbox", mode))).toMatchObject({ cached: ["clean", "list", "count"], executed: [] })

    const then = await run("--sandbox", mode, "--set", "clean.bad=true", "--set", "clean.split=true")
    expect(lastEvent(then)).toMatchObject({ executed: ["clean", "list", "count"] })
    expect(events(then).find((event) => event.type === "StepStarted" && event.step === "list")).toMatchObject({
      reasons: ["input clean.rejects is there now", "input clean.parts is there now"]
    })
    expect(output("list/good.txt")).toBe("[inputs/rejects/rejects.txt] [inputs/parts/parts] bad\n")
    expect(output("clean/parts/a")).toBe("1\n")
    expect(output("count/rejects.txt")).toBe("bad\n")
    expect(lastEvent(then).report).toMatch(/count\/rejects.txt$/u)

    expect(lastEvent(await run("--sandbox", mode))).toMatchObject({ cached: ["clean", "list", "count"] })
    expect(has("clean/rejects.txt")).toBe(false)
    const why = await opPipe(["why", "clean"], { cwd: root })
    expect(why.stdout).toContain("outputs that it left out: rejects, parts")
    const told = JSON.parse((await opPipe(["why", "clean", "--json"], { cwd: root })).stdout)
    expect(told.steps[0].absentOutputs).toEqual(["rejects", "parts"])
    expect((await opPipe(["diff", "last~1", "last"], { cwd: root })).stdout).toContain("output rejects was removed")
  })

  it.each([
    ["comes", false],
    ["goes", true]
  ])("that %s from one time to the next is not deterministic", async (_how, isThere) => {
    const flag = path.join(root, "flag")
    const command = `if [ -e ${flag} ]; then touch "$rejects"; fi; echo a > "$kept"`
    const set = ["--sandbox", "off", "--until", "clean", "--set", `clean.command=${command}`]
    if (isThere) writeFileSync(flag, "")
    expect((await run(...set)).code).toBe(0)
    if (isThere) rmSync(flag)
    else writeFileSync(flag, "")
    const verified = await run("--verify", ...set)
    expect(verified.stdout).toContain("its output rejects (rejects.txt) differs. The stage is not deterministic")
  })

  it("is wired to optional inputs alone, and is no source", () => {
    const Text = Artifact.text({ tag: "Text/v1", path: "text.txt" })
    const Maybe = Artifact.optional(Text)
    const make = Stage.command({ name: "make", command: ":", inputs: {}, output: { maybe: Maybe, sure: Text } })
    const needs = Stage.command({ name: "needs", command: ":", inputs: { text: Text }, output: {} })
    const takes = Stage.command({ name: "takes", command: ":", inputs: { text: Maybe }, output: {} })
    const { out } = Pipeline.step(make, { inputs: {} })
    expect(Pipeline.step(takes, { inputs: { text: out.maybe } }).id).toBe("takes")
    expect(Pipeline.step(takes, { inputs: { text: out.sure } }).id).toBe("takes")
    // @ts-expect-error what may be absent, where something is needed
    Pipeline.step(needs, { inputs: { text: out.maybe } })
    // @ts-expect-error a source is there
    expect(() => Pipeline.source({ name: "text", artifact: Maybe })).toThrow("expected an artifact that is there")
    // @ts-expect-error of many, those that are not there are left out
    Artifact.many(Maybe)
  })
})

describe("a text", () => {
  it("that is no UTF-8 is refused", async () => {
    const finished = await run("--set", "clean.good=false")
    expect(finished.code).toBe(1)
    expect(finished.stdout).toContain("output kept: expected a text in UTF-8 at good.txt, but found other bytes")
  })

  const Text = Artifact.text({ tag: "Text/v1", path: "text.txt" })
  const Bytes = Artifact.optional(Artifact.bytes({ tag: "Bytes/v1", path: "b.bin" }))
  const copy = Stage.make({
    name: "copy",
    source: import.meta.url,
    params: Schema.Struct({}),
    inputs: { text: Text, bytes: Bytes },
    output: { text: Text, bytes: Bytes },
    run: ({ inputs, output }) =>
      Effect.gen(function* () {
        const text: string = yield* inputs.text.read
        // @ts-expect-error it may be absent
        void (() => inputs.bytes.read)
        // @ts-expect-error bytes are no text
        void (() => output.bytes.write("a"))
        if (inputs.bytes !== undefined) yield* output.bytes.write(yield* inputs.bytes.read)
        yield* output.text.write(text === "half" ? "\ud83d" : text)
      })
  })
  const copied = (inputs: Parameters<typeof runStage<typeof copy>>[1]["inputs"]) =>
    Effect.runPromise(Effect.scoped(runStage(copy, { inputs })))

  it("keeps its byte order mark, and bytes are bytes", async () => {
    const text = "\ufeffa\r\n"
    const bytes = new Uint8Array([0, 255])
    expect((await copied({ text: { value: text }, bytes: { value: bytes } })).output.text).toBe(text)
    const { output } = await copied({ text: { value: text }, bytes: { value: bytes } })
    expect(Array.from(output.bytes ?? [])).toEqual([0, 255])
    expect((await copied({ text: { value: "a" }, bytes: undefined })).output.bytes).toBeUndefined()
  })

  it("with half of a character is not written", async () => {
    await expect(copied({ text: { value: "half" }, bytes: undefined })).rejects.toThrow("half of a surrogate pair")
  })
})

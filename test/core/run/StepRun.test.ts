/** What a step's result is made from: sources that are touched meanwhile, checkpoints of other sources, what a command leaves running. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import { Disk } from "../../../cache/store/Disk.ts"
import { Executor } from "../../../core/executor/Executor.ts"
import type { StepTask } from "../../../core/executor/StepTask.ts"
import { Artifact, Pipeline, Stage } from "../../../core/index.ts"
import { newPlace, type Place } from "../../lib/place.ts"
import { contents, run } from "../../lib/runs.ts"
import { temporaryFolder, writeFiles } from "../../lib/temporary.ts"
import { around, doing, pastTheTick, ran, Texts, Value, writeValue } from "../../regressions/support.ts"

const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const texts = Pipeline.source({ name: "texts", artifact: Texts })

/** A pipeline of one command that reads the texts. */
const reading = (command: string) => {
  const stage = Stage.command({ name: "read", command, inputs: { src: Texts }, output: { text: Text } })
  return Pipeline.make({ name: "reading", steps: [Pipeline.step(stage, { inputs: { src: texts.port } })] })
}

/** A stage of a module that is not loaded: its work is done by `doing`. */
const stageOf = <const P extends Schema.Struct.Fields>(fields: P) => {
  const root = temporaryFolder()
  writeFiles(root, { "package.json": "{}", "sum.ts": "export const sum = 1" })
  return Stage.make({
    name: "sum",
    source: pathToFileURL(path.join(root, "sum.ts")).href,
    params: Schema.Struct(fields) as unknown as Schema.Codec<unknown, unknown>,
    inputs: { src: Texts },
    output: { value: Value },
    run: () => Effect.void
  })
}

describe("a checkpoint", () => {
  const pipeline = Pipeline.make({
    name: "checkpoints",
    steps: [Pipeline.step(stageOf({}), { inputs: { src: texts.port } })]
  })
  /** Saves a checkpoint, does `deed`, and is killed. */
  const interrupted = async (place: Place, deed: () => void): Promise<void> => {
    const executor = doing((task) => {
      writeFileSync(task.checkpoint, "half")
      deed()
      throw new Error("killed")
    })
    await run(pipeline, place, { executor })
  }
  const resumed = async (place: Place): Promise<{ found: boolean; left: ReadonlyArray<string> }> => {
    let found = false
    const executor = doing((task) => {
      found = existsSync(task.checkpoint)
      writeValue(task, 1)
    })
    expect((await ran(pipeline, place, { executor })).failures).toEqual([])
    return { found, left: readdirSync(path.join(place.store, "v1/checkpoints")) }
  }

  it("is taken up while its sources are untouched, and is gone with the result", async () => {
    const place = newPlace()
    await interrupted(place, () => undefined)
    expect(await resumed(place)).toEqual({ found: true, left: [] })
  })

  it("is none once a source was edited and put back", async () => {
    const place = newPlace()
    const file = path.join(place.data, "a.txt")
    const good = readFileSync(file)
    await pastTheTick()
    await interrupted(place, () => writeFileSync(file, "other"))
    writeFileSync(file, good)
    expect(await resumed(place)).toEqual({ found: false, left: [] })
  })

  it("is none once a file was put into a source and taken out again", async () => {
    const place = newPlace()
    const stray = path.join(place.data, "stray.txt")
    await pastTheTick()
    await interrupted(place, () => writeFileSync(stray, "other"))
    rmSync(stray)
    expect(await resumed(place)).toEqual({ found: false, left: [] })
  })

  it("goes with a result that is discarded", async () => {
    const place = newPlace()
    const file = path.join(place.data, "a.txt")
    await pastTheTick()
    const executor = doing((task) => {
      writeFileSync(task.checkpoint, "of another source")
      writeFileSync(file, "other")
      writeValue(task, 1)
    })
    expect((await ran(pipeline, place, { executor })).failures.join()).toContain("changed while the step ran")
    expect(readdirSync(path.join(place.store, "v1/checkpoints"))).toEqual([])
  })

  it("is none once code that could be loaded at any time was touched", async () => {
    const place = newPlace()
    const code = temporaryFolder()
    const file = path.join(code, "lazy.ts")
    writeFiles(code, { "package.json": "{}", "lazy.ts": "export const lazy = 1" })
    const lazy = Stage.make({ ...stageOf({}), params: Schema.Struct({}), source: pathToFileURL(file).href })
    const pipeline = Pipeline.make({
      name: "lazy",
      steps: [Pipeline.step(lazy, { inputs: { src: texts.port } })]
    })
    /** Whether a checkpoint was found; it is killed with another. `settled`: all code is loaded at the beginning. */
    const found = async (settled: boolean): Promise<boolean> => {
      let there = false
      const executor = Layer.succeed(Executor, {
        execute: (task, _onProgress, check) =>
          Effect.andThen(
            check!(settled ? {} : undefined),
            Effect.sync(() => {
              there = existsSync(task.checkpoint)
              writeFileSync(task.checkpoint, "half")
              throw new Error("killed")
            })
          )
      })
      await run(pipeline, place, { executor })
      return there
    }
    const touch = async () => {
      await pastTheTick()
      writeFileSync(file, "export const lazy = 2")
      writeFileSync(file, "export const lazy = 1")
    }
    expect(await found(true)).toBe(false)
    await touch()
    expect(await found(true)).toBe(true)
    expect(await found(false)).toBe(true)
    expect(await found(false)).toBe(true)
    await touch()
    expect(await found(false)).toBe(false)
    await touch()
    expect(await found(true)).toBe(false)
  })

  it("of an earlier version, a file, is in nobody's way", async () => {
    const place = newPlace()
    await interrupted(place, () => undefined)
    const checkpoints = path.join(place.store, "v1/checkpoints")
    const [key] = readdirSync(checkpoints)
    rmSync(path.join(checkpoints, key!), { recursive: true })
    writeFileSync(path.join(checkpoints, key!), "a file")
    expect(await resumed(place)).toEqual({ found: false, left: [] })
  })
})

describe("a source", () => {
  it("that a file was added to and taken from again while a step read it was touched", async () => {
    const place = newPlace()
    await pastTheTick()
    const part = path.join(place.data, "tmp.part")
    const executor = around({ before: () => writeFileSync(part, "part"), after: () => rmSync(part) })
    const pipeline = reading('ls "$src" > "$text"')
    expect((await ran(pipeline, place, { executor })).failures).toEqual([
      "read: texts changed while the step ran, so its result was discarded. Run again"
    ])
    expect((await ran(pipeline, place)).executed).toEqual(["read"])
    expect(contents(place.outputs)["read/text.txt"]).toBe("a.txt\nb.txt\n")
  })

  it("that changed before a step began is not read", async () => {
    const place = newPlace()
    const first = Stage.command({ name: "first", command: 'echo > "$text"', inputs: {}, output: { text: Text } })
    const before = Pipeline.step(first, { inputs: {} })
    const second = Stage.command({
      name: "second",
      command: 'cat "$src"/* > "$text"',
      inputs: { src: Texts, after: Text },
      output: { text: Text }
    })
    const pipeline = Pipeline.make({
      name: "late",
      steps: [Pipeline.step(second, { inputs: { src: texts.port, after: before.out.text } })]
    })
    const done: Array<string> = []
    const executor = around({
      before: ({ step }) => void done.push(step),
      after: ({ step }) => step === "first" && writeFileSync(path.join(place.data, "a.txt"), "other")
    } as Parameters<typeof around>[0])
    expect((await ran(pipeline, place, { executor })).failures).toEqual([
      "second: a.txt in texts changed since the run began, so the step was not begun. Run again"
    ])
    expect(done).toEqual(["first"])
  })
})

describe("a command", () => {
  it("is ended with all that it left running", async () => {
    const place = newPlace()
    const pipeline = reading('echo early > "$text"; (sleep 0.3; echo late) >> "$text" &')
    expect((await ran(pipeline, place)).executed).toEqual(["read"])
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect((await ran(pipeline, place)).cached).toEqual(["read"])
    expect(contents(place.outputs)["read/text.txt"]).toBe("early\n")
  })
})

describe("what is no part of a key", () => {
  const Timed = Artifact.json({ tag: "Timed/v1", path: "timed.json", schema: Schema.Unknown, volatile: ["ms"] })

  it("is not in the file of a document that is read, neither for a command nor for a module", async () => {
    const place = newPlace()
    const time = Stage.command({
      name: "time",
      command: `printf '{"a":{"ms":%s,"b":1}}' "$(date +%s%N)" > "$timed"`,
      inputs: {},
      output: { timed: Timed }
    })
    const timed = Pipeline.step(time, { inputs: {} })
    const copy = Stage.command({
      name: "copy",
      command: 'cp "$given" "$text"',
      inputs: { given: Timed },
      output: { text: Text }
    })
    const sum = Stage.make({
      ...stageOf({}),
      inputs: { given: Timed },
      params: Schema.Struct({}),
      run: () => Effect.void
    })
    const given = { inputs: { given: timed.out.timed } }
    const pipeline = Pipeline.make({
      name: "volatile",
      steps: [Pipeline.step(copy, given), Pipeline.step(sum as never, given as never)]
    })
    const seen: Array<unknown> = []
    const executor = around({})
    await ran(pipeline, place, { executor, only: ["copy"] })
    const text = () => JSON.parse(readFileSync(path.join(place.outputs, "copy/text.txt"), "utf8")) as unknown
    expect(text()).toEqual({ a: { b: 1 } })
    const module = doing((task: StepTask) => {
      seen.push(JSON.parse(readFileSync(task.inputs["given"]!, "utf8")))
      writeValue(task, 1)
    })
    await ran(pipeline, place, { executor: module, only: ["sum"] })
    expect(seen).toEqual([{ a: { b: 1 } }])
    // what people open has it
    expect(readFileSync(path.join(place.outputs, "time/timed.json"), "utf8")).toContain("ms")
  })

  it("is not the order in which a parameter's keys are written", async () => {
    const place = newPlace()
    const params = {
      o: Schema.Record(Schema.String, Schema.Int).pipe(Schema.withDecodingDefaultKey(Effect.succeed({})))
    }
    const pipeline = Pipeline.make({
      name: "orders",
      steps: [Pipeline.step(stageOf(params), { inputs: { src: texts.port } })]
    })
    const executor = doing((task) => writeValue(task, "params" in task.work ? JSON.stringify(task.work.params) : ""))
    const value = async (o: string): Promise<unknown> => {
      await ran(pipeline, place, { executor, set: [`sum.o=${o}`] })
      return JSON.parse(readFileSync(path.join(place.outputs, "sum/value.json"), "utf8"))
    }
    const expected = '{"o":{"a":2,"b":{"c":1}}}'.replace('{"c":1}', "1")
    expect(await value('{"b":1,"a":2}')).toBe(expected)
    expect(await value('{"a":2,"b":1}')).toBe(expected)
  })
})

describe("a core", () => {
  it("is free for the next step's work while a step's result is written to the disk", async () => {
    let begin = (): void => undefined
    const secondBegan = new Promise<void>((resolve) => {
      begin = resolve
    })
    const begun: Array<string> = []
    const executor = doing((task) => {
      begun.push(task.step)
      if (begun.length === 2) begin()
      writeFileSync(path.join(task.outputDir, "text.txt"), task.step)
    })
    const slow = Layer.effect(
      Disk,
      Effect.map(Disk, (disk) => ({
        ...disk,
        syncFile: (file) =>
          Effect.andThen(
            Effect.promise(() => secondBegan),
            disk.syncFile(file)
          )
      }))
    ).pipe(Layer.provide(Disk.layer))
    const steps = ["a", "b"].map((name) =>
      Pipeline.step(Stage.command({ name, command: "true", inputs: {}, output: { text: Text } }), { inputs: {} })
    )
    const pipeline = Pipeline.make({ name: "two", steps: steps as never })
    const place = newPlace()
    expect((await ran(pipeline, place, { cores: 1, disk: slow, executor })).executed).toEqual(["a", "b"])
    expect(begun).toHaveLength(2)
    expect(contents(place.outputs)).toEqual({ "a/text.txt": "a", "b/text.txt": "b" })
  })

  it("is one step's while it works", async () => {
    let working = 0
    let most = 0
    const executor = doing(async (task) => {
      working++
      most = Math.max(most, working)
      await new Promise((resolve) => setTimeout(resolve, 20))
      working--
      writeFileSync(path.join(task.outputDir, "text.txt"), task.step)
    })
    const steps = ["a", "b", "c"].map((name) =>
      Pipeline.step(Stage.command({ name, command: "true", inputs: {}, output: { text: Text } }), { inputs: {} })
    )
    const pipeline = Pipeline.make({ name: "three", steps: steps as never })
    expect((await ran(pipeline, newPlace(), { cores: 1, executor })).executed).toEqual(["a", "b", "c"])
    expect(most).toBe(1)
    expect((await ran(pipeline, newPlace(), { cores: 2, executor })).executed).toEqual(["a", "b", "c"])
    expect(most).toBe(2)
  })
})

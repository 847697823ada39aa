/**
 * A disk that lies, fails or fills up, and a world that changes while a step runs: nothing wrong is ever served, and the
 * next plain run heals what is left.
 */
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { describe, expect, it, vi } from "vitest"
import { Executor } from "../../core/executor/Executor.ts"
import * as Random from "../../stages/lib/Random.ts"
import pipeline from "../fixtures/letters/pipeline.ts"
import * as FaultyDisk from "../lib/FaultyDisk.ts"
import * as InProcessExecutor from "../lib/InProcessExecutor.ts"
import { letterTexts, type Place, placeIn } from "../lib/place.ts"
import { contents, run } from "../lib/runs.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { full, series, timeoutMs } from "./series.ts"

if (full) vi.setConfig({ testTimeout: timeoutMs })
const root = temporaryFolder()
writeFiles(root, letterTexts)
const data = path.join(root, "texts")
const place = (name: string): Place => placeIn(path.join(root, name), data)

const good = async (name: string) => {
  const where = place(name)
  const exit = await run(pipeline, where)
  if (Exit.isFailure(exit) || exit.value.summary.failures.length > 0)
    throw new Error(`no good run: ${JSON.stringify(exit)}`)
  return { where, expected: contents(where.outputs) }
}

const files = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => path.join(folder, name))
    .filter((file) => statSync(file).isFile())
    .sort()

/** First, last, one at random; of a result's record also one in its last path, which is that of a file it lays out. */
const positions = (bytes: Buffer, random: Random.Random): ReadonlyArray<number> => {
  if (bytes.length === 0) return []
  const inPath = bytes.lastIndexOf('"path":"') + 9
  return [0, random.int(bytes.length), bytes.length - 1, ...(inPath > 9 ? [inPath] : [])]
}

describe("a flipped byte", () => {
  it("anywhere in the store is never served, and healed", async () => {
    const { where, expected } = await good("flip-model")
    const pristine = path.join(root, "pristine")
    cpSync(path.join(root, "flip-model"), pristine, { recursive: true, preserveTimestamps: true })
    const names = files(pristine).map((file) => path.relative(pristine, file))
    expect(names.length).toBeGreaterThan(15)
    const random = Random.make(1, "flips")
    for (const index of series("files with a flipped byte", names.length)) {
      const name = names[index]!
      if (!full && index % 3 !== 0 && !name.includes("/results/")) continue
      for (const position of positions(readFileSync(path.join(pristine, name)), random)) {
        const folder = path.join(root, "flip-model")
        rmSync(folder, { recursive: true, force: true })
        cpSync(pristine, folder, { recursive: true, preserveTimestamps: true })
        const file = path.join(folder, name)
        const bytes = readFileSync(file)
        bytes[position]! ^= 1 << random.int(3)
        rmSync(file)
        writeFileSync(file, bytes)
        // so that everything has to come out of the store
        if (name.startsWith("store")) rmSync(where.outputs, { recursive: true })
        const exit = await run(pipeline, where)
        const point = `${name}, byte ${position} of ${bytes.length}`
        if (Exit.isFailure(exit)) throw new Error(`${point}: ${JSON.stringify(exit.cause)}`)
        expect(exit.value.summary.failures, point).toEqual([])
        expect(contents(where.outputs), point).toEqual(expected)
      }
    }
  })
})

describe("a call that fails", () => {
  it.each(["ENOSPC", "EIO", "EMFILE"])("with %s is told, and the next run is well", async (code) => {
    const { expected } = await good(`model-${code}`)
    const probe = FaultyDisk.make(path.join(root, "scratch"), {})
    await run(pipeline, place(`probe-${code}`), { disk: probe.layer })
    const stride = full ? 1 : 11
    for (const index of series(`calls that fail with ${code}`, Math.ceil(probe.calls() / stride))) {
      const call = 1 + index * stride
      const where = place(`failing-${code}`)
      rmSync(path.dirname(where.store), { recursive: true, force: true })
      const disk = FaultyDisk.make(path.join(root, "scratch"), { fail: (each) => (each === call ? code : undefined) })
      const exit = await run(pipeline, where, { disk: disk.layer })
      const point = `${code} at call ${call}: ${disk.log[call - 1]}`
      if (Exit.isFailure(exit)) expect(JSON.stringify(exit.cause), point).toContain("DiskError")
      else
        for (const failure of exit.value.summary.failures) expect(failure.message, point).toContain(`planted ${code}`)
      const after = await run(pipeline, where)
      if (Exit.isFailure(after)) throw new Error(`${point}: ${JSON.stringify(after.cause)}`)
      expect(after.value.summary.failures, point).toEqual([])
      expect(contents(where.outputs), point).toEqual(expected)
    }
  })
})

describe("an edit while a step runs", () => {
  it("discards the result, says so, and is taken in by the next run", async () => {
    const where = place("meanwhile")
    let edited = false
    const editing = Layer.effect(
      Executor,
      Effect.map(Executor, (executor) => ({
        execute: (task, onProgress) =>
          executor.execute(task, onProgress).pipe(
            Effect.tap(() =>
              Effect.sync(() => {
                if (task.step !== "words" || edited) return
                edited = true
                writeFileSync(path.join(data, "a.txt"), "hello new world\n")
              })
            )
          )
      }))
    ).pipe(Layer.provide(InProcessExecutor.layer))
    const first = await run(pipeline, where, { executor: editing })
    expect(Exit.isSuccess(first) && first.value.summary.failures.map((each) => each.message)).toEqual([
      "words: a.txt in texts changed while the step ran, so its result was discarded. Run again"
    ])
    const second = await run(pipeline, where, { executor: editing })
    expect(Exit.isSuccess(second) && second.value.summary.finished.executed).toEqual([
      "words",
      "count@words",
      "count@letters",
      "print"
    ])
    expect(contents(where.outputs)["words/words.json"]).toContain("new")
  })
})

describe("verification", () => {
  it("finds a stage that is not deterministic, names the output, and leaves the result as it is", async () => {
    const where = place("verify")
    writeFileSync(path.join(data, "a.txt"), "hello big world\n")
    let salt = 0
    const unsteady = Layer.effect(
      Executor,
      Effect.map(Executor, (executor) => ({
        execute: (task, onProgress) =>
          executor.execute(task, onProgress).pipe(
            Effect.tap(() =>
              Effect.sync(() => {
                if (task.step === "print") writeFileSync(path.join(task.outputDir, "pages/page.txt"), String(salt++))
              })
            )
          )
      }))
    ).pipe(Layer.provide(InProcessExecutor.layer))
    await run(pipeline, where, { executor: unsteady })
    const verified = await run(pipeline, where, { executor: unsteady, verify: true })
    if (Exit.isFailure(verified)) throw new Error(JSON.stringify(verified.cause))
    const kinds = verified.value.events.map((event) => ("step" in event ? `${event.type} ${event.step}` : event.type))
    expect(kinds.filter((kind) => kind.startsWith("StepVerified")).sort()).toEqual([
      "StepVerified count@letters",
      "StepVerified count@words",
      "StepVerified words"
    ])
    expect(verified.value.summary.failures.map((each) => each.message)).toEqual([
      "print: expected the same outputs from the same inputs, but its output pages (pages) differs. The stage is not deterministic"
    ])
    expect(contents(where.outputs)["print/pages/page.txt"]).toBe("0")
  })
})

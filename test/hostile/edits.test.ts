/**
 * Random edits of random worlds, against an oracle. After each edit a run gives, bit for bit, what a clean run would give;
 * executes exactly the steps whose ingredients were never seen before (early cutoff included); and names the edited thing
 * as the reason of a step that the edit touches directly.
 */
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { setTimeout } from "node:timers/promises"
import * as Exit from "effect/Exit"
import { describe, expect, it } from "vitest"
import type { RunEvent } from "../../core/RunEvent.ts"
import * as Random from "../../stages/lib/Random.ts"
import { placeIn } from "../lib/place.ts"
import { run } from "../lib/runs.ts"
import { temporaryFolder } from "../lib/temporary.ts"
import { full, series, timeoutMs } from "./series.ts"
import { executor, expected, type Module, pipelineOf, reached, type StageModel, type World, write } from "./World.ts"

const sequences = full ? 10_000 : 40
const editsPerSequence = 6

const some = (random: Random.Random, count: number, chance: number): ReadonlyArray<number> =>
  Array.from({ length: count }, (_, index) => index).filter(() => random.float() < chance)

const makeWorld = (random: Random.Random): World => {
  const helpers: Array<Module> = Array.from({ length: 4 }, (_, index) => ({
    constant: random.int(9),
    remark: 0,
    helpers: some(random, 4, 0.4).filter((each) => each > index),
    packages: some(random, 2, 0.3)
  }))
  const stages: Array<StageModel> = Array.from({ length: 2 + random.int(4) }, (_, index) => {
    const inputs = some(random, index, 0.5).map((stage) => ({
      stage,
      output: random.float() < 0.5 ? ("fine" as const) : ("coarse" as const)
    }))
    return {
      constant: random.int(9),
      remark: 0,
      helpers: some(random, 4, 0.4),
      packages: some(random, 2, 0.2),
      param: 0,
      inputs,
      readsSource: inputs.length === 0,
      usesEngine: random.float() < 0.3
    }
  })
  return {
    files: new Map([
      ["a.txt", "1"],
      ["sub/b.txt", "2"]
    ]),
    helpers,
    packages: [0, 0],
    stages,
    engine: 0
  }
}

interface Edit {
  readonly what: string
  /** Steps that the edit touches directly, and what their reason must name. */
  readonly touches: ReadonlyArray<number>
  readonly named: string
  /** What went out of the store besides: every result, or blobs, whose results are then of no use. */
  readonly lost?: "results" | "some blobs"
}

const nothing = (what: string): Edit => ({ what, touches: [], named: "" })

const reaching = (world: World, test: (found: ReturnType<typeof reached>) => boolean): ReadonlyArray<number> =>
  world.stages.flatMap((stage, index) => (test(reached(world, stage)) ? [index] : []))

const reading = (world: World): ReadonlyArray<number> =>
  world.stages.flatMap((stage, index) => (stage.readsSource ? [index] : []))

/** Makes one random edit of the model or of the files behind op-pipe's back. */
const edit = (world: World, root: string, random: Random.Random, serial: number): Edit => {
  const stage = random.int(world.stages.length)
  const helper = random.int(world.helpers.length)
  const outputs = path.join(root, "outputs")
  switch (random.int(14)) {
    case 0:
      world.files.set("a.txt", String(random.int(3)))
      return { what: "edit a file", touches: reading(world), named: "a.txt" }
    case 1: {
      const name = `new${random.int(3)}.txt`
      if (world.files.has(name)) world.files.delete(name)
      else world.files.set(name, "3")
      return { what: "add or remove a file", touches: reading(world), named: name }
    }
    case 2:
      world.stages[stage]!.param = random.int(3)
      return { what: "change a parameter", touches: [stage], named: "parameter param" }
    case 3:
      world.stages[stage]!.constant = random.int(9)
      return { what: "change a stage's constant", touches: [stage], named: `code: s${stage} in s${stage}.ts` }
    case 4:
      world.helpers[helper]!.constant = random.int(9)
      return {
        what: "change a helper's constant",
        touches: reaching(world, (found) => found.helpers.has(helper)),
        named: `code: h${helper} in lib/h${helper}.ts`
      }
    case 5: {
      const index = random.int(world.packages.length)
      world.packages[index] = random.int(3)
      return {
        what: "upgrade a package",
        touches: reaching(world, (found) => found.packages.has(index)),
        named: `package p${index}`
      }
    }
    case 6:
      world.stages[stage]!.remark = serial
      world.helpers[helper]!.remark = serial
      return nothing("edit comments and types")
    case 7: {
      const now = new Date(Date.now() - random.int(100_000))
      utimesSync(path.join(root, "data/a.txt"), now, now)
      return nothing("touch a file")
    }
    case 8:
      rmSync(outputs, { recursive: true, force: true })
      return nothing("delete all outputs")
    case 9: {
      const file = path.join(outputs, `s${stage}`, "fine.json")
      if (existsSync(file)) writeFileSync(file, "edited")
      return nothing("edit an output")
    }
    case 10:
      world.engine = random.int(3)
      return {
        what: "take another engine",
        touches: world.stages.flatMap(({ usesEngine }, index) => (usesEngine ? [index] : [])),
        named: "toolchain engine.version"
      }
    case 11:
      rmSync(path.join(root, "store/v1/results"), { recursive: true, force: true })
      return { ...nothing("delete all results"), lost: "results" }
    case 12: {
      const blobs = path.join(root, "store/v1/blobs")
      for (const shard of readdirSync(blobs)) {
        if (random.int(3) === 0) rmSync(path.join(blobs, shard), { recursive: true })
      }
      return { ...nothing("delete some blobs"), lost: "some blobs" }
    }
    default:
      rmSync(path.join(root, "store/v1/memo"), { recursive: true, force: true })
      return nothing("delete the memo")
  }
}

/** What a run made before, by its ingredients: `kept` is in the store, of `doubtful` a blob may be lost. */
interface Seen {
  readonly kept: Set<string>
  readonly doubtful: Set<string>
}

const lose = ({ kept, doubtful }: Seen, lost: Edit["lost"]): void => {
  if (lost === undefined) return
  if (lost === "some blobs") for (const each of kept) doubtful.add(each)
  else doubtful.clear()
  kept.clear()
}

const check = async (world: World, root: string, seen: Seen, made: Edit, where: string): Promise<void> => {
  lose(seen, made.lost)
  const executed: Array<string> = []
  const place = placeIn(root, path.join(root, "data"))
  const exit = await run(pipelineOf(world, root), place, { executor: executor(world, (step) => executed.push(step)) })
  if (Exit.isFailure(exit)) throw new Error(`${where}: ${JSON.stringify(exit.cause)}`)
  const oracle = expected(world)
  const needed: Array<string> = []
  // Blobs are shared by steps, so which of them lost one is the store's to say; that none is served wrong is seen here.
  const perhaps = new Set<string>()
  for (const [step, { ingredients, fine, coarse }] of oracle) {
    // Results are kept: going back to an earlier state is a hit.
    if (seen.doubtful.delete(ingredients)) perhaps.add(step)
    else if (!seen.kept.has(ingredients)) needed.push(step)
    seen.kept.add(ingredients)
    const folder = path.join(place.outputs, step)
    expect(JSON.parse(readFileSync(path.join(folder, "fine.json"), "utf8")), where).toEqual({ value: fine })
    expect(JSON.parse(readFileSync(path.join(folder, "coarse.json"), "utf8")), where).toEqual({ value: coarse })
    expect(readdirSync(folder), where).toEqual(["coarse.json", "fine.json"])
  }
  expect(executed.filter((step) => !perhaps.has(step)).sort(), where).toEqual(needed.sort())
  expect(new Set(executed).size, where).toBe(executed.length)
  for (const index of made.touches.filter((each) => needed.includes(`s${each}`))) {
    const started = exit.value.events.find(
      (event): event is Extract<RunEvent, { type: "StepStarted" }> =>
        event.type === "StepStarted" && event.step === `s${index}`
    )
    expect(started?.reasons.join("; "), where).toContain(made.named)
  }
}

describe("random edits", () => {
  it(
    `are never served stale, and nothing runs that need not (${sequences} sequences)`,
    async () => {
      const base = temporaryFolder()
      let executions = 0
      let worlds = 0
      for (const sequence of series("sequences of edits", sequences)) {
        const random = Random.make(sequence, "edits")
        const root = path.join(base, String(sequence))
        const world = makeWorld(random)
        const written = new Map<string, string>()
        const seen: Seen = { kept: new Set(), doubtful: new Set() }
        write(world, root, written)
        await check(world, root, seen, nothing("first run"), `sequence ${sequence}, first run`)
        for (let serial = 1; serial <= editsPerSequence; serial++) {
          const made = edit(world, root, random, serial)
          write(world, root, written)
          // at times so old that what is remembered of files and code is trusted
          if (random.int(6) === 0) await setTimeout(70)
          await check(world, root, seen, made, `sequence ${sequence}, edit ${serial}: ${made.what}`)
        }
        executions += seen.kept.size
        worlds += 1
        rmSync(root, { recursive: true, force: true })
      }
      expect(executions).toBeGreaterThan(worlds)
    },
    timeoutMs
  )
})

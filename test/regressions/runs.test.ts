/**
 * Complaints of runs: edits meanwhile, several runs at once, work done twice or one after the other, and which steps a run is
 * about. Each test is named by the row of the table of complaints and the issues that it answers.
 */
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import type { StepTask } from "../../core/executor/StepTask.ts"
import letters from "../fixtures/letters/pipeline.ts"
import { letterSteps, newPlace } from "../lib/place.ts"
import { contents } from "../lib/runs.ts"
import { around, planned, ran } from "./support.ts"

const isShown = (name: string): boolean => !name.startsWith(".")

/** A promise and how to keep it. */
const promise = (): { readonly kept: Promise<void>; readonly keep: () => void } => {
  let keep: () => void = () => undefined
  const kept = new Promise<void>((resolve) => {
    keep = resolve
  })
  return { kept, keep }
}

const within = (ms: number, what: string, kept: Promise<unknown>): Promise<unknown> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms)
  })
  return Promise.race([kept, late]).finally(() => clearTimeout(timer))
}

describe("an edit while a run goes on", () => {
  const before = "hello big world\n"
  const after = "goodbye small world\n"
  const expectedOf = async (text: string) => {
    const place = newPlace({ "texts/a.txt": text })
    await ran(letters, place)
    return contents(place.outputs)
  }
  const moments: ReadonlyArray<readonly [when: "before" | "after", step: string]> = [
    ["before", "words"],
    ["after", "words"],
    ["before", "count@words"],
    ["after", "print"]
  ]
  it.each(moments)(
    "7 (turbo#1146, bazel#3360, nx#8828, voidzero-dev/vite-plus#39): of an input, %s the work of %s, is never kept under the other content's key",
    async (when, step) => {
      const place = newPlace({ "texts/a.txt": before })
      const file = path.join(place.data, "a.txt")
      let edited = false
      const edit = (task: StepTask): void => {
        if (edited || task.step !== step) return
        edited = true
        writeFileSync(file, after)
      }
      const disturbed = await ran(letters, place, { executor: around({ [when]: edit }) })
      expect(edited).toBe(true)
      // only `words` reads the folder: once it is done, the edit is for the next run
      const discarded = "words: a.txt in texts changed while the step ran, so its result was discarded. Run again"
      expect(disturbed.failures).toEqual(step === "words" ? [discarded] : [])
      const next = await ran(letters, place)
      expect(next.executed).toEqual(letterSteps)
      expect(contents(place.outputs)).toEqual(await expectedOf(after))
      // and under the first content's key is what the first content gives
      writeFileSync(file, before)
      await ran(letters, place)
      expect(contents(place.outputs)).toEqual(await expectedOf(before))
    }
  )
})

describe("several runs at once", () => {
  it("11 (dvc#10465, nx#28608, nx#28772, nx PR#34861, joblib#490, targets#368): who has nothing to execute, or only asks, waits for nobody", async () => {
    const place = newPlace()
    await ran(letters, place)
    const [begun, release] = [promise(), promise()]
    const slow = around({
      before: async (task) => {
        if (task.step !== "words") return
        begun.keep()
        await release.kept
      }
    })
    const other = { ...place, outputs: `${place.outputs}-slow` }
    const waiting = ran(letters, other, { executor: slow, set: ["words.minimum=4"] })
    await within(5000, "the slow run", begun.kept)
    const quick = (async () => {
      expect(await ran(letters, place)).toMatchObject({ executed: [], cached: letterSteps })
      expect(await ran(letters, place, { set: ["print.seed=1"] })).toMatchObject({ executed: ["print"] })
      expect(await planned(letters, place, { set: ["words.minimum=4"] })).toMatchObject({ words: "stale" })
    })()
    await within(5000, "runs beside the slow one", quick).finally(release.keep)
    expect(await waiting).toMatchObject({ executed: ["words", "count@words", "count@letters", "print"], failures: [] })
    expect(await ran(letters, place, { set: ["words.minimum=4"] })).toMatchObject({ executed: [] })
  })

  it("12 (flyte#872): eight that want the same make it once, and all have it", async () => {
    for (let round = 0; round < 3; round++) {
      const place = newPlace()
      const done: Array<string> = []
      const executor = around({ before: (task) => void done.push(task.step) })
      const runs = await Promise.all(
        // some lay out into one folder, too
        Array.from({ length: 8 }, (_, index) =>
          ran(letters, { ...place, outputs: `${place.outputs}${index % 3}` }, { executor })
        )
      )
      expect(done.sort()).toEqual([...letterSteps].sort())
      expect(runs.flatMap((each) => each.executed).sort()).toEqual([...letterSteps].sort())
      for (const each of runs) expect(each.failures).toEqual([])
      const [first, ...others] = [0, 1, 2].map((index) => contents(`${place.outputs}${index}`))
      for (const each of others) expect(each).toEqual(first)
    }
  })

  it("25 (dvc#5795, dvc#10465): within one run, steps that do not need each other work at the same time", async () => {
    const place = newPlace()
    const here = new Set<string>()
    const together = promise()
    const executor = around({
      before: async ({ step }) => {
        if (!step.startsWith("count@")) return
        here.add(step)
        if (here.size === 2) together.keep()
        await within(5000, `${step} waits for the other`, together.kept)
      }
    })
    // two cores; one step after the other would wait for ever
    expect(await ran(letters, place, { executor })).toMatchObject({ executed: letterSteps, failures: [] })
  })
})

describe("a part of the pipeline", () => {
  const ancestors: Readonly<Record<string, ReadonlyArray<string>>> = {
    words: ["words"],
    "count@words": ["words", "count@words"],
    "count@letters": ["words", "count@letters"],
    print: letterSteps
  }
  it.each(letterSteps)(
    "27 (targets#1495, smk#3095, kedro#2307): --only %s is that step and its stale ancestors, and the dry run says so",
    async (only) => {
      for (const [known, set, runs] of [
        // nothing is there; all is there; an ancestor of all is stale; one step is
        [false, [], undefined],
        [true, [], []],
        [true, ["words.minimum=4"], undefined],
        [true, ["count@letters.unit=words"], ["print"]],
        [true, ["print.seed=1"], ["print"]]
      ] as const) {
        const place = newPlace()
        if (known) await ran(letters, place)
        rmSync(place.outputs, { recursive: true, force: true })
        const options = { only: [only], set }
        const states = await planned(letters, place, options)
        const { executed, cached, events } = await ran(letters, place, options)
        const wanted = ancestors[only]!
        const point = `${only} with ${set.join()}`
        expect(Object.keys(states), point).toEqual(wanted)
        expect([...executed, ...cached].sort(), point).toEqual([...wanted].sort())
        expect(new Set(events.flatMap((event) => ("step" in event ? [event.step] : []))), point).toEqual(
          new Set(wanted)
        )
        expect(readdirSync(place.outputs).filter(isShown).sort(), point).toEqual([...wanted].sort())
        expect(executed, point).toEqual(
          runs === undefined ? wanted : wanted.filter((each) => runs.includes(each as never))
        )
        expect(
          wanted.filter((each) => states[each] !== "fresh"),
          point
        ).toEqual(executed)
        expect(existsSync(path.join(place.outputs, "print")), point).toBe(only === "print")
      }
    }
  )
})

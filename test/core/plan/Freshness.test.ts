/** The two ways to the answer agree: whatever is done to the store and the outputs, the quick one says *fresh* only of what the full one calls so. */
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Disk } from "../../../cache/store/Disk.ts"
import type { StepResult } from "../../../cache/store/ResultStore.ts"
import { Store } from "../../../cache/store/Store.ts"
import * as Freshness from "../../../core/plan/Freshness.ts"
import * as RunLog from "../../../core/run/RunLog.ts"
import letters from "../../fixtures/letters/pipeline.ts"
import { letterSteps, newPlace, type Place } from "../../lib/place.ts"
import { inStore, type Options, prepare } from "../../lib/runs.ts"
import { blobsOf, filesBelow, pastTheTick, ran, recordsOf, succeeded } from "../../regressions/support.ts"

/** Something that is done between two runs; `pick` chooses of what there is. */
type Edit = (place: Place, pick: <A>(all: ReadonlyArray<A>) => A) => void

const flip = (file: string): void => {
  const { atime, mtime } = statSync(file)
  chmodSync(file, 0o644)
  const bytes = readFileSync(file)
  writeFileSync(file, bytes.fill((bytes[0] ?? 0) ^ 1, 0, 1))
  // size and mtime are as before
  utimesSync(file, atime, mtime)
}
const outputsOf = ({ outputs }: Place): ReadonlyArray<string> =>
  letterSteps.flatMap((step) => filesBelow(path.join(outputs, step)))
const marksOf = ({ outputs }: Place): ReadonlyArray<string> => {
  const folder = path.join(outputs, ".laid-out")
  const names = readdirSync(folder, { withFileTypes: true }).filter((each) => each.isFile())
  return names.map(({ name }) => path.join(folder, name))
}
const lastsOf = ({ store }: Place): ReadonlyArray<string> => filesBelow(path.join(store, "v1/last"))

const edits: Readonly<Record<string, Edit>> = {
  "flip an output": (place, pick) => flip(pick(outputsOf(place))),
  "remove an output": (place, pick) => rmSync(pick(outputsOf(place))),
  "change the mode of an output": (place, pick) => chmodSync(pick(outputsOf(place)), 0o755),
  "touch an output": (place, pick) => utimesSync(pick(outputsOf(place)), new Date(), new Date()),
  "add to the outputs": (place, pick) => writeFileSync(path.join(place.outputs, pick(letterSteps), "more"), "more"),
  "flip a blob": (place, pick) => flip(pick(blobsOf(place))),
  "remove a blob": (place, pick) => rmSync(pick(blobsOf(place))),
  "touch a blob": (place, pick) => utimesSync(pick(blobsOf(place)), new Date(), new Date()),
  "flip a record": (place, pick) => flip(pick(recordsOf(place))),
  "remove a record": (place, pick) => rmSync(pick(recordsOf(place))),
  "remove a mark": (place, pick) => rmSync(pick(marksOf(place))),
  "forget a last result": (place, pick) => rmSync(pick(lastsOf(place))),
  "edit the data": (place) => writeFileSync(path.join(place.data, "a.txt"), "hello bigger world\n"),
  "add data that changes no word": (place) => writeFileSync(path.join(place.data, "c.txt"), "")
}

const storeOf = letters.name

const optionsOf = (wanted: string): Options => {
  if (wanted === "forced") return { storeOf, forced: ["words"] }
  return wanted === "set" ? { storeOf, set: ["count.unit=letters"] } : { storeOf }
}

interface Answers {
  readonly full: ReadonlyArray<Freshness.Assessment>
  readonly quick: ReadonlyMap<string, StepResult>
  /** Steps whose last result is that of the full answer. */
  readonly last: ReadonlySet<string>
}

const ask = async (place: Place, options: Options): Promise<Answers> => {
  const program = Effect.gen(function* () {
    const { prepared, steps } = yield* prepare(letters, place, options)
    const forced = new Set(options.forced ?? [])
    const disk = yield* Disk
    const { results: stored } = yield* Store
    const answerFor = yield* Freshness.quick(prepared, place.outputs, yield* RunLog.lastKeys)
    const results = new Map<string, StepResult>()
    yield* disk.synchronously(place.outputs, (sync) => {
      for (const step of steps) {
        const answer = answerFor(step, { results, forced }, sync)
        if (answer.state === "fresh") results.set(step.id, answer.result)
      }
    })
    const full = yield* Freshness.assess(prepared, steps, { forced, outputsDir: place.outputs })
    const last = yield* Effect.filter(full, ({ step, key }) =>
      Effect.map(stored.last(step.id), (found) => Option.exists(found, (result) => result.key === key))
    )
    return { full, quick: results, last: new Set(last.map(({ step }) => step.id)) }
  })
  return succeeded(await inStore(place, program, options))
}

describe("the quick answer and the full one", () => {
  it("agree, whatever was done meanwhile", async () => {
    const place = newPlace()
    await ran(letters, place, { storeOf })
    let compared = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...Object.keys(edits)), { maxLength: 2 }),
        fc.constantFrom("", "", "", "forced", "set"),
        fc.nat(),
        async (names, wanted, seed) => {
          // Files that are the user's would be left where they are.
          for (const step of letterSteps) rmSync(path.join(place.outputs, step, "more"), { force: true })
          // All that there is to know is known before.
          const options = optionsOf(wanted)
          await ran(letters, place, { storeOf })
          await pastTheTick()
          await ran(letters, place, { storeOf })
          expect((await ask(place, { storeOf })).quick.size).toBe(letterSteps.length)
          const pick = <A>(all: ReadonlyArray<A>): A => all[seed % all.length]!
          for (const name of names) edits[name]?.(place, pick)
          await pastTheTick()
          const { full, quick, last } = await ask(place, options)
          for (const { step, state, result, outputs } of full) {
            const answer = quick.get(step.id)
            if (answer === undefined) continue
            compared++
            expect(state, step.id).toBe("fresh")
            expect(answer, step.id).toEqual(result)
            expect(outputs, step.id).toBeUndefined()
            expect(last, step.id).toContain(step.id)
          }
        }
      ),
      { numRuns: 30 }
    )
    expect(compared).toBeGreaterThan(10)
  })
})

/** Steps over several seeds: which are placed again, what they read, in which order, with which parameters. */
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { nodesOf, toText } from "../../../../cli/Graph.ts"
import * as Pipeline from "../../../../core/pipeline/Pipeline.ts"
import { select } from "../../../../core/pipeline/Selection.ts"
import { upstream } from "../../../../core/pipeline/Step.ts"
import { normalizeStepId, resolve, resolveSteps } from "../../../../core/plan/Settings.ts"
import pipeline from "../../../fixtures/seeds/pipeline.ts"

const three = Pipeline.overSeeds(pipeline, 3)
const ids = (of: Pipeline.Pipeline): ReadonlyArray<string> => of.steps.map((step) => step.id)
const seeds = (of: Pipeline.Pipeline, asked: Parameters<typeof resolve>[1] = {}) =>
  Effect.runPromise(resolve(of, asked)).then(({ steps }) =>
    Object.fromEntries(Object.entries(steps).map(([id, params]) => [id, params["seed"]]))
  )

describe("placing", () => {
  it("leaves one seed as it is: the very same steps", () => {
    expect(pipeline.seeds).toBe(1)
    expect(ids(pipeline)).toEqual(["measure", "roll@a", "roll@b", "list"])
    expect(Pipeline.overSeeds(pipeline, 1).steps).toEqual(pipeline.steps)
    expect(ids(Pipeline.overSeeds(three, 1))).toEqual(ids(pipeline))
  })

  it("places what depends on chance once for each seed, whole seeds first, readers last", () => {
    expect(ids(three)).toEqual(["measure", "roll@a", "roll@b", "roll@a#2", "roll@b#2", "roll@a#3", "roll@b#3", "list"])
  })

  it("has a replica read from the replica of its number, and from what all share", () => {
    const needs = Object.fromEntries(nodesOf(three).map((node) => [node.id, node.needs]))
    expect(needs["roll@a#3"]).toEqual(["measure"])
    expect(needs["roll@b#3"]).toEqual(["roll@a#3"])
    expect(needs["list"]).toEqual(["roll@b", "roll@b#2", "roll@b#3"])
    const list = three.steps.find((step) => step.id === "list")!
    expect(Object.keys(list.inputs)).toEqual(["first", "others[2]", "others[3]"])
    // every owner is a step of this pipeline, not of the one it was made from
    for (const step of three.steps) for (const each of upstream(step)) expect(three.steps).toContain(each)
  })

  it("can be asked for by the pipeline, and changed later", () => {
    const own = Pipeline.make({ name: "own", steps: pipeline.declared as [], seeds: 2 })
    expect(ids(own)).toContain("roll@b#2")
    expect(ids(Pipeline.overSeeds(own, 3))).toEqual(ids(three))
  })

  it("can be asked for by profile: the default profile's at once, another's when it is chosen", () => {
    const profiles = { short: {}, long: {} }
    const own = Pipeline.make({
      name: "own",
      steps: pipeline.declared as [],
      seeds: { long: 3 },
      profiles,
      defaultProfile: "long"
    })
    expect(ids(own)).toEqual(ids(three))
    expect([undefined, "short", "long", "constructor"].map((each) => Pipeline.seedsOf(own, each))).toEqual([3, 1, 3, 1])
    // a number that was asked for holds whatever the profile
    expect(Pipeline.seedsOf(Pipeline.overSeeds(own, 3), "short")).toBe(3)
    expect(Pipeline.seedsOf(Pipeline.overSeeds(own, 2), "long")).toBe(2)
    const wrong = (seeds: Record<string, number>) => () =>
      Pipeline.make({ name: "own", steps: pipeline.declared as [], seeds, profiles })
    expect(wrong({ lng: 3 })).toThrow(/own: seeds: expected one of short, long, but found "lng"/)
    expect(wrong({ long: 0 })).toThrow(
      /own: expected seeds of the profile long to be a whole number from 1 on, but found 0/
    )
  })

  it("is refused for what is no number of seeds", () => {
    for (const wrong of [0, -1, 1.5, Number.NaN]) {
      expect(() => Pipeline.make({ name: "own", steps: pipeline.declared as [], seeds: wrong })).toThrow(
        /own: expected seeds to be a whole number from 1 on, but found/
      )
    }
  })

  it("is drawn and named in the call form", () => {
    const lines = toText(
      three,
      () => "*",
      () => ""
    )
    expect(lines.some((line) => line.includes("roll(b)#3  ← roll(a)#3"))).toBe(true)
    expect(normalizeStepId("roll(b)#3")).toBe("roll@b#3")
  })
})

describe("parameters", () => {
  it("differ in the seed alone", async () => {
    expect(await seeds(three)).toEqual({
      measure: 5,
      "roll@a": 5,
      "roll@b": 5,
      "roll@a#2": 6,
      "roll@b#2": 6,
      "roll@a#3": 7,
      "roll@b#3": 7,
      list: undefined
    })
    expect(await seeds(three, { seed: 40 })).toMatchObject({ "roll@a": 40, "roll@a#3": 42, measure: 40 })
    expect(await seeds(three, { profile: "far" })).toMatchObject({ measure: 5, "roll@a": 100, "roll@b#3": 102 })
  })

  it("follow those of the original, by stage and by step; a replica can be set alone", async () => {
    const set = ["roll.factor=7", "roll@b.factor=9", "roll@a.seed=20", "roll(b)#3.seed=1"]
    const { steps } = await Effect.runPromise(resolve(three, { set }))
    expect(steps["roll@a#2"]).toEqual({ seed: 21, factor: 7 })
    expect(steps["roll@b#2"]).toEqual({ seed: 6, factor: 9 })
    expect(steps["roll@b#3"]).toEqual({ seed: 1, factor: 9 })
    expect(steps["roll@b"]).toEqual({ seed: 5, factor: 9 })
  })

  it("refuse a replica that is not there", async () => {
    const error = await Effect.runPromise(Effect.flip(resolve(pipeline, { set: ["roll@a#2.seed=1"] })))
    expect(error.message).toContain("roll@a")
  })
})

it("a stage's name stands for its replicas too, an id for itself", async () => {
  const named = (asked: string) => Effect.runPromise(resolveSteps(three, "--only", [asked]))
  expect(await named("roll")).toHaveLength(6)
  expect(await named("roll@a")).toEqual(["roll@a"])
  expect(await named("roll(a)#2")).toEqual(["roll@a#2"])
  const { asked, needed } = select(three, { only: ["roll@b#2"], from: [], until: [] })
  expect([...needed, ...asked].map((step) => step.id)).toEqual(["measure", "roll@a#2", "roll@b#2"])
})

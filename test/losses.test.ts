/** losses.ts beside the study: what both have is the same step with the same settings, and so made once. */
import { expect, it } from "vitest"
import losses from "../losses.ts"
import study from "../pipeline.ts"

const shared = ["split", "augment", "train@bn"]

it("has the study's steps, and two of its own", () => {
  expect(losses.declared.map(({ id }) => id).sort()).toEqual([...shared, "losses", "train@sparsemax"].sort())
  for (const id of shared) {
    const [ours, theirs] = [losses, study].map(({ declared }) => declared.find((step) => step.id === id))
    expect(ours).toBeDefined()
    expect(ours).toBe(theirs)
  }
})

it("has the study's settings for them, in every profile", () => {
  expect([losses.seed, losses.declaredSeeds, losses.defaultProfile]).toEqual([
    study.seed,
    study.declaredSeeds,
    study.defaultProfile
  ])
  expect(Object.keys(losses.profiles)).toEqual(Object.keys(study.profiles))
  for (const [name, ours] of Object.entries(losses.profiles)) {
    for (const stage of ["images", "split", "augment", "train"]) {
      expect(ours[stage], `${name}, ${stage}`).toEqual(study.profiles[name]![stage])
    }
  }
})

it("trains both networks in the same way, but for the loss", () => {
  const paramsOf = (id: string) => losses.declared.find((step) => step.id === id)!.params
  expect(paramsOf("train@sparsemax")).toEqual({ ...paramsOf("train@bn"), loss: "sparsemax" })
})

/** Against the plainest way: all distances, sorted. */
import * as Effect from "effect/Effect"
import { expect, it } from "vitest"
import { descriptorLength } from "../../../../stages/lib/duplicates/Fingerprint.ts"
import { neighbours, type Point } from "../../../../stages/lib/duplicates/Neighbours.ts"
import * as Random from "../../../../stages/lib/Random.ts"

/** Points around some centres, of two classes; more than two blocks of them. */
const points = (count: number): ReadonlyArray<Point> => {
  const random = Random.make(1, "points")
  const centres = Array.from({ length: 9 }, () => Array.from({ length: descriptorLength }, () => random.float()))
  return Array.from({ length: count }, (_, i) => {
    const values = centres[i % centres.length]!.map((value) => value + 0.1 * random.float())
    const length = Math.hypot(...values)
    return { class: i % 2 === 0 ? "a" : "b", descriptor: Float32Array.from(values, (value) => value / length) }
  })
}

const distance = (a: Point, b: Point): number => Math.hypot(...a.descriptor.map((value, k) => value - b.descriptor[k]!))

const reach = { within: { count: 12, radius: 0.5 }, across: { count: 3, radius: 0.05 } }

it("finds the nearest of each class within the radius, for the active alone", async () => {
  const all = points(700)
  const active = all.map((_, i) => i % 5 !== 0)
  const found = await Effect.runPromise(neighbours(all, active, reach))
  for (const [i, own] of all.entries()) {
    if (!active[i]) continue
    const nearest = (isOwn: boolean, { count, radius }: { readonly count: number; readonly radius: number }) =>
      all
        .map((other, j) => [distance(own, other), j] as const)
        .filter(([d, j]) => j !== i && (all[j]!.class === own.class) === isOwn && d < radius)
        .sort((a, b) => a[0] - b[0])
        .slice(0, count)
        .map(([, j]) => j)
    expect(found[i]!.within).toEqual(nearest(true, reach.within))
    expect(found[i]!.across).toEqual(nearest(false, reach.across))
  }
})

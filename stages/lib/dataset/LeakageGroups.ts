/**
 * Groups of related images, which a split must not separate, and the policies on near-duplicates.
 *
 * Images are in one group if they are near-duplicates (also across classes: a label conflict), if their paths share the
 * first capture of `groupBy`, or if they look so much alike that they may be copies. Under `drop` only the best image
 * of a group of near-duplicates within a class stays: most pixels, then first by path. Under `keep` near-duplicates are
 * reported and join nothing.
 *
 * A copy in two splits makes a score too high, while two images that are not copies lose nothing by being in one split.
 * Hence look-alikes join a group on less evidence than copies need, as long as the group stays small.
 */
import type { SplitName } from "../../../schemas/Names.ts"
import type { DuplicateGroup, LabelConflict, SplitParams } from "../../../schemas/Split.ts"
import type { Pair } from "../duplicates/Comparisons.ts"
import { Components } from "../duplicates/Components.ts"
import type { Summary } from "../duplicates/Fingerprint.ts"
import type { Alike } from "../duplicates/NearDuplicates.ts"
import { tally } from "../Tally.ts"
import { byPath } from "./ImageListing.ts"

export interface Scanned {
  /** Its place among the files of the scan. */
  readonly at: number
  readonly path: string
  readonly class: string
  /** The split that its folder gives it. */
  readonly given?: SplitName
  readonly fingerprint: Summary
}

export interface LeakageGroups {
  readonly kept: ReadonlyArray<{ readonly image: Scanned; readonly group: string }>
  readonly dropped: ReadonlyArray<Scanned>
  readonly duplicates: ReadonlyArray<DuplicateGroup>
  readonly conflicts: ReadonlyArray<LabelConflict>
  /** Pairs of images that both stay. */
  readonly lookAlikes: ReadonlyArray<readonly [path: string, path: string]>
}

const best = (images: ReadonlyArray<Scanned>): Scanned =>
  [...images].sort((a, b) => {
    const pixels = (one: Scanned): number => one.fingerprint.width * one.fingerprint.height
    return pixels(b) - pixels(a) || byPath(a, b)
  })[0]!

/** The best image; of each split, where splits are given: those stay as they are. */
const bestOfEach = (images: ReadonlyArray<Scanned>): ReadonlyArray<string> =>
  [...new Set(images.map(({ given }) => given))].map(
    (split) => best(images.filter(({ given }) => given === split)).path
  )

/** The first capture of the pattern, or undefined when it does not match. */
export const captureOf = (pattern: string): ((path: string) => string | undefined) => {
  if (pattern === "") return () => undefined
  const regex = new RegExp(pattern, "u")
  return (path) => regex.exec(path)?.[1]
}

const partsOf = (
  scanned: ReadonlyArray<Scanned>,
  pairs: ReadonlyArray<Pair>
): ReadonlyArray<ReadonlyArray<Scanned>> => {
  const components = new Components(scanned.length)
  for (const [i, j] of pairs) components.join(i, j)
  return components.many().map((part) => part.map((i) => scanned[i]!).sort(byPath))
}

/** Near-duplicate groups within a class, and those that span classes. */
const report = (scanned: ReadonlyArray<Scanned>, pairs: ReadonlyArray<Pair>, policy: SplitParams["duplicates"]) => {
  const within = pairs.filter(([i, j]) => scanned[i]!.class === scanned[j]!.class)
  const duplicates = partsOf(scanned, within).map(
    (part): DuplicateGroup => ({
      class: part[0]!.class,
      paths: part.map((one) => one.path),
      kept: policy === "drop" ? bestOfEach(part) : part.map((one) => one.path)
    })
  )
  const conflicts = partsOf(scanned, pairs)
    .filter((part) => new Set(part.map((one) => one.class)).size > 1)
    .map(
      (part): LabelConflict => ({
        classes: [...new Set(part.map((one) => one.class))].sort(),
        paths: part.map((one) => one.path)
      })
    )
  const byFirst = (
    a: { readonly paths: ReadonlyArray<string> },
    b: { readonly paths: ReadonlyArray<string> }
  ): number => (a.paths[0]! < b.paths[0]! ? -1 : 1)
  return { duplicates: duplicates.sort(byFirst), conflicts: conflicts.sort(byFirst) }
}

/**
 * The largest share of its class that a group may reach, or gain, by look-alikes: every split needs images of each
 * class.
 */
const most = 1 / 5
/** A class with no more groups than this is left as it is, for the same reason. */
const leastGroups = 5

/**
 * Joins look-alikes, those that differ least first. Pairs with an image in no group come before the others, since
 * nothing else may link a copy to its original; they may add a share of `most` of a class to a group of any size. The
 * others may not make a group larger than that.
 */
const joinLookAlikes = (
  components: Components,
  scanned: ReadonlyArray<Scanned>,
  lookAlikes: ReadonlyArray<Pair>
): void => {
  const images = tally(scanned.map((one) => one.class))
  const inClass = new Map(scanned.map((one, i) => [`${components.find(i)} ${one.class}`, one.class]))
  const groups = tally(inClass.values())
  const sizes = new Uint32Array(scanned.length)
  for (let i = 0; i < scanned.length; i++) sizes[components.find(i)]! += 1
  const alone = scanned.map((_, i) => sizes[components.find(i)] === 1)
  /** Size of the largest part that is joined for other reasons. */
  const given = Uint32Array.from(sizes)
  const join = ([i, j]: Pair, isGain: boolean): void => {
    const [a, b] = [components.find(i), components.find(j)]
    if (a === b) return
    const together = sizes[a]! + sizes[b]!
    const part = Math.max(given[a]!, given[b]!)
    const counted = isGain ? together - part : together
    const classes = [...new Set([scanned[i]!.class, scanned[j]!.class])]
    if (classes.some((name) => counted > images.get(name)! * most || groups.get(name)! <= leastGroups)) return
    components.join(a, b)
    const root = components.find(a)
    sizes[root] = together
    given[root] = part
    for (const name of classes) groups.set(name, groups.get(name)! - 1)
  }
  const untied = ([i, j]: Pair): boolean => alone[i]! || alone[j]!
  for (const pair of lookAlikes) if (untied(pair)) join(pair, true)
  for (const pair of lookAlikes) if (!untied(pair)) join(pair, false)
}

/** Applies the policy. */
export const leakageGroups = (
  scanned: ReadonlyArray<Scanned>,
  { copies: pairs, lookAlikes }: Alike,
  params: Pick<SplitParams, "duplicates" | "groupBy">
): LeakageGroups => {
  const { duplicates, conflicts } = report(scanned, pairs, params.duplicates)
  const components = new Components(scanned.length)
  // copies that are dropped still link their originals
  if (params.duplicates !== "keep") for (const [i, j] of pairs) components.join(i, j)
  const capture = captureOf(params.groupBy)
  const firstOf = new Map<string, number>()
  for (const [i, { path }] of scanned.entries()) {
    const name = capture(path)
    if (name === undefined) continue
    const first = firstOf.get(name)
    if (first === undefined) firstOf.set(name, i)
    else components.join(first, i)
  }
  if (params.duplicates !== "keep") joinLookAlikes(components, scanned, lookAlikes)
  const lost = new Set(duplicates.flatMap(({ paths, kept }) => paths.filter((path) => !kept.includes(path))))
  return {
    // a group is named by the first path among its members
    kept: scanned.flatMap((image, i) =>
      lost.has(image.path) ? [] : [{ image, group: scanned[components.find(i)]!.path }]
    ),
    dropped: scanned.filter(({ path }) => lost.has(path)),
    duplicates,
    conflicts,
    lookAlikes: lookAlikes
      .map(([i, j]) => [scanned[i]!.path, scanned[j]!.path] as const)
      .filter(([a, b]) => !lost.has(a) && !lost.has(b))
  }
}

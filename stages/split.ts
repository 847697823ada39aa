/**
 * split: looks at every picture of the data root, sets aside what cannot be decoded, finds near-duplicates, and deals the
 * rest to train, validation and test.
 *
 * The manifest accounts for every file found. What makes a run impossible (no two classes, a class with fewer than three
 * pictures or groups) fails as bad input and names the class.
 */
import * as Effect from "effect/Effect"
import { Stage } from "../core/index.ts"
import type { SplitName } from "../schemas/Names.ts"
import { Pictures } from "../schemas/Pictures.ts"
import {
  type ClassCounts,
  type Manifest,
  ManifestArtifact,
  type Picture,
  type SetAside,
  SplitParams
} from "../schemas/Split.ts"
import { type Found, type Walked, walk } from "./lib/dataset/ImageListing.ts"
import { type Grouped, groupPictures } from "./lib/dataset/LeakageGroups.ts"
import { findAlike } from "./lib/dataset/NearDuplicates.ts"
import { scan } from "./lib/dataset/Scan.ts"
import { assign, type Unit } from "./lib/dataset/StratifiedSplit.ts"
import * as Random from "./lib/Random.ts"
import { tally } from "./lib/Tally.ts"

const bad = (fields: {
  readonly reason: string
  readonly expected: string
  readonly actual: string
  readonly toDo: string
}): Stage.StageFailure => new Stage.StageFailure({ ...fields, badInput: true })

/** At most `limit` files of each class, by a draw that is each file's own. */
const limitPerClass = (walked: Walked, limit: number, seed: number): ReadonlyArray<Found> => {
  if (limit === 0) return walked.files
  return walked.classes.flatMap((name) =>
    walked.files
      .filter((file) => file.class === name)
      .map((file) => ({ file, key: Random.make(seed, "limit", file.path).float() }))
      .sort((a, b) => a.key - b.key)
      .slice(0, limit)
      .map(({ file }) => file)
      .sort((a, b) => (a.path < b.path ? -1 : 1))
  )
}

const mostCommon = (reasons: ReadonlyArray<string>): string => {
  const best = [...tally(reasons)].sort((a, b) => b[1] - a[1])[0]
  return best === undefined ? "" : `; most often: ${best[0]}`
}

const least = 3

/** Fails when there are not two classes, or one is too small, naming every such class. */
const checkClasses = Effect.fnUntraced(function* (
  walked: Walked,
  countOf: (name: string) => number,
  what: "pictures" | "groups",
  setAside: ReadonlyArray<SetAside>
) {
  if (walked.classes.length < 2) {
    return yield* bad({
      reason: walked.classes.length === 0 ? "The data folder has no class" : "The data folder has one class only",
      expected: "at least two folders, one a class, with pictures in them",
      actual: walked.classes.length === 0 ? "no folder" : `the class "${walked.classes[0]}" alone`,
      toDo: "Lay the pictures out as <folder>/<class>/<picture>"
    })
  }
  const small = walked.classes.filter((name) => countOf(name) < least)
  if (small.length === 0) return
  const said = small.map((name) => {
    const lost = setAside.filter((one) => one.class === name)
    const aside = lost.length === 0 ? "" : ` (${lost.length} set aside${mostCommon(lost.map((one) => one.reason))})`
    return `"${name}" has ${countOf(name)}${aside}`
  })
  return yield* bad({
    reason: `${small.length === 1 ? "A class is" : `${small.length} classes are`} too small to be split in three`,
    expected: `at least ${least} ${what === "pictures" ? "readable pictures" : "groups of pictures that belong together"} in each class`,
    actual: said.join(", "),
    toDo:
      what === "pictures"
        ? `Add pictures to ${small.map((name) => `"${name}"`).join(", ")}, or move the folder away`
        : `Add pictures that are no copies of others to ${small.map((name) => `"${name}"`).join(", ")}, or loosen split.groupBy or split.duplicates`
  })
})

/** The pictures that take part, with the split of their group. */
const deal = (kept: Grouped["kept"], classes: ReadonlyArray<string>, params: SplitParams): ReadonlyArray<Picture> => {
  const indexOf = new Map(classes.map((name, i) => [name, i]))
  const units = new Map<string, { readonly name: string; readonly counts: Map<number, number> }>()
  for (const { picture, group } of kept) {
    const unit = units.get(group) ?? { name: group, counts: new Map<number, number>() }
    units.set(group, unit)
    const label = indexOf.get(picture.class)!
    unit.counts.set(label, (unit.counts.get(label) ?? 0) + 1)
  }
  const all: ReadonlyArray<Unit> = [...units.values()]
  const splits = assign(all, classes.length, params.fractions, params.seed)
  return kept
    .map(({ picture, group }) => ({
      path: picture.path,
      class: picture.class,
      split: splits.get(group)!,
      group,
      width: picture.fingerprint.width,
      height: picture.fingerprint.height
    }))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
}

interface Account {
  readonly walked: Walked
  readonly taken: ReadonlyArray<Found>
  readonly setAside: ReadonlyArray<SetAside>
  readonly grouped: Grouped
  readonly pictures: ReadonlyArray<Picture>
}

/** How many there are of a class. */
const byClass = (of: ReadonlyArray<{ readonly class: string }>): ((name: string) => number) => {
  const counts = tally(of.map((one) => one.class))
  return (name) => counts.get(name) ?? 0
}

const countClasses = ({ walked, taken, setAside, grouped, pictures }: Account): ReadonlyArray<ClassCounts> => {
  const found = byClass([...walked.files, ...walked.setAside])
  const beyond = byClass(walked.files)
  const within = byClass(taken)
  const aside = byClass(setAside)
  const dropped = byClass(grouped.dropped)
  const inSplit = (split: SplitName) => byClass(pictures.filter((picture) => picture.split === split))
  const [train, validation, test] = [inSplit("train"), inSplit("validation"), inSplit("test")]
  return walked.classes.map((name) => ({
    class: name,
    found: found(name),
    setAside: aside(name),
    beyondLimit: beyond(name) - within(name),
    dropped: dropped(name),
    train: train(name),
    validation: validation(name),
    test: test(name)
  }))
}

const toManifest = (account: Account, params: SplitParams): Manifest => {
  const { walked, setAside, grouped, pictures } = account
  const splitOf = new Map(pictures.map((picture) => [picture.path, picture.split]))
  const spans = (paths: ReadonlyArray<string>): boolean =>
    new Set(paths.flatMap((path) => splitOf.get(path) ?? [])).size > 1
  const sizes = tally(pictures.map(({ group }) => group))
  return {
    classes: walked.classes,
    seed: params.seed,
    fractions: params.fractions,
    duplicatePolicy: params.duplicates,
    groupBy: params.groupBy,
    counts: countClasses(account),
    groupsOfMany: [...sizes.values()].filter((size) => size > 1).length,
    leaks: [...grouped.duplicates, ...grouped.conflicts].filter(({ paths }) => spans(paths)).length,
    lookAlikes: {
      pairs: grouped.lookAlikes.length,
      apart: grouped.lookAlikes.filter(spans).length
    },
    setAside,
    duplicates: grouped.duplicates,
    conflicts: grouped.conflicts,
    pictures
  }
}

export const split = Stage.make({
  name: "split",
  source: import.meta.url,
  params: SplitParams,
  inputs: { images: Pictures },
  output: { manifest: ManifestArtifact },
  run: ({ params, inputs, output, toolchainDir, workdir, cores, progress }) =>
    Effect.gen(function* () {
      const root = inputs.images.path
      const walked = yield* walk(root, params.classes)
      const taken = limitPerClass(walked, params.perClass, params.seed)
      const { pixelLimit } = params
      const looked = yield* scan({ root, files: taken, pixelLimit, cores, workdir, toolchainDir, progress })
      const { scanned, thumbnails } = looked
      const setAside = [...walked.setAside, ...looked.setAside].sort((a, b) => (a.path < b.path ? -1 : 1))
      yield* checkClasses(walked, byClass(scanned), "pictures", setAside)
      const thumbnailOf = { get: (i: number) => thumbnails.get(scanned[i]!.at) }
      const alike = yield* findAlike(scanned, thumbnailOf, (done) =>
        progress({ label: "near-duplicates", done, total: scanned.length, unit: "pictures" })
      )
      const grouped = groupPictures(scanned, alike, params)
      const groups = [
        ...new Map(grouped.kept.map((one) => [`${one.picture.class}/${one.group}`, one.picture])).values()
      ]
      yield* checkClasses(walked, byClass(groups), "groups", setAside)
      const pictures = deal(grouped.kept, walked.classes, params)
      yield* output.manifest.write(toManifest({ walked, taken, setAside, grouped, pictures }, params))
    })
})

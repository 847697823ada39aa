/**
 * split: decodes every image of the data root, sets aside those that cannot be decoded, finds near-duplicates, and
 * assigns the others to train, validation and test.
 *
 * The manifest accounts for every file found. Fewer than two classes, or a class with fewer than three images or
 * groups, is bad input; the failure names the class.
 */
import * as Effect from "effect/Effect"
import { Stage } from "../core/index.ts"
import { Images } from "../schemas/Images.ts"
import { type SplitName, splitNames } from "../schemas/Names.ts"
import {
  type ClassCounts,
  type Image,
  type Manifest,
  ManifestArtifact,
  type SetAside,
  SplitParams
} from "../schemas/Split.ts"
import { byPath, type ImageListing, type ListedFile, listImages } from "./lib/dataset/ImageListing.ts"
import { captureOf, type LeakageGroups, leakageGroups, type Scanned } from "./lib/dataset/LeakageGroups.ts"
import { scan } from "./lib/dataset/Scan.ts"
import { sequencePattern, sequencesOf } from "./lib/dataset/Sequences.ts"
import { stratifiedSplit, type Unit } from "./lib/dataset/StratifiedSplit.ts"
import * as Aligner from "./lib/duplicates/Aligner.ts"
import { findAlike } from "./lib/duplicates/NearDuplicates.ts"
import { whiteOfSet } from "./lib/images/DeepLevels.ts"
import * as Random from "./lib/Random.ts"
import { tally } from "./lib/Tally.ts"

const bad = (fields: {
  readonly reason: string
  readonly expected: string
  readonly actual: string
  readonly toDo: string
}): Stage.StageFailure => new Stage.StageFailure({ ...fields, badInput: true })

/** At most `limit` files of each class, by a draw that is each file's own. */
const limitPerClass = (listing: ImageListing, limit: number, seed: number): ReadonlyArray<ListedFile> => {
  if (limit === 0) return listing.files
  return listing.classes.flatMap((name) =>
    listing.files
      .filter((file) => file.class === name)
      .map((file) => ({ file, key: Random.make(seed, "limit", file.path).float() }))
      .sort((a, b) => a.key - b.key)
      .slice(0, limit)
      .map(({ file }) => file)
      .sort(byPath)
  )
}

const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`

const mostCommon = (reasons: ReadonlyArray<string>): string => {
  const [best, ...others] = [...tally(reasons)].sort((a, b) => b[1] - a[1])
  if (best === undefined) return ""
  return others.length === 0 ? `: ${best[0]}` : `, most often (${best[1]}): ${best[0]}`
}

/** Images, and groups, that a class needs: one per split. */
const leastPerClass = 3

/** A folder below the root that holds the folders of all files, and the names of those. */
const deeper = (
  files: ReadonlyArray<ListedFile>
): { readonly folder: string; readonly holds: ReadonlyArray<string> } => {
  const folders = files.map(({ path }) => path.split("/").slice(0, -1))
  const first = folders[0] ?? []
  let depth = 0
  while (depth < first.length && folders.every((each) => each[depth] === first[depth])) depth += 1
  const holds = new Set(folders.flatMap((each) => each[depth] ?? []))
  return { folder: first.slice(0, depth).join("/"), holds: [...holds].sort() }
}

const noClass = "Arrange the images as <folder>/<class>/<image>"
const twoClasses = "at least two class folders with images"

/** What to do about a root without class folders. */
const withoutClass = ({ root: { images, tables, archives } }: ImageListing): Stage.StageFailure => {
  const beside = [...(images === 0 ? [] : [plural(images, "image")]), ...tables, ...archives]
  const toDo =
    images > 0
      ? `Make a folder for each class, and move its images there${tables.length === 0 ? "" : ", as the table says"}`
      : archives.length > 0
        ? `Unpack ${archives[0]}, and give the folder that holds the class folders`
        : noClass
  return bad({
    reason: "The data folder has no class",
    expected: twoClasses,
    actual: beside.length === 0 ? "no folder" : `no folder of a class, but ${beside.join(", ")}`,
    toDo
  })
}

/** What to do about a root that has not two class folders. */
const fewClasses = (listing: ImageListing): Stage.StageFailure => {
  const { classes, files, root } = listing
  if (classes.length === 0) return withoutClass(listing)
  const { folder, holds } = deeper(files)
  const named = holds.slice(0, 5).join(", ") + (holds.length > 5 ? ", ..." : "")
  const toDo =
    holds.length > 1
      ? `Give the folder that holds the class folders: ${folder} below it has ${named}`
      : root.tables.length > 0
        ? `${noClass}, as the table says`
        : noClass
  return bad({
    reason: "The data folder has only one class",
    expected: twoClasses,
    actual: [`only the class "${classes[0]}"`, ...root.tables].join(", and "),
    toDo
  })
}

/** The first names of a list; a thousand of them would be no sentence. */
const mostListed = 10
const listed = (all: ReadonlyArray<string>): string =>
  all.slice(0, mostListed).join(", ") + (all.length > mostListed ? ` and ${all.length - mostListed} more` : "")

/** What ties the images of these classes, besides being copies: nothing that is not set is to be relaxed. */
const relaxed = ({ files }: ImageListing, names: ReadonlyArray<string>, params: SplitParams): string => {
  const capture = captureOf(params.groupBy)
  const isTied = files.some((file) => names.includes(file.class) && capture(file.path) !== undefined)
  const ways = [
    ...(isTied ? ["relax split.groupBy"] : []),
    ...(params.duplicates === "keep" ? [] : ['set split.duplicates to "keep", which puts copies into several splits'])
  ]
  return ways.map((way) => `, or ${way}`).join("")
}

/** Fails when there are not two classes, or one is too small, naming every such class. */
const checkClasses = Effect.fnUntraced(function* (
  listing: ImageListing,
  countOf: (name: string) => number,
  what: "images" | "groups",
  setAside: ReadonlyArray<SetAside>,
  params: SplitParams
) {
  if (listing.classes.length < 2) {
    return yield* fewClasses(listing)
  }
  const small = listing.classes.filter((name) => countOf(name) < leastPerClass)
  if (small.length === 0) return
  const counts = small.map((name) => {
    const lost = setAside.filter((one) => one.class === name)
    const aside = lost.length === 0 ? "" : ` (${lost.length} set aside${mostCommon(lost.map((one) => one.reason))})`
    return `"${name}" has ${countOf(name)}${aside}`
  })
  const names = listed(small.map((name) => `"${name}"`))
  return yield* bad({
    reason: `${small.length === 1 ? "One class has" : `${small.length} classes have`} too few ${what} for three splits`,
    expected: `at least ${leastPerClass} ${what === "images" ? "readable images" : "groups of related images"} in each class`,
    actual: listed(counts),
    toDo:
      what === "images"
        ? `Add images to ${names}, or move ${small.length === 1 ? "the folder" : "the folders"} away`
        : `Add images that are not copies of others to ${names}${relaxed(listing, small, params)}`
  })
})

/** Fewer images than this are no sign of a set that is all alike. */
const leastDropped = 20

/** Fails when `drop` would leave out a large share of images that are not exact copies: they may be what the set is. */
const checkDropped = Effect.fnUntraced(function* (
  scanned: ReadonlyArray<Scanned>,
  { dropped, kept }: LeakageGroups,
  { dropAtMost }: SplitParams
) {
  const digests = new Set(kept.map(({ image }) => image.fingerprint.digest))
  const lost = new Set(dropped.map(({ fingerprint }) => fingerprint.digest).filter((digest) => !digests.has(digest)))
  if (lost.size < leastDropped || lost.size <= dropAtMost * scanned.length) return
  const percent = (share: number): string => `${Math.round(100 * share)} %`
  return yield* bad({
    reason: "Too many images are near-duplicates of others to leave them out",
    expected: `at most ${percent(dropAtMost)} of the images (split.dropAtMost), exact copies aside`,
    actual: `${lost.size} of ${scanned.length} (${percent(lost.size / scanned.length)})`,
    toDo: `Set split.duplicates to "group" to use all of them, each with its copies in one split, or raise split.dropAtMost to leave them out`
  })
})

/** Fails where a split that is given lacks a class. */
const checkGiven = Effect.fnUntraced(function* (listing: ImageListing, images: ReadonlyArray<Image>) {
  const has = new Set(images.map((image) => `${image.split}/${image.class}`))
  const lacks = listing.given.flatMap((split) =>
    listing.classes.filter((name) => !has.has(`${split}/${name}`)).map((name) => `${split} has no "${name}"`)
  )
  if (lacks.length === 0) return
  return yield* bad({
    reason: "The folders of the data are a split (train, validation, test), but not all have all classes",
    expected: "readable images of each class in each of these folders",
    actual: lacks.slice(0, 10).join(", "),
    toDo: "Add the images, or give --data one of the folders to have it split anew"
  })
})

/** The images of a set with its own split. What it lacks, validation or test, is drawn from train. */
const assignGiven = (
  kept: LeakageGroups["kept"],
  { classes, given }: ImageListing,
  params: SplitParams
): ReadonlyArray<Image> => {
  const lacking = splitNames.find((split) => !given.includes(split))
  const toImage = ({ image, group }: LeakageGroups["kept"][number], split: SplitName): Image => ({
    path: image.path,
    class: image.class,
    split,
    group,
    width: image.fingerprint.width,
    height: image.fingerprint.height
  })
  const settled = kept
    .filter(({ image }) => image.given !== "train" || lacking === undefined)
    .map((one) => toImage(one, one.image.given!))
  if (lacking === undefined) return settled.sort(byPath)
  const share = params.fractions[lacking]
  const drawn = assignSplits(
    kept.filter(({ image }) => image.given === "train"),
    classes,
    // two halves of what is lacking
    { ...params, fractions: { train: 1 - share, validation: share / 2, test: share / 2 } }
  ).map((image) => (image.split === "train" ? image : { ...image, split: lacking }))
  return [...settled, ...drawn].sort(byPath)
}

/** The images that are used, each with the split of its group, or its own. */
const assignSplits = (
  kept: LeakageGroups["kept"],
  classes: ReadonlyArray<string>,
  params: SplitParams
): ReadonlyArray<Image> => {
  const indexOf = new Map(classes.map((name, i) => [name, i]))
  const units = new Map<string, { readonly name: string; readonly counts: Map<number, number> }>()
  const unitOf = ({ image, group }: LeakageGroups["kept"][number]): string =>
    params.assign === "images" ? image.path : group
  for (const one of kept) {
    const { image } = one
    const name = unitOf(one)
    const unit = units.get(name) ?? { name, counts: new Map<number, number>() }
    units.set(name, unit)
    const label = indexOf.get(image.class)!
    unit.counts.set(label, (unit.counts.get(label) ?? 0) + 1)
  }
  const all: ReadonlyArray<Unit> = [...units.values()]
  const splits = stratifiedSplit(all, classes.length, params.fractions, params.seed)
  return kept
    .map((one) => ({ ...one, split: splits.get(unitOf(one))! }))
    .map(({ image, group, split }) => ({
      path: image.path,
      class: image.class,
      split,
      group,
      width: image.fingerprint.width,
      height: image.fingerprint.height
    }))
    .sort(byPath)
}

interface Account {
  readonly listing: ImageListing
  readonly taken: ReadonlyArray<ListedFile>
  readonly scanned: ReadonlyArray<Scanned>
  readonly setAside: ReadonlyArray<SetAside>
  readonly grouped: LeakageGroups
  readonly images: ReadonlyArray<Image>
}

/** The number of entries of a class. */
const byClass = (of: ReadonlyArray<{ readonly class: string }>): ((name: string) => number) => {
  const counts = tally(of.map((one) => one.class))
  return (name) => counts.get(name) ?? 0
}

const countClasses = ({ listing, taken, setAside, grouped, images }: Account): ReadonlyArray<ClassCounts> => {
  const found = byClass([...listing.files, ...listing.setAside])
  const beyond = byClass(listing.files)
  const within = byClass(taken)
  const aside = byClass(setAside)
  const dropped = byClass(grouped.dropped)
  const inSplit = (split: SplitName) => byClass(images.filter((image) => image.split === split))
  const [train, validation, test] = [inSplit("train"), inSplit("validation"), inSplit("test")]
  return listing.classes.map((name) => ({
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
  const { listing, scanned, setAside, grouped, images } = account
  const splitOf = new Map(images.map((image) => [image.path, image.split]))
  const spans = (paths: ReadonlyArray<string>): boolean =>
    new Set(paths.flatMap((path) => splitOf.get(path) ?? [])).size > 1
  const members = Map.groupBy(images, ({ group }) => group)
  const groups = [...members.values()].map((one) => one.map(({ path }) => path))
  const duplicates = [...grouped.duplicates, ...grouped.conflicts].map(({ paths }) => paths)
  const white = whiteOfSet(scanned.flatMap(({ fingerprint }) => fingerprint.most ?? []))
  const firsts = scanned.filter(({ fingerprint }) => fingerprint.isFirst).length
  const atRandom = params.assign === "images" && listing.given.length === 0
  const sequences = listing.given.length === 0 ? sequencesOf(images) : undefined
  return {
    classes: listing.classes,
    seed: params.seed,
    fractions: params.fractions,
    duplicatePolicy: params.duplicates,
    groupBy: params.groupBy,
    ...(listing.given.length === 0 ? {} : { given: listing.given }),
    counts: countClasses(account),
    groupsOfMany: groups.filter((paths) => paths.length > 1).length,
    ...(atRandom ? { assign: "images" as const } : {}),
    leaks: (atRandom ? groups : duplicates).filter(spans).length,
    lookAlikes: {
      pairs: grouped.lookAlikes.length,
      apart: grouped.lookAlikes.filter(spans).length
    },
    ...(sequences === undefined ? {} : { sequences }),
    ...(white === undefined ? {} : { white }),
    ...(firsts === 0 ? {} : { firstOfSeveral: firsts }),
    setAside,
    duplicates: grouped.duplicates,
    conflicts: grouped.conflicts,
    images
  }
}

/** What was left out and why, what is not as it seems, and what a split that is given leaks; undefined where there is nothing to say. */
const saidOf = (
  { counts, setAside, firstOfSeveral = 0, images, given, assign, leaks, conflicts, sequences }: Manifest,
  { linked }: ImageListing
): string | undefined => {
  const dropped = counts.reduce((sum, one) => sum + one.dropped, 0)
  const parts = [
    ...(setAside.length === 0
      ? []
      : [`${plural(setAside.length, "file")} set aside${mostCommon(setAside.map((one) => one.reason))}`]),
    ...(firstOfSeveral === 0
      ? []
      : [
          firstOfSeveral === 1
            ? "1 file holds several images, of which the first is used"
            : `${firstOfSeveral} files hold several images (stacks, animations), of which the first is used`
        ]),
    ...(dropped === 0 ? [] : [`${plural(dropped, "near-duplicate")} dropped`]),
    ...(conflicts.length === 0
      ? []
      : [
          conflicts.length === 1
            ? "1 group of near-duplicates has different labels"
            : `${conflicts.length} groups of near-duplicates have different labels`
        ]),
    ...(linked.length === 0
      ? []
      : [`links to folders were followed (${linked.slice(0, 5).join(", ")}${linked.length > 5 ? ", ..." : ""})`]),
    ...(given === undefined ? [] : [`the split is that of the folders (${given.join(", ")})`]),
    ...(leaks === 0
      ? []
      : [
          `${plural(leaks, "group")} of ${assign === undefined ? "near-duplicates" : "related images"} in more than one split`
        ]),
    ...(sequences === undefined
      ? []
      : [
          `file names look like ${plural(sequences.count, "sequence")}, such as ${sequences.example}, of which ${sequences.apart} are in more than one split: if each is of one subject, run with --set 'split.groupBy=${sequencePattern}'`
        ])
  ]
  if (parts.length === 0) return undefined
  return `${parts.join("; ")}; ${plural(images.length, "image")} of ${plural(counts.length, "class", "classes")} used`
}

export const split = Stage.make({
  name: "split",
  source: import.meta.url,
  params: SplitParams,
  inputs: { images: Images },
  output: { manifest: ManifestArtifact },
  run: ({ params, inputs, output, toolchainDir, workdir, cores, progress, notice }) =>
    Effect.gen(function* () {
      const root = inputs.images.path
      const listing = yield* listImages(root, params.classes)
      const taken = limitPerClass(listing, params.perClass, params.seed)
      const { pixelLimit } = params
      const scanResult = yield* scan({ root, files: taken, pixelLimit, cores, workdir, toolchainDir, progress })
      const { scanned, thumbnails } = scanResult
      const setAside = [...listing.setAside, ...scanResult.setAside].sort(byPath)
      yield* checkClasses(listing, byClass(scanned), "images", setAside, params)
      const aligner = yield* Aligner.open(toolchainDir, cores)
      const thumbnailOf = { get: (i: number) => thumbnails.get(scanned[i]!.at) }
      const alike = yield* findAlike({ items: scanned, thumbnails: thumbnailOf, aligner }, (done) =>
        progress({ label: "near-duplicates", done, total: scanned.length, unit: "images" })
      )
      const grouped = leakageGroups(scanned, alike, params)
      yield* checkDropped(scanned, grouped, params)
      const groups = [...new Map(grouped.kept.map((one) => [`${one.image.class}/${one.group}`, one.image])).values()]
      const isGiven = listing.given.length > 0
      if (!isGiven) yield* checkClasses(listing, byClass(groups), "groups", setAside, params)
      const images = isGiven
        ? assignGiven(grouped.kept, listing, params)
        : assignSplits(grouped.kept, listing.classes, params)
      yield* checkGiven(listing, images)
      const manifest = toManifest({ listing, taken, scanned, setAside, grouped, images }, params)
      const said = saidOf(manifest, listing)
      if (said !== undefined) yield* notice(said)
      yield* output.manifest.write(manifest)
    })
})

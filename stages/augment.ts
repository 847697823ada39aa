/**
 * augment: packs all images at one size and adds augmented copies to the train split.
 *
 * Each file is decoded once; its original and its copies are written to the shards as soon as they are made. The bytes
 * depend only on parameters, paths and images.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import { Stage } from "../core/index.ts"
import {
  AugmentParams,
  IndexArtifact,
  type PackIndex,
  type PackRecord,
  type Preparation,
  preparationOf,
  Shards
} from "../schemas/Augment.ts"
import { Images } from "../schemas/Images.ts"
import type { SplitName } from "../schemas/Names.ts"
import { type Image, type Manifest, ManifestArtifact } from "../schemas/Split.ts"
import { copiesOf, copyOf, decode, original } from "./lib/images/Augmentation.ts"
import * as Pack from "./lib/images/Pack.ts"
import * as Resampler from "./lib/images/Resampler.ts"

/** One image and the positions of its records: the original first, then copy 1, 2, ... */
interface Work {
  readonly image: Image
  readonly places: ReadonlyArray<number>
}

interface Planned {
  readonly index: PackIndex
  readonly work: ReadonlyArray<Work>
}

/** The records of one split in order: originals by path, then the copies by number and path. */
const layOutSplit = (
  images: ReadonlyArray<Image>,
  copies: ReadonlyArray<number>,
  labelOf: (name: string) => number
) => {
  const records: Array<PackRecord> = images.map(({ path, class: name }) => ({ path, copy: 0, label: labelOf(name) }))
  const places: ReadonlyArray<Array<number>> = images.map((_, i) => [i])
  const most = copies.reduce((a, b) => Math.max(a, b), 0)
  for (let copy = 1; copy <= most; copy++) {
    for (const [i, { path, class: name }] of images.entries()) {
      if (copies[i]! < copy) continue
      places[i]!.push(records.length)
      records.push({ path, copy, label: labelOf(name) })
    }
  }
  return { records, work: images.map((image, i) => ({ image, places: places[i]! })) }
}

const plan = (manifest: Manifest, params: AugmentParams): Planned => {
  const labels = new Map(manifest.classes.map((name, i) => [name, i]))
  const labelOf = (name: string): number => labels.get(name)!
  const perShard = Pack.recordsPerShard(params.size * params.size * 3, params.shardBytes)
  const of = (split: SplitName) => {
    const images = manifest.images.filter((image) => image.split === split)
    const paths = images.map((image) => image.path)
    const copies = split === "train" ? copiesOf(paths, params) : paths.map(() => 0)
    const { records, work } = layOutSplit(images, copies, labelOf)
    return { packed: { shards: Pack.planShards(split, records.length, perShard), records }, work }
  }
  const [train, validation, test] = [of("train"), of("validation"), of("test")]
  return {
    index: {
      size: params.size,
      channels: 3,
      preparation: preparationOf(params, manifest),
      classes: manifest.classes,
      splits: { train: train.packed, validation: validation.packed, test: test.packed }
    },
    work: [...train.work, ...validation.work, ...test.work]
  }
}

const cannotDecode = (path: string) => (reason: string) =>
  new Stage.StageFailure({
    reason: `An image has changed since the split and cannot be read: ${path}`,
    expected: "the file that the step split read",
    actual: reason,
    toDo: "Keep the data folder unchanged during a run, then run again",
    badInput: true
  })

interface Packing {
  readonly root: string
  readonly params: AugmentParams
  readonly preparation: Preparation
  readonly resampler: Resampler.Resampler
  readonly writer: Pack.Writer
}

/** Records of one image that are in memory at once. */
const recordsAtOnce = 16

/** Makes and writes all records of one image. */
const packImage = Effect.fnUntraced(function* (
  { root, params, preparation, resampler, writer }: Packing,
  { image, places }: Work
) {
  const paths = yield* Path.Path
  const { path, split, width, height } = image
  const file = paths.join(root, ...path.split("/"))
  const square = yield* decode(file, width, height, preparation).pipe(Effect.mapError(cannotDecode(path)))
  const jobs = places.map((_, copy) => (copy === 0 ? original(square) : copyOf(square, params, path, copy)))
  for (let from = 0; from < jobs.length; from += recordsAtOnce) {
    const records = yield* resampler.records(square, jobs.slice(from, from + recordsAtOnce), params.size)
    for (const [i, record] of records.entries()) yield* writer.write(split, places[from + i]!, record)
  }
})

interface Packed {
  /** The images' folder, and the one that is written to. */
  readonly root: string
  readonly folder: string
  readonly planned: Planned
  readonly params: AugmentParams
  readonly resampler: Resampler.Resampler
  readonly cores: number
  readonly progress: (progress: Stage.Progress) => Effect.Effect<void>
}

const packAll = Effect.fnUntraced(function* ({ root, folder, planned, params, resampler, cores, progress }: Packed) {
  const { index, work } = planned
  const { train, validation, test } = index.splits
  const shards = { train: train.shards, validation: validation.shards, test: test.shards }
  const writer = yield* Pack.create(folder, params.size * params.size * 3, shards)
  const packing: Packing = { root, params, preparation: index.preparation, resampler, writer }
  const total = work.reduce((sum, { places }) => sum + places.length, 0)
  let done = 0
  yield* Effect.forEach(
    work,
    Effect.fnUntraced(function* (one) {
      yield* packImage(packing, one)
      done += one.places.length
      yield* progress({ label: "pack", done, total, unit: "images" })
    }),
    { concurrency: Math.max(2, cores * 3), discard: true }
  )
}, Effect.scoped)

export const augment = Stage.make({
  name: "augment",
  source: import.meta.url,
  params: AugmentParams,
  inputs: { images: Images, manifest: ManifestArtifact },
  output: { shards: Shards, index: IndexArtifact },
  run: ({ params, inputs, output, toolchainDir, cores, progress }) =>
    Effect.gen(function* () {
      const planned = plan(yield* inputs.manifest.read, params)
      const resampler = yield* Resampler.open(toolchainDir)
      const [root, folder] = [inputs.images.path, output.shards.path]
      yield* packAll({ root, folder, planned, params, resampler, cores, progress })
      yield* output.index.write(planned.index)
    })
})

/**
 * Parameters and outputs of `augment`: the index of the packed images.
 *
 * A record is `size * size * channels` bytes, uint8, row by row, channels last (NHWC), RGB. The records of a split lie
 * one after the other over its shards in the order of the index. The train split holds every original first, then the
 * copies; validation and test hold originals only.
 */
import * as Schema from "effect/Schema"
import { Artifact } from "../core/index.ts"
import { AtLeastOne, Count, Fraction, integerBetween, numberBetween, Positive, withDefault } from "./Numbers.ts"

/** Lower and upper end of a range to draw from. */
const Range = <S extends Schema.Schema<number> & { readonly Type: number }>(end: S) =>
  Schema.Tuple([end, end]).check(
    Schema.makeFilter(([low, high]: readonly [number, number]) => low <= high || "expected the lower end first")
  )

const CropScale = numberBetween(0.01, 1)

/** How a copy differs from its original. A transform whose probability or range is 0 is off. */
export const Transforms = Schema.Struct({
  /** Probability of a horizontal flip. */
  flip: withDefault(Fraction, 0.5),
  /** Largest rotation to either side, in degrees. */
  rotation: withDefault(numberBetween(0, 180), 25),
  /** Share of the image's area that a random resized crop keeps; [1, 1] with ratio [1, 1] is off. */
  cropScale: withDefault(Range(CropScale), [0.55, 1]),
  /** Aspect ratio (width : height) of the crop, relative to the image's own. */
  cropRatio: withDefault(Range(Positive), [3 / 4, 4 / 3]),
  /** Brightness is multiplied by a factor from [1 - b, 1 + b]. */
  brightness: withDefault(Fraction, 0),
  /** Saturation is multiplied by a factor from [1 - s, 1 + s]. */
  saturation: withDefault(Fraction, 0),
  /** What a rotation uncovers: the mean colour of the image's border, or black as torchvision does. */
  fill: withDefault(Schema.Literals(["border", "black"]), "border")
})
export type Transforms = typeof Transforms.Type

/** How an image becomes square: squashed, cropped at the centre, or padded. */
const Fit = Schema.Literals(["fill", "cover", "contain"])

/** How an original becomes what the network sees: all that an image of another day needs to be prepared alike. */
export const Preparation = Schema.Struct({
  size: integerBetween(8, 1024),
  fit: Fit,
  /** The least share of the area that a crop keeps, by which the working size is chosen. */
  leastCrop: CropScale,
  /** White of images of more than eight bits a level, where the set has some. */
  white: Schema.optionalKey(AtLeastOne)
})
export type Preparation = typeof Preparation.Type

export const AugmentParams = Schema.Struct({
  /** Width and height of a packed image, pixels. */
  size: withDefault(integerBetween(8, 1024), 224),
  fit: withDefault(Fit, "fill"),
  /**
   * Number of train images after augmentation, originals and copies, but never fewer than the originals; 0: as `copies`
   * says.
   */
  trainSize: withDefault(Count, 6298),
  /** Copies of each train image; used only when `trainSize` is 0. */
  copies: withDefault(integerBetween(0, 1000), 0),
  transforms: withDefault(Transforms, {}),
  seed: withDefault(Count, 1),
  /** Largest size of one shard, bytes (a shard holds at least one record). */
  shardBytes: withDefault(AtLeastOne, 64 * 1024 * 1024)
}).annotate({ identifier: "AugmentParams" })
export type AugmentParams = typeof AugmentParams.Type

/** What an original is prepared by, of the parameters and of the set. */
export const preparationOf = (
  { size, fit, transforms }: AugmentParams,
  { white }: Pick<Preparation, "white">
): Preparation => ({
  size,
  fit,
  leastCrop: transforms.cropScale[0],
  ...(white === undefined ? {} : { white })
})

/** One packed image. `copy` 0 is the original. */
export const PackRecord = Schema.Struct({ path: Schema.NonEmptyString, copy: Count, label: Count })
export type PackRecord = typeof PackRecord.Type

/** A file below the shards' folder and the number of records in it. */
export const Shard = Schema.Struct({ file: Schema.NonEmptyString, records: Count })
export type Shard = typeof Shard.Type

export const PackSplit = Schema.Struct({ shards: Schema.Array(Shard), records: Schema.Array(PackRecord) })
export type PackSplit = typeof PackSplit.Type

export const PackIndex = Schema.Struct({
  size: AtLeastOne,
  channels: Schema.Literal(3),
  preparation: Preparation,
  classes: Schema.Array(Schema.NonEmptyString),
  splits: Schema.Struct({ train: PackSplit, validation: PackSplit, test: PackSplit })
}).annotate({ identifier: "PackIndex", description: "What lies where in the packed images" })
export type PackIndex = typeof PackIndex.Type

export const IndexArtifact = Artifact.json({ tag: "PackIndex/v1", path: "index.json", schema: PackIndex })
export const Shards = Artifact.folder({ tag: "Shards/v1", path: "shards", materialize: false })

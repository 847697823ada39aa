/**
 * What `augment` takes and gives: its parameters, and the index of the packed pictures.
 *
 * A record is `size * size * channels` bytes, uint8, row by row, channels last (NHWC), RGB. The records of a split lie
 * one after the other over its shards in the order of the index. The train split holds every original first, then the
 * copies; validation and test hold originals only.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact } from "../core/index.ts"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Fraction = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
const Positive = Schema.Finite.check(Schema.isGreaterThan(0))

/** Lower and upper end of a range to draw from. */
const Range = <S extends Schema.Schema<number> & { readonly Type: number }>(end: S) =>
  Schema.Tuple([end, end]).check(
    Schema.makeFilter(([low, high]: readonly [number, number]) => low <= high || "expected the lower end first")
  )

const CropScale = Schema.Finite.check(Schema.isBetween({ minimum: 0.01, maximum: 1 }))

/** How a copy differs from its original. A transform whose probability or range is 0 is off. */
export const Transforms = Schema.Struct({
  /** Probability of a horizontal flip. */
  flip: Fraction.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.5))),
  /** Largest rotation to either side, in degrees. */
  rotation: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 180 })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(25))
  ),
  /** Share of the picture's area that a random resized crop keeps; [1, 1] with ratio [1, 1] is off. */
  cropScale: Range(CropScale).pipe(Schema.withDecodingDefaultKey(Effect.succeed([0.55, 1] as const))),
  /** Aspect ratio (width : height) of the crop, relative to the picture's own. */
  cropRatio: Range(Positive).pipe(Schema.withDecodingDefaultKey(Effect.succeed([3 / 4, 4 / 3] as const))),
  /** Brightness is multiplied by a factor from [1 - b, 1 + b]. */
  brightness: Fraction.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
  /** Saturation is multiplied by a factor from [1 - s, 1 + s]. */
  saturation: Fraction.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
  /** What a rotation uncovers: the mean colour of the picture's border, or black as torchvision does. */
  fill: Schema.Literals(["border", "black"]).pipe(Schema.withDecodingDefaultKey(Effect.succeed("border" as const)))
})
export type Transforms = typeof Transforms.Type

export const AugmentParams = Schema.Struct({
  /** Width and height of a packed picture, pixels. */
  size: Schema.Int.check(Schema.isBetween({ minimum: 8, maximum: 1024 })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(224))
  ),
  /** How a picture that is not square becomes so: squashed, cut at the centre, or padded. */
  fit: Schema.Literals(["fill", "cover", "contain"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("fill" as const))
  ),
  /** Train pictures after augmentation, originals and copies; 0: as `copies` says. Never fewer than the originals. */
  trainSize: Count.pipe(Schema.withDecodingDefaultKey(Effect.succeed(6298))),
  /** Copies of each train picture; looked at only when `trainSize` is 0. */
  copies: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(0))
  ),
  transforms: Transforms.pipe(Schema.withDecodingDefaultKey(Effect.succeed({}))),
  seed: Count.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  /** Largest size of one shard, bytes (a shard holds at least one record). */
  shardBytes: Schema.Int.check(Schema.isGreaterThan(0)).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(64 * 1024 * 1024))
  )
}).annotate({ identifier: "AugmentParams" })
export type AugmentParams = typeof AugmentParams.Type

/** One packed picture. `copy` 0 is the original. */
export const PackRecord = Schema.Struct({ path: Schema.NonEmptyString, copy: Count, label: Count })
export type PackRecord = typeof PackRecord.Type

/** A file below the shards' folder and the number of records in it. */
export const Shard = Schema.Struct({ file: Schema.NonEmptyString, records: Count })
export type Shard = typeof Shard.Type

export const PackSplit = Schema.Struct({ shards: Schema.Array(Shard), records: Schema.Array(PackRecord) })
export type PackSplit = typeof PackSplit.Type

export const PackIndex = Schema.Struct({
  size: Schema.Int.check(Schema.isGreaterThan(0)),
  channels: Schema.Literal(3),
  classes: Schema.Array(Schema.NonEmptyString),
  splits: Schema.Struct({ train: PackSplit, validation: PackSplit, test: PackSplit })
}).annotate({ identifier: "PackIndex", description: "What lies where in the packed pictures" })
export type PackIndex = typeof PackIndex.Type

export const IndexArtifact = Artifact.json({ tag: "PackIndex/v1", path: "index.json", schema: PackIndex })
export const Shards = Artifact.folder({ tag: "Shards/v1", path: "shards", layOut: false })
export const ContactSheet = Artifact.file({ tag: "ContactSheet/v1", path: "contact-sheet.png" })

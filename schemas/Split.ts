/**
 * Parameters and outputs of `split`: the manifest, which says where each image belongs and why.
 *
 * Gotchas:
 * - Paths are relative to the data root, with forward slashes, in Unicode as the file system gave them.
 * - An image's `group` is the unit that the split keeps whole: no group is in two splits. An unrelated image is a group
 *   of its own, named by its path.
 */
import * as Schema from "effect/Schema"
import { Artifact } from "../core/index.ts"
import { SplitName } from "./Names.ts"
import { AtLeastOne, Count, Fraction, numberBetween, withDefault } from "./Numbers.ts"

const Weight = numberBetween(0.001, 1000)

/** What each split gets, in proportion to the sum of the three: 70, 15, 15 and 0.7, 0.15, 0.15 are the same. */
export const Fractions = Schema.Struct({ train: Weight, validation: Weight, test: Weight })
export type Fractions = typeof Fractions.Type

/** `drop`: the best image of a group of near-duplicates stays. `group`: all stay, in one split. `keep`: all stay, anywhere. */
export const DuplicatePolicy = Schema.Literals(["drop", "group", "keep"])
export type DuplicatePolicy = typeof DuplicatePolicy.Type

const hasCapture = (pattern: string): true | string => {
  if (pattern === "") return true
  try {
    // an alternative that matches the empty string gives the number of captures
    const found = new RegExp(`${pattern}|`, "u").exec("")
    return (found?.length ?? 0) > 1 || "expected a regular expression with a capture, such as ([0-9a-f-]+)-[^/]*$"
  } catch (cause) {
    return `expected a regular expression, but ${String(cause)}`
  }
}

/** What is drawn for a split: whole groups, or each image by itself, as if none were related: to measure what leakage is worth. */
export const Assignment = Schema.Literals(["groups", "images"])
export type Assignment = typeof Assignment.Type

export const SplitParams = Schema.Struct({
  fractions: withDefault(Fractions, { train: 0.7, validation: 0.15, test: 0.15 }),
  seed: withDefault(Count, 1),
  /** `groups` keeps what is related in one split. `images` draws at random; which groups there are is told all the same. */
  assign: withDefault(Assignment, "groups"),
  duplicates: withDefault(DuplicatePolicy, "drop"),
  /** The share of images that `drop` may leave out, exact copies aside; if it would leave out more, the stage fails. */
  dropAtMost: withDefault(Fraction, 0.25),
  /** A regular expression on the relative path; its first capture names a group. Empty: no such groups. */
  groupBy: withDefault(
    Schema.String.check(
      Schema.makeFilter(hasCapture, {
        arbitraryConstraint: { patterns: [{ source: "^(\\([a-z0-9]+\\)/)?$", flags: "u" }] }
      })
    ),
    ""
  ),
  /** At most so many images of each class, chosen by the seed; 0 takes all. */
  perClass: withDefault(Count, 0),
  /** Only the first so many classes by name; 0 takes all. */
  classes: withDefault(Count, 0),
  /** An image with more pixels than this is set aside instead of decoded. */
  pixelLimit: withDefault(AtLeastOne, 100_000_000)
}).annotate({ identifier: "SplitParams" })
export type SplitParams = typeof SplitParams.Type

export const Image = Schema.Struct({
  path: Schema.NonEmptyString,
  class: Schema.NonEmptyString,
  split: SplitName,
  group: Schema.NonEmptyString,
  /** Pixels, as the image is shown (EXIF orientation applied). */
  width: AtLeastOne,
  height: AtLeastOne
})
export type Image = typeof Image.Type

/** A file that is not used, and why. `class` is empty for a file outside any class folder. */
export const SetAside = Schema.Struct({
  path: Schema.NonEmptyString,
  class: Schema.String,
  reason: Schema.NonEmptyString
})
export type SetAside = typeof SetAside.Type

/** Near-duplicates within one class. `kept` are those that the policy keeps. */
export const DuplicateGroup = Schema.Struct({
  class: Schema.NonEmptyString,
  paths: Schema.Array(Schema.NonEmptyString),
  kept: Schema.Array(Schema.NonEmptyString)
})
export type DuplicateGroup = typeof DuplicateGroup.Type

/** Near-duplicates with different labels. They stay, in one split (unless the policy is `keep`). */
export const LabelConflict = Schema.Struct({
  classes: Schema.Array(Schema.NonEmptyString),
  paths: Schema.Array(Schema.NonEmptyString)
})
export type LabelConflict = typeof LabelConflict.Type

/** Found = setAside + beyondLimit + dropped + train + validation + test. */
export const ClassCounts = Schema.Struct({
  class: Schema.NonEmptyString,
  found: Count,
  setAside: Count,
  /** Left out by `perClass`. */
  beyondLimit: Count,
  /** Near-duplicates that the policy `drop` leaves out. */
  dropped: Count,
  train: Count,
  validation: Count,
  test: Count
})
export type ClassCounts = typeof ClassCounts.Type

/** Sequences (frames of a video, slices of a scan) as file names tell them, and how many of them are in more than one split. */
export const Sequences = Schema.Struct({ count: AtLeastOne, apart: AtLeastOne, example: Schema.NonEmptyString })
export type Sequences = typeof Sequences.Type

export const Manifest = Schema.Struct({
  /** Sorted by UTF-16 code units; a label is an index into it. */
  classes: Schema.Array(Schema.NonEmptyString),
  seed: Count,
  fractions: Fractions,
  duplicatePolicy: DuplicatePolicy,
  groupBy: Schema.String,
  counts: Schema.Array(ClassCounts),
  /** Groups that hold more than one image, of any origin. */
  groupsOfMany: Count,
  /** Splits that folders of the data give; those that are not here were drawn from train. */
  given: Schema.optionalKey(Schema.Array(SplitName)),
  /** Whether images were drawn by themselves; absent where whole groups were. */
  assign: Schema.optionalKey(Schema.Literal("images")),
  /**
   * Groups of near-duplicates in more than one split; above 0 only under the policy `keep`, or where the split is given.
   * Where images were drawn by themselves, groups of any origin.
   */
  leaks: Count,
  /**
   * Pairs of images that look alike and may be copies, but differ too much to be called so and are not linked by other
   * copies; and the number of them in two splits. They stay together as long as their groups stay small.
   */
  lookAlikes: Schema.Struct({ pairs: Count, apart: Count }),
  /** Absent where names look like no sequences, or each is in one split, or the split is given. */
  sequences: Schema.optionalKey(Sequences),
  /** White of the images of more than eight bits a level, if there are any. */
  white: Schema.optionalKey(AtLeastOne),
  /** Files that hold several images (stacks, animations), of which the first alone is used; absent without any. */
  firstOfSeveral: Schema.optionalKey(AtLeastOne),
  setAside: Schema.Array(SetAside),
  duplicates: Schema.Array(DuplicateGroup),
  conflicts: Schema.Array(LabelConflict),
  /** Sorted by path. */
  images: Schema.Array(Image)
})
  .pipe(Schema.encodeKeys({ images: "pictures" }))
  .annotate({ identifier: "Manifest", description: "Which image is in which split, and what was left out and why" })
export type Manifest = typeof Manifest.Type

export const ManifestArtifact = Artifact.json({ tag: "Manifest/v1", path: "manifest.json", schema: Manifest })

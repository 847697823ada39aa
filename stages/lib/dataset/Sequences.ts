/**
 * Images that seem to be of one sequence by their names: frames of a video, slices of a scan, shots of a subject. Frames
 * that differ too much to be near-duplicates are related all the same, and only names tell.
 *
 * A sequence's files have the same path but for the last number, with another number before that one:
 * `walk/video3_frame017.jpg`, `ill/patient12/4.png`. So `cat.12.jpg` and `n02085620_7.jpg`, one series a class, are none.
 * Nor is `1f426.png`: letters up to F alone between two numbers make one number of them, in hexadecimal.
 */
import type { Image, Sequences } from "../../../schemas/Split.ts"

/** What `split.groupBy` keeps sequences together by. */
export const sequencePattern = "^([^/]+/.*\\d[a-fA-F]*[^\\da-fA-F]\\D*)\\d+\\D*$"

/** Fewer images are no sequence. */
const leastImages = 3
/** Of the images, the share that must be in sequences. */
const leastShare = 0.5

/** Undefined where names look like no sequences, or each of these is in one split. */
export const sequencesOf = (images: ReadonlyArray<Image>): Sequences | undefined => {
  const pattern = new RegExp(sequencePattern, "u")
  const byStem = Map.groupBy(images, ({ path }) => pattern.exec(path)?.[1] ?? "")
  byStem.delete("")
  const sequences = [...byStem].filter(([, members]) => members.length >= leastImages)
  const classes = new Set(images.map((image) => image.class)).size
  const within = sequences.reduce((sum, [, members]) => sum + members.length, 0)
  const apart = sequences.filter(([, members]) => new Set(members.map(({ split }) => split)).size > 1)
  // one for each class is a name for the class
  if (apart.length === 0 || sequences.length <= classes || within < leastShare * images.length) return undefined
  return { count: sequences.length, apart: apart.length, example: apart[0]![0] }
}

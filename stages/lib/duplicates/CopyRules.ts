/**
 * The rules that decide by the agreement of two aligned images: whether one is a copy of the other, or looks so much alike
 * that it may be.
 */
import type { Agreement } from "./Alignment.ts"

/** A worst block below this is allowed anywhere: resizing and recompression cause it. */
const slight = 0.045

/**
 * The worst block divided by the mean of all. The residual of a copy is spread over its edges; that of another drawing
 * is in one place, such as the hand of a clock or a moustache.
 */
const concentration = ({ correlation, worstBlock }: Agreement): number =>
  worstBlock / Math.sqrt(Math.max(1e-9, 1 - correlation ** 2))

/** Share of the second image that the first must cover. */
const leastOverlap = 0.65

/**
 * Whether the first image covers enough of the second. A part laid over the whole may fail where the whole over the
 * part does not.
 */
export const covers = ({ overlap }: Agreement): boolean => overlap > leastOverlap

/** Least correlation of colours of a look-alike. */
const lookAlikeCorrelation = 0.95

/**
 * Whether a pair agrees as may be copies do, with looser thresholds than `agreesAsCopy`: a stronger crop or change of
 * brightness, or another drawing of the same thing.
 */
export const agreesAsLookAlike = (found: Agreement): boolean =>
  found.correlation > lookAlikeCorrelation && covers(found)

/** Thresholds of copies, chosen on 3,730 drawings with 1,000 planted copies; see the tests for recall and false merges. */
const copyCorrelation = 0.98
const copyBlock = 0.175
const copyConcentration = 2.42

/** Whether a pair agrees as copies do among images that differ. */
export const agreesAsCopy = (found: Agreement): boolean =>
  found.correlation > copyCorrelation &&
  found.worstBlock < copyBlock &&
  (found.worstBlock < slight || concentration(found) < copyConcentration) &&
  covers(found)

/** The share of an image's deviation that alignment leaves: how far two aligned images are from being the same. */
export const residualOf = ({ correlation }: Agreement): number => Math.sqrt(Math.max(0, 1 - correlation ** 2))

/** The residual of what cannot be aligned. */
export const noAgreement = 1
/** A residual below this is that of a recompressed or resized copy, however much alike the images of a set are. */
export const surely = 0.03
/** The residual of a copy is below this share of what an ordinary neighbour of its image leaves. */
const copyShare = 0.4
/** The same for what may be a copy. */
const lookAlikeShare = 0.75

const standsOut = (found: Agreement, ordinary: number, share: number): boolean => {
  const residual = residualOf(found)
  return residual < surely || residual < share * ordinary
}

/**
 * Whether a pair is a copy. `ordinary` is the residual of an ordinary neighbour of the two: among images that are all
 * alike, such as garments or digits, another thing leaves as little as a copy does among drawings.
 */
export const isCopy = (found: Agreement, ordinary: number): boolean =>
  agreesAsCopy(found) && standsOut(found, ordinary, copyShare)

/** Whether a pair may be copies. */
export const isLookAlike = (found: Agreement, ordinary: number): boolean =>
  agreesAsLookAlike(found) && standsOut(found, ordinary, lookAlikeShare)

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
 * Whether a pair may be copies, with looser thresholds than `isCopy`: a stronger crop or change of brightness, or
 * another drawing of the same thing.
 */
export const isLookAlike = (found: Agreement): boolean => found.correlation > lookAlikeCorrelation && covers(found)

/** Thresholds of copies, chosen on 3,730 drawings with 1,000 planted copies; see the tests for recall and false merges. */
const copyCorrelation = 0.98
const copyBlock = 0.175
const copyConcentration = 2.42

export const isCopy = (found: Agreement): boolean =>
  found.correlation > copyCorrelation &&
  found.worstBlock < copyBlock &&
  (found.worstBlock < slight || concentration(found) < copyConcentration) &&
  covers(found)

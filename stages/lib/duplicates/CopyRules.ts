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

/**
 * Share of the second image that the first must cover. Without the border that is left out, an image covers 0.77 of
 * itself, and one of which 5 % are cut off on each side 0.62 of the whole.
 */
const leastOverlap = 0.58

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
/**
 * The same of images that are mostly ground, such as sprites, where little is left in all: what recompression leaves is in
 * the few blocks that are not ground.
 */
const littleLeft = 0.05
const sparseConcentration = 2.9

/** Grey levels by which what is not ground differs from it, and the share of an image that it is at most. */
const offGround = 4
const mostOffGround = 0.5

/** Whether an image is mostly ground, by its coarse thumbnail: one level, and about it, in half of the places. */
export const isSparse = (coarse: Uint8Array): boolean => {
  const counts = new Uint32Array(256)
  for (const level of coarse) counts[level]! += 1
  const ground = counts.indexOf(Math.max(...counts))
  return coarse.filter((level) => Math.abs(level - ground) > offGround).length < mostOffGround * coarse.length
}

/** The share of an image's deviation that alignment leaves: how far two aligned images are from being the same. */
export const residualOf = ({ correlation }: Agreement): number => Math.sqrt(Math.max(0, 1 - correlation ** 2))

const isSpread = (found: Agreement, sparse: boolean): boolean =>
  found.worstBlock < slight ||
  concentration(found) < (sparse && residualOf(found) < littleLeft ? sparseConcentration : copyConcentration)

/** Whether a pair agrees as copies do among images that differ. `sparse`: both are mostly ground. */
export const agreesAsCopy = (found: Agreement, sparse: boolean): boolean =>
  found.correlation > copyCorrelation && found.worstBlock < copyBlock && isSpread(found, sparse) && covers(found)

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
export const isCopy = (found: Agreement, ordinary: number, sparse: boolean): boolean =>
  agreesAsCopy(found, sparse) && standsOut(found, ordinary, copyShare)

/** Whether a pair may be copies. */
export const isLookAlike = (found: Agreement, ordinary: number): boolean =>
  agreesAsLookAlike(found) && standsOut(found, ordinary, lookAlikeShare)

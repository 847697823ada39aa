/** What both networks looked at in some of their mistakes, as one drawing: the image, and each network's evidence beside it. */
import { variantNames } from "../../../../charts/Theme.ts"
import { variants } from "../../../../schemas/Names.ts"
import { percent } from "../../Figures.ts"
import type { Answer, LookedAt } from "../Data.ts"
import { label, shortened, svg } from "./Svg.ts"

const side = 112
const gap = 10
const cardWidth = 3 * (side + gap) + 14
const cardHeight = side + 62

/** "dishes, 98 % ✓": what a network says of an image, with at most so many letters of the class. */
export const answerOf = (
  classes: ReadonlyArray<string>,
  { predicted, confidence, right }: Answer,
  most: number
): string =>
  `${predicted < 0 ? "overflow" : shortened(classes[predicted]!, most)}, ${percent(confidence, 0)}${right ? " ✓" : ""}`

const card = (classes: ReadonlyArray<string>, one: LookedAt, x: number, y: number): string => {
  const panels = variants.map((variant, k) => {
    const at = x + (k + 1) * (side + gap)
    const uri = one.evidence[variant]
    const image =
      uri === undefined ? "" : `<image href="${uri}" x="${at}" y="${y + 20}" width="${side}" height="${side}"/>`
    return `${label(at, y + 12, variantNames[variant], 'opacity=".8"')}${image}${label(at, y + side + 36, answerOf(classes, one[variant], 12))}`
  })
  return `${label(x, y + 12, shortened(classes[one.label]!, 15), 'font-weight="600"')}<image href="${one.uri}" x="${x}" y="${y + 20}" width="${side}" height="${side}"/>${panels.join("")}`
}

/** Two columns of images. */
export const drawLookedAt = (classes: ReadonlyArray<string>, all: ReadonlyArray<LookedAt>): string => {
  const columns = Math.min(2, all.length)
  const cards = all.map((one, i) =>
    card(classes, one, 10 + (i % columns) * cardWidth, 10 + Math.floor(i / columns) * cardHeight)
  )
  return svg(10 + columns * cardWidth, 10 + Math.ceil(all.length / columns) * cardHeight, cards.join(""))
}

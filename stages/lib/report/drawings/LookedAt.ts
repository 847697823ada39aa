/** What both networks looked at in some of their mistakes, as one drawing: the image, and each network's evidence beside it. */
import { variantNames } from "../../../../charts/Theme.ts"
import { variants } from "../../../../schemas/Names.ts"
import { percent } from "../../Figures.ts"
import type { Answer, LookedAt } from "../Data.ts"
import { label, type Shorten, svg } from "./Svg.ts"

const side = 112
const gap = 10
const cardWidth = 3 * (side + gap) + 14
const cardHeight = side + 70

/** The class that a network says of an image. */
export const classOf = (classes: ReadonlyArray<string>, { predicted }: Answer): string =>
  predicted < 0 ? "overflow" : classes[predicted]!

/** "98 % ✓": how sure it is. */
export const surenessOf = ({ confidence, right }: Answer): string => `${percent(confidence, 0)}${right ? " ✓" : ""}`

const card = (
  classes: ReadonlyArray<string>,
  one: LookedAt,
  [x, y]: readonly [number, number],
  shorten: Shorten
): string => {
  const panels = variants.map((variant, k) => {
    const at = x + (k + 1) * (side + gap)
    const uri = one.evidence[variant]
    const image =
      uri === undefined ? "" : `<image href="${uri}" x="${at}" y="${y + 20}" width="${side}" height="${side}"/>`
    return `${label(at, y + 12, variantNames[variant], 'opacity=".8"')}${image}${label(at, y + side + 36, shorten(classOf(classes, one[variant]), side))}${label(at, y + side + 52, surenessOf(one[variant]))}`
  })
  return `${label(x, y + 12, shorten(classes[one.label]!, side - 6), 'font-weight="600"')}<image href="${one.uri}" x="${x}" y="${y + 20}" width="${side}" height="${side}"/>${panels.join("")}`
}

/** Two columns of images. */
export const drawLookedAt = (
  classes: ReadonlyArray<string>,
  all: ReadonlyArray<LookedAt>,
  shorten: Shorten
): string => {
  const columns = Math.min(2, all.length)
  const cards = all.map((one, i) =>
    card(classes, one, [10 + (i % columns) * cardWidth, 10 + Math.floor(i / columns) * cardHeight], shorten)
  )
  return svg(10 + columns * cardWidth, 10 + Math.ceil(all.length / columns) * cardHeight, cards.join(""))
}

/**
 * Drawings that are not charts of Vega: the heat map of logits, the network as a row of boxes, the grid of predictions.
 */

import type { Example } from "../../../../schemas/Compare.ts"
import { type VariantName, variants } from "../../../../schemas/Names.ts"
import type { TrainedNetwork } from "../../../../schemas/Train.ts"
import { percent } from "../../Figures.ts"
import { loadSharp } from "../../images/Sharp.ts"
import { rowsOf } from "../../statistics/Comparison.ts"
import type { LogitsTable } from "../../tables/LogitsTable.ts"
import { mostNamed } from "./Confusion.ts"
import { isolated, label, type Shorten, svg } from "./Svg.ts"

/** Blue through white to red, for a value from -1 to 1. The ends are ColorBrewer's RdBu. */
const diverging = (value: number): readonly [number, number, number] => {
  const t = Math.max(-1, Math.min(1, value))
  const end = t < 0 ? [33, 102, 172] : [178, 24, 43]
  const s = Math.abs(t) ** 0.8
  return [0, 1, 2].map((k) => Math.round(247 + (end[k]! - 247) * s)) as unknown as readonly [number, number, number]
}

/** Columns are wide enough for their names, and together for a heat map; of many classes they have no names. */
const columnWidthOf = (classes: number): number =>
  classes > mostNamed ? 430 / classes : Math.max(18, Math.floor(260 / classes))
const imageHeight = 520
/** Room for names: beside the rows, and aslant below the columns. Some for wider fonts of browsers is left. */
const rowRoom = 120
const columnRoom = 105

/** The heat map: rows sorted by label, one pixel per row and class, then scaled. */
const logitPixels = async (logits: Float32Array, order: ReadonlyArray<number>, classes: number, limit: number) => {
  const pixels = new Uint8Array(order.length * classes * 3)
  for (const [y, row] of order.entries()) {
    for (let k = 0; k < classes; k++) {
      pixels.set(diverging(logits[row * classes + k]! / limit), (y * classes + k) * 3)
    }
  }
  const sharp = await loadSharp()
  const image = sharp(pixels, { raw: { width: classes, height: order.length, channels: 3 } })
  // rows are averaged when there are more of them than pixels, columns are repeated
  const kernel = order.length > imageHeight ? "linear" : "nearest"
  const tall = await image.resize(classes, imageHeight, { fit: "fill", kernel }).raw().toBuffer()
  const png = await sharp(tall, { raw: { width: classes, height: imageHeight, channels: 3 } })
    .resize(Math.round(classes * columnWidthOf(classes)), imageHeight, { fit: "fill", kernel: "nearest" })
    .png({ compressionLevel: 9, palette: true, colours: 128 })
    .toBuffer()
  return `data:image/png;base64,${png.toString("base64")}`
}

/** The 99th percentile of the absolute values: one scale for both networks, without the few largest. */
const scaleOf = (values: ReadonlyArray<Float32Array>): number => {
  const all = values.flatMap((part) => Array.from(part, Math.abs)).sort((a, b) => a - b)
  return Math.max(1e-6, all[Math.floor(all.length * 0.99)] ?? 1)
}

const legend = (x: number, y: number, limit: number): string => {
  const steps = Array.from({ length: 41 }, (_, i) => {
    const [r, g, b] = diverging(i / 20 - 1)
    return `<rect x="${x + i * 4}" y="${y}" width="4.5" height="10" fill="rgb(${r},${g},${b})"/>`
  })
  const round = limit.toPrecision(2)
  return `${steps.join("")}${label(x, y + 24, `≤ −${round}`)}${label(x + 82, y + 24, "0", 'text-anchor="middle"')}${label(x + 164, y + 24, `≥ ${round}`, 'text-anchor="end"')}${label(x + 176, y + 9, "logit")}`
}

/** Logits of the test images under both networks: images by row, classes by column. */
export const drawLogits = async (
  table: LogitsTable,
  names: Readonly<Record<VariantName, string>>,
  shorten: Shorten
): Promise<string> => {
  const classes = table.classes.length
  const named = classes <= mostNamed
  // train images would show what a network has learned by heart
  const rows = table.splits.flatMap((split, row) => (split === "test" ? [row] : []))
  const order = rows.sort((a, b) => table.labels[a]! - table.labels[b]! || a - b)
  const limit = scaleOf(variants.map((variant) => rowsOf(table, "test").logits[variant]))
  const columnWidth = columnWidthOf(classes)
  const panel = classes * columnWidth
  const left = 150
  const top = 34
  const between = 28
  const starts = table.classes.map((_, k) => order.filter((row) => table.labels[row]! < k).length)
  const y = (row: number): number => top + (row / Math.max(1, order.length)) * imageHeight
  const lines = (named ? table.classes : []).map((name, k) => {
    const end = starts[k + 1] ?? order.length
    const middle = (y(starts[k]!) + y(end)) / 2
    return `${label(left - 8, middle + 4, shorten(name, rowRoom), 'text-anchor="end"')}<line x1="${left - 4}" x2="${left}" y1="${y(starts[k]!)}" y2="${y(starts[k]!)}" stroke="currentColor" opacity=".5"/>`
  })
  const panels = await Promise.all(
    variants.map(async (variant, i) => {
      const x = left + i * (panel + between)
      const uri = await logitPixels(table[variant], order, classes, limit)
      const columns = (named ? table.classes : []).map((name, k) => {
        const at = x + (k + 0.5) * columnWidth
        return label(
          at,
          top + imageHeight + 12,
          shorten(name, columnRoom),
          `text-anchor="end" transform="rotate(-60 ${at} ${top + imageHeight + 12})"`
        )
      })
      return `<image href="${uri}" x="${x}" y="${top}" width="${panel}" height="${imageHeight}" preserveAspectRatio="none"/>${label(x, top - 12, names[variant], 'font-weight="600"')}${columns.join("")}`
    })
  )
  const width = left + 2 * panel + between + 10
  const height = top + imageHeight + 150
  return svg(width, height, `${lines.join("")}${panels.join("")}${legend(left, height - 30, limit)}`)
}

interface Box {
  readonly name: string
  readonly shape: ReadonlyArray<number>
}

/** Height and width of a box by the logarithm of its image's size and number of channels. */
const boxSize = ([channels = 1, height = 1]: ReadonlyArray<number>) => ({
  height: height > 1 ? 26 + 15 * Math.log2(height) : 26 + 9 * Math.log2(Math.max(2, channels)),
  width: height > 1 ? 10 + 5 * Math.log2(Math.max(2, channels)) : 16
})

/** The layers that change the shape, from left to right; ReLU, normalization and dropout are left out. */
export const drawNetwork = (network: TrainedNetwork): string => {
  const boxes: Array<Box> = [{ name: "image", shape: [3, network.size, network.size] }]
  for (const { layer, outputShape } of network.table) {
    if (/^(conv|maxpool|linear|dense)/iu.test(layer))
      boxes.push({ name: layer.replace(/-\d+$/u, ""), shape: outputShape })
  }
  const step = 84
  const middle = 120
  const drawn = boxes.map((box, i) => {
    const { width, height } = boxSize(box.shape)
    const x = 46 + i * step
    const fill =
      i === 0 ? "#8a94a0" : /^conv/iu.test(box.name) ? "#2f6fde" : /^max/iu.test(box.name) ? "#9fc0f5" : "#2a9d6f"
    const shape = box.shape.length > 1 ? `${box.shape[1]}×${box.shape[2]}×${box.shape[0]}` : String(box.shape[0])
    const arrow =
      i === 0
        ? ""
        : `<path d="M${x - step + 30} ${middle} H${x - width / 2 - 6}" stroke="currentColor" opacity=".4" fill="none"/>`
    return `${arrow}<rect x="${x - width / 2}" y="${middle - height / 2}" width="${width}" height="${height}" rx="3" fill="${fill}"/>${label(x, 232, box.name, 'text-anchor="middle"')}${label(x, 247, shape, 'text-anchor="middle" opacity=".7"')}`
  })
  return svg(46 + boxes.length * step, 256, drawn.join(""))
}

const cardWidth = 340
/** For a class and its probability. */
const answerRoom = cardWidth - 124 - 20
const cardHeight = 176

const drawnBars = (
  [x, y]: readonly [number, number],
  title: string,
  { top, right }: { readonly top: Example["softmax"]; readonly right: string },
  shorten: Shorten
): string =>
  `${label(x, y, title, 'opacity=".7"')}${top
    .map((one, i) => {
      const at = y + 8 + i * 17
      const colour = one.class === right ? "#1a7f45" : "#2f6fde"
      return `<rect x="${x}" y="${at}" width="${Math.max(1, 150 * one.probability)}" height="14" rx="2" fill="${colour}" opacity=".3"/>${label(x + 4, at + 11, `${isolated(shorten(one.class, answerRoom - 50))} ${percent(one.probability)}`)}`
    })
    .join("")}`

/** The grid of predictions as one image: three columns of test images with their label and top three. */
export const drawPredictions = (
  examples: ReadonlyArray<Example>,
  uris: ReadonlyArray<string>,
  shorten: Shorten
): string => {
  const columns = Math.min(3, Math.max(1, examples.length))
  const cards = examples.map((example, i) => {
    const x = (i % columns) * cardWidth + 10
    const y = Math.floor(i / columns) * cardHeight + 10
    const bars = (at: number, title: string, top: Example["softmax"]): string =>
      drawnBars([x + 124, y + at], title, { top, right: example.label }, shorten)
    return `${label(x, y + 12, shorten(example.label, cardWidth - 40), 'font-weight="600"')}<image href="${uris[i]}" x="${x}" y="${y + 20}" width="112" height="112"/>${bars(30, "softmax", example.softmax)}${bars(104, "sparsemax", example.sparsemax)}`
  })
  const width = columns * cardWidth + 10
  const height = Math.ceil(examples.length / columns) * cardHeight + 10
  return svg(width, height, cards.join(""))
}

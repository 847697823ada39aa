/**
 * Confusion matrices: true class by row, predicted class by column, as deep a blue as the share of the row.
 *
 * Up to sixty classes have cells with numbers, which the page's script makes a filter of the mistakes (`data-cell`). More are
 * one small picture without names: nobody reads a million cells, and the most confused pairs are listed beside it.
 */

import { variantNames } from "../../../../charts/Theme.ts"
import { escapeXml } from "../../../../charts/Xml.ts"
import type { ConfusionCell } from "../../../../schemas/Compare.ts"
import { type VariantName, variants } from "../../../../schemas/Names.ts"
import { loadSharp } from "../../images/Sharp.ts"
import { isolated, label, type Shorten, svg } from "./Svg.ts"

type Matrix = ReadonlyArray<ReadonlyArray<number>>
type Cells = Readonly<Record<VariantName, ReadonlyArray<ConfusionCell>>>

/** More classes than these have no names in drawings. */
export const mostNamed = 60

interface Drawn {
  readonly width: number
  readonly height: number
  readonly content: string
}

const top = 26
const left = 138
const bottom = 130
/** Room for names: beside the rows, and aslant below the columns. Some for wider fonts of browsers is left. */
const rowRoom = 112
const columnRoom = 118

const shares = (row: ReadonlyArray<number>): ReadonlyArray<number> => {
  const total = row.reduce((sum, images) => sum + images, 0)
  return row.map((images) => (total === 0 ? 0 : images / total))
}

/** As large as fits, but legible. */
const cellSizeOf = (classes: number): number => Math.max(14, Math.min(24, Math.floor(432 / classes)))

const drawCells = (matrix: Matrix, names: ReadonlyArray<string>, shorten: Shorten): Drawn => {
  const cell = cellSizeOf(names.length)
  const side = cell * names.length
  const x = (k: number): number => left + k * cell
  const cells = matrix.flatMap((row, label) =>
    shares(row).flatMap((share, predicted) => {
      const images = row[predicted]!
      if (images === 0) return []
      const [cx, cy] = [x(predicted), top + label * cell]
      const title = `${isolated(names[label]!)} → ${isolated(names[predicted]!)}: ${images} ${images === 1 ? "image" : "images"}`
      const ink = share > 0.5 ? "#ffffff" : "currentColor"
      return [
        `<g${label === predicted ? "" : ` data-cell="${label} ${predicted}"`}><title>${escapeXml(title)}</title><rect x="${cx}" y="${cy}" width="${cell}" height="${cell}" fill="#2158b5" fill-opacity="${(0.1 + 0.9 * share).toFixed(2)}"/><text x="${cx + cell / 2}" y="${cy + cell * 0.68}" font-size="${Math.min(12, Math.round(cell * 0.55))}" text-anchor="middle" fill="${ink}">${images}</text></g>`
      ]
    })
  )
  const rows = names.map((name, k) =>
    label(left - 6, top + (k + 0.7) * cell, shorten(name, rowRoom), 'text-anchor="end"')
  )
  const columns = names.map((name, k) => {
    const [cx, cy] = [x(k + 0.7), top + side + 12]
    return label(cx, cy, shorten(name, columnRoom), `text-anchor="end" transform="rotate(-60 ${cx} ${cy})"`)
  })
  const ground = `<rect x="${left}" y="${top}" width="${side}" height="${side}" fill="currentColor" opacity=".05"/>`
  return {
    width: left + side + 10,
    height: top + side + bottom,
    content: [ground, ...cells, ...rows, ...columns].join("")
  }
}

const pictureSide = 400

/** Each pixel is the greatest share of the cells that fall on it. */
const drawPicture = async (matrix: Matrix): Promise<Drawn> => {
  const classes = matrix.length
  const side = Math.min(classes, pictureSide)
  const at = (k: number): number => Math.floor((k * side) / classes)
  const deepest = new Float32Array(side * side)
  for (const [label, row] of matrix.entries()) {
    for (const [predicted, share] of shares(row).entries()) {
      const pixel = at(label) * side + at(predicted)
      deepest[pixel] = Math.max(deepest[pixel]!, share)
    }
  }
  // white to the blue of the cells
  const pixels = Uint8Array.from({ length: side * side * 3 }, (_, i) => {
    const end = [33, 88, 181][i % 3]!
    return Math.round(238 + (end - 238) * Math.sqrt(deepest[Math.floor(i / 3)]!))
  })
  const sharp = await loadSharp()
  const png = await sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
    .resize(pictureSide, pictureSide, { kernel: "nearest" })
    .png({ compressionLevel: 9, palette: true, colours: 64 })
    .toBuffer()
  const uri = `data:image/png;base64,${png.toString("base64")}`
  const content = `<image href="${uri}" x="0" y="${top}" width="${pictureSide}" height="${pictureSide}"/>${label(0, top + pictureSide + 18, `${classes.toLocaleString("en-US")} classes: true ones down, predicted ones across`)}`
  return { width: pictureSide + 4, height: top + pictureSide + 28, content }
}

/** `[true class][predicted class]`. */
const matrixOf = (cells: ReadonlyArray<ConfusionCell>, classes: number): Matrix => {
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0))
  for (const { label, predicted, images } of cells) matrix[label]![predicted] = images
  return matrix
}

const drawMatrix = async (
  cells: ReadonlyArray<ConfusionCell>,
  names: ReadonlyArray<string>,
  variant: VariantName,
  shorten: Shorten
): Promise<Drawn> => {
  const matrix = matrixOf(cells, names.length)
  const drawn = names.length <= mostNamed ? drawCells(matrix, names, shorten) : await drawPicture(matrix)
  const title = label(names.length <= mostNamed ? left : 0, 14, variantNames[variant], 'font-weight="600"')
  return { ...drawn, content: title + drawn.content }
}

/** Each matrix for the page, and both side by side for a file. */
export const drawConfusion = async (cells: Cells, names: ReadonlyArray<string>, shorten: Shorten) => {
  const [bn, nobn] = await Promise.all(variants.map((variant) => drawMatrix(cells[variant], names, variant, shorten)))
  const of = ({ width, height, content }: Drawn): string => svg(width, height, content)
  const both = svg(
    bn!.width + nobn!.width + 20,
    bn!.height,
    `${bn!.content}<g transform="translate(${bn!.width + 20} 0)">${nobn!.content}</g>`
  )
  return { bn: of(bn!), nobn: of(nobn!), both }
}

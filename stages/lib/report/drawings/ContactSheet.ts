/**
 * A contact sheet: originals beside their augmented copies, in rows that begin with a name.
 *
 * Names are in the charts' font; libvips pastes the images. It is drawn from the packed images for the report, not by the
 * step that packs them: another font would pack them again.
 */
import * as Effect from "effect/Effect"
import { type Fonts, family, fontsFor, resvgFont, shortened } from "../../../../charts/Fonts.ts"
import { escapeXml } from "../../../../charts/Xml.ts"
import type { PackIndex } from "../../../../schemas/Augment.ts"
import type * as Pack from "../../images/Pack.ts"
import { loadSharp } from "../../images/Sharp.ts"

/** One tile: an RGB image of `size * size` pixels. A mark in the corner sets originals apart. */
export interface Tile {
  readonly rgb: Uint8Array
  readonly marked: boolean
}

export interface Row {
  readonly name: string
  readonly tiles: ReadonlyArray<Tile>
}

const tile = 72
const gap = 6
const nameWidth = 150
const ground = "#f4f4f2"

const layOut = (rows: ReadonlyArray<Row>) => {
  const columns = Math.max(1, ...rows.map((row) => row.tiles.length))
  const width = nameWidth + columns * (tile + gap) + gap
  const height = rows.length * (tile + gap) + gap
  return {
    width,
    height,
    x: (column: number) => nameWidth + column * (tile + gap),
    y: (row: number) => gap + row * (tile + gap)
  }
}

const fontSize = 13

/** Ground, names and frames of the originals. */
const underlay = (rows: ReadonlyArray<Row>, fonts: Fonts): string => {
  const { width, height, x, y } = layOut(rows)
  const names = rows.map(
    (row, i) =>
      `<text x="${nameWidth - 12}" y="${y(i) + tile / 2 + 5}" text-anchor="end" font-size="${fontSize}" fill="#222">${escapeXml(shortened(fonts, row.name, nameWidth - 20, fontSize))}</text>`
  )
  const frames = rows.flatMap((row, i) =>
    row.tiles.flatMap((one, column) =>
      one.marked
        ? [
            `<rect x="${x(column) - 2}" y="${y(i) - 2}" width="${tile + 4}" height="${tile + 4}" rx="3" fill="#1f6feb"/>`
          ]
        : []
    )
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="${family}"><rect width="${width}" height="${height}" fill="${ground}"/>${names.join("")}${frames.join("")}</svg>`
}

/** The sheet as PNG. `size` is that of the tiles' images. Fails with a reason in words. */
export const render = Effect.fnUntraced(function* (rows: ReadonlyArray<Row>, size: number) {
  const fonts = yield* fontsFor(rows.map((row) => row.name))
  const { x, y } = layOut(rows)
  return yield* Effect.tryPromise({
    try: async () => {
      const [sharp, { Resvg }] = await Promise.all([loadSharp(), import("@resvg/resvg-js")])
      const svg = underlay(rows, fonts)
      const under = new Resvg(svg, { font: resvgFont(fonts) }).render().asPng()
      const tiles = await Promise.all(
        rows.flatMap((row, i) =>
          row.tiles.map(async (one, column) => ({
            input: await sharp(one.rgb, { raw: { width: size, height: size, channels: 3 } })
              .resize(tile, tile)
              .png()
              .toBuffer(),
            left: x(column),
            top: y(i)
          }))
        )
      )
      return await sharp(under).composite(tiles).flatten({ background: ground }).png({ compressionLevel: 9 }).toBuffer()
    },
    catch: (cause) => String(cause)
  })
})

const mostRows = 18
const groupsInRow = 3
const copiesInGroup = 2

/** Positions of train records: for some classes, the originals with the most copies and those copies. */
const choose = ({ classes, splits }: PackIndex) => {
  const byPath = new Map<string, Array<number>>()
  for (const [at, { path }] of splits.train.records.entries()) {
    const places = byPath.get(path)
    if (places === undefined) byPath.set(path, [at])
    else places.push(at)
  }
  const every = Math.max(1, Math.ceil(classes.length / mostRows))
  return classes.flatMap((name, label) => {
    if (label % every !== 0) return []
    const groups = [...byPath.values()]
      .filter((places) => splits.train.records[places[0]!]!.label === label)
      .sort((a, b) => b.length - a.length)
      .slice(0, groupsInRow)
    return [{ name, places: groups.flatMap((places) => places.slice(0, 1 + copiesInGroup)) }]
  })
}

/** The contact sheet of packed images as PNG. Fails with a reason in words. */
export const sheetOf = Effect.fnUntraced(function* (pack: Pack.Pack, index: PackIndex) {
  const rows = yield* Effect.forEach(
    choose(index),
    Effect.fnUntraced(function* ({ name, places }) {
      const pixels = new Uint8Array(places.length * pack.recordBytes)
      yield* pack.read("train", places, pixels)
      const tiles = places.map((at, i) => ({
        rgb: pixels.subarray(i * pack.recordBytes, (i + 1) * pack.recordBytes),
        marked: index.splits.train.records[at]!.copy === 0
      }))
      return { name, tiles } satisfies Row
    })
  )
  return yield* render(rows, index.size)
})

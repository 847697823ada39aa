/** Pieces of SVG that the drawings share. */
import { escapeXml } from "../../../../charts/Xml.ts"

/** 12 pixels, which a phone's reader can read. */
export const labelSize = 12

/** Text in the page's colour. */
export const label = (x: number, y: number, content: string, more = ""): string =>
  `<text x="${x}" y="${y}" font-size="${labelSize}" fill="currentColor" ${more}>${escapeXml(content)}</text>`

export const svg = (width: number, height: number, content: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="Inter, system-ui, sans-serif">${content}</svg>`

/** As much of a name as there is room for, in units. */
export type Shorten = (name: string, room: number) => string

const rightToLeft = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u

/**
 * A name for a text that goes on: of letters from right to left it would take along what follows, and two of them with an
 * arrow between would change places.
 */
export const isolated = (name: string): string => (rightToLeft.test(name) ? `\u2068${name}\u2069` : name)

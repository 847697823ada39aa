/** Pieces of SVG that the drawings share. */
import { escapeXml } from "../../../../charts/Xml.ts"

/** Text in the page's colour; 12 pixels, which a phone's reader can read. */
export const label = (x: number, y: number, content: string, more = ""): string =>
  `<text x="${x}" y="${y}" font-size="12" fill="currentColor" ${more}>${escapeXml(content)}</text>`

export const svg = (width: number, height: number, content: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="Inter, system-ui, sans-serif">${content}</svg>`

/** A name that fits beside a drawing. */
export const shortened = (name: string, most = 20): string => {
  const letters = [...name]
  return letters.length <= most ? name : `${letters.slice(0, most - 1).join("")}…`
}

/** Text in SVG and HTML. */

/** Text as markup. */
export const escapeXml = (text: string): string =>
  text.replace(noCharacter, "\ufffd").replace(/[&<>"']/gu, (c) => `&#${c.charCodeAt(0)};`)

/** What XML has no way to write, not even escaped: control characters and halves of pairs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what goes
const noCharacter = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Cs}/gu

const named: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" }

/** The text that an escaped one stands for. */
export const plainXml = (escaped: string): string =>
  escaped.replace(/&(?:#(\d+)|(\w+));/gu, (whole, code: string | undefined, name: string) =>
    code === undefined ? (named[name] ?? whole) : String.fromCodePoint(Number(code))
  )

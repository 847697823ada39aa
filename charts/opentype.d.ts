/** The part of opentype.js that is used here; the package has no types of its own. */
declare module "opentype.js" {
  interface Glyph {
    /** 0 for a character that the font lacks. */
    readonly index: number
    readonly advanceWidth?: number
  }
  interface Font {
    readonly unitsPerEm: number
    readonly charToGlyph: (character: string) => Glyph
  }
  const opentype: { readonly parse: (buffer: ArrayBuffer) => Font }
  export default opentype
}

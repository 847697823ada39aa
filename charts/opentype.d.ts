/** Types of opentype.js, as far as they are used; the package has none. */
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

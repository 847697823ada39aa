/**
 * The one font of charts and pictures: Inter, as TTF files from an npm package, so that text looks the same everywhere and
 * the same input gives the same bytes.
 *
 * Gotcha: Inter has Latin, Greek and Cyrillic. For a PNG with names in another script the machine's fonts step in, so that
 * its bytes depend on the machine; in SVG and HTML the browser's do.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"

export const family = "Inter"

export interface FontFiles {
  readonly regular: string
  readonly semiBold: string
}

/** Letters of a script that Inter does not have. */
const foreign = /[^\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Common}\p{Script=Inherited}]/u

/** resvg's font options for this SVG. Fonts must be TTF or OTF files: resvg reads no others, and says nothing of it. */
export const resvgFont = (files: FontFiles, svg: string) => ({
  fontFiles: [files.regular, files.semiBold],
  loadSystemFonts: foreign.test(svg),
  defaultFontFamily: family
})

/** Where the font files are. */
export const fontFiles = Effect.gen(function* () {
  const paths = yield* Path.Path
  const locate = (name: string): Effect.Effect<string> =>
    Effect.orDie(paths.fromFileUrl(new URL(import.meta.resolve(`@expo-google-fonts/inter/${name}/Inter_${name}.ttf`))))
  return { regular: yield* locate("400Regular"), semiBold: yield* locate("600SemiBold") } satisfies FontFiles
})

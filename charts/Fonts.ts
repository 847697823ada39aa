/**
 * The one font of charts and pictures: Inter, as TTF files from an npm package, so that text looks the same everywhere and
 * the same input gives the same bytes. The machine's own fonts are never used.
 *
 * Gotcha: Inter has Latin, Greek and Cyrillic. In a PNG a class name in another script stays blank; in SVG and HTML the
 * browser's fonts step in.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"

export const family = "Inter"

export interface FontFiles {
  readonly regular: string
  readonly semiBold: string
}

/** Where the font files are. */
export const fontFiles = Effect.gen(function* () {
  const paths = yield* Path.Path
  const locate = (name: string): Effect.Effect<string> =>
    Effect.orDie(paths.fromFileUrl(new URL(import.meta.resolve(`@expo-google-fonts/inter/${name}/Inter_${name}.ttf`))))
  return { regular: yield* locate("400Regular"), semiBold: yield* locate("600SemiBold") } satisfies FontFiles
})

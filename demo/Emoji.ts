/**
 * The demo data: open emoji art by six artists, as `<class>/<image>.png`, one class per subject.
 *
 * For users without images of their own. It needs only the npm registry and has the form of a user's folder, so that
 * the pipeline treats both alike. A file's name is the emoji's code point and the set (`1f600-noto.png`):
 * `split.groupBy=/([0-9a-f-]+)-[^/]*$` keeps all drawings of one emoji in one split.
 *
 * Gotchas:
 * - The set is drawn into a folder beside the target and renamed at the end, so that it is complete or absent.
 * - A complete set is recognised by the recipe in its README and its number of images, and kept. A folder with other
 *   files is never written to.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { emojiClasses, emojiSets } from "./EmojiClasses.ts"
import { DemoError, type LoadedEmoji, loadEmoji } from "./EmojiPackages.ts"
import { type Drawing, planEmoji } from "./EmojiPlan.ts"
import { defaultPerClass, imageSize, recipeOf, title, wholeSet } from "./EmojiSet.ts"

export interface WriteEmojiOptions {
  /** The folder to make. */
  readonly dir: string
  /** At most so many images of each class; 0: all. About 3,700 images by default. */
  readonly perClass?: number
  /** Folder for packages that are fetched. */
  readonly cacheDir: string
  /** Prints a line of progress. */
  readonly notify: (line: string) => void
}

export interface EmojiSetWritten {
  readonly dir: string
  readonly images: number
  readonly classes: number
  /** False: a complete set was there already. */
  readonly written: boolean
}

const readme = (drawings: ReadonlyArray<Drawing>, infos: LoadedEmoji["infos"], perClass: number): string => {
  const count = (test: (drawing: Drawing) => boolean): number => drawings.filter(test).length
  const sets = emojiSets.map((set) => {
    const info = infos[set.name]!
    const licence = `[${info.license.title}](${info.license.url})`
    const artist = `[${info.author.name}](${info.author.url})`
    const source = `\`${set.packageName}@${set.version}\``
    return `| ${info.name} | ${artist} | ${licence} | ${source} | ${count((d) => d.set === set.name)} |`
  })
  const classes = Object.keys(emojiClasses).map((name) => `| ${name} | ${count((d) => d.class === name)} |`)
  return [
    title,
    "",
    "Drawings of one and the same subjects by several artists, one folder a subject, made by `op-pipe data emoji`.",
    "A file is named after the emoji's code point and the set it is from. No drawing was changed but for its size and a white ground.",
    "",
    recipeOf(perClass),
    `Pictures: ${drawings.length}`,
    "",
    "| set | artist | licence | from | images |",
    "| --- | --- | --- | --- | ---: |",
    ...sets,
    "",
    "Images stay under their artists' licences. Those under CC BY and CC BY-SA ask for the artist's name;",
    "what is made from those under CC BY-SA is shared under the same licence.",
    "",
    "| class | images |",
    "| --- | ---: |",
    ...classes,
    ""
  ].join("\n")
}

const platform = (dir: string) => (cause: { readonly message: string }) =>
  new DemoError({
    reason: "The demo images cannot be written",
    expected: `a writable folder at ${dir} with about 60 MB of room`,
    actual: cause.message,
    toDo: "Name another folder"
  })

/** PNG, 8-bit RGB. sharp has its own librsvg, so that the bytes do not depend on the machine. */
const draw = (drawing: Drawing): Effect.Effect<Uint8Array, DemoError> =>
  Effect.tryPromise({
    try: async () => {
      const { default: sharp } = await import("sharp")
      return sharp(Buffer.from(drawing.svg), { limitInputPixels: imageSize * imageSize })
        .flatten({ background: "#ffffff" })
        .toColourspace("srgb")
        .png({ compressionLevel: 6, adaptiveFiltering: false, palette: false })
        .toBuffer()
    },
    catch: (cause) =>
      new DemoError({
        reason: `The demo image ${drawing.path} cannot be drawn`,
        expected: "an SVG that sharp can render",
        actual: String(cause),
        toDo: "Reinstall the packages: npm ci"
      })
  })

/**
 * The content of `dir`: nothing, a complete set of this recipe (with its number of images), or another or incomplete
 * demo set.
 */
const inspect = Effect.fnUntraced(function* (dir: string, perClass: number) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  if (!(yield* fs.exists(dir))) return { is: "absent" } as const
  if ((yield* fs.readDirectory(dir)).length === 0) return { is: "empty" } as const
  const text = yield* fs.readFileString(paths.join(dir, "README.md")).pipe(Effect.catch(() => Effect.succeed("")))
  if (!text.startsWith(title)) {
    return yield* new DemoError({
      reason: `${dir} holds other files than the demo set`,
      expected: "a new or empty folder, or one that holds the demo set",
      actual: "it has other files, which stay as they are",
      toDo: "Name another folder"
    })
  }
  const images = wholeSet(dir, perClass)
  return images === undefined ? ({ is: "stale" } as const) : ({ is: "whole", images } as const)
})

const drawAll = Effect.fnUntraced(function* (
  drawings: ReadonlyArray<Drawing>,
  dir: string,
  notify: (line: string) => void
) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  for (const name of Object.keys(emojiClasses)) yield* fs.makeDirectory(paths.join(dir, name), { recursive: true })
  let done = 0
  yield* Effect.forEach(
    drawings,
    Effect.fnUntraced(function* (drawing) {
      yield* fs.writeFile(paths.join(dir, ...drawing.path.split("/")), yield* draw(drawing))
      done += 1
      if (done % 1000 === 0) notify(`${done} of ${drawings.length} demo images drawn`)
    }),
    { concurrency: 8, discard: true }
  )
})

/** Makes the demo set at `dir`, unless it is there. */
export const writeEmoji = Effect.fnUntraced(function* (options: WriteEmojiOptions) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const dir = paths.resolve(options.dir)
  const perClass = options.perClass ?? defaultPerClass
  const classes = Object.keys(emojiClasses).length
  const found = yield* inspect(dir, perClass).pipe(
    Effect.catchTag("PlatformError", (e) => Effect.fail(platform(dir)(e)))
  )
  if (found.is === "whole") return { dir, images: found.images, classes, written: false } satisfies EmojiSetWritten
  const { sources, infos } = yield* loadEmoji(options.cacheDir, options.notify).pipe(
    Effect.catchTag("PlatformError", (cause) => Effect.fail(platform(dir)(cause)))
  )
  const drawings = planEmoji(sources, imageSize, perClass)
  options.notify(`Drawing ${drawings.length} demo images into ${dir}`)
  yield* Effect.gen(function* () {
    yield* fs.makeDirectory(paths.dirname(dir), { recursive: true })
    // beside the wanted folder, so that the rename stays on one file system
    const aside = yield* fs.makeTempDirectoryScoped({ directory: paths.dirname(dir), prefix: ".op-pipe-emoji-" })
    const whole = paths.join(aside, "set")
    yield* drawAll(drawings, whole, options.notify)
    yield* fs.writeFileString(paths.join(whole, "README.md"), readme(drawings, infos, perClass))
    if (found.is !== "absent") yield* fs.rename(dir, paths.join(aside, "before"))
    yield* fs.rename(whole, dir)
  }).pipe(
    Effect.scoped,
    Effect.catchTag("PlatformError", (cause) => Effect.fail(platform(dir)(cause)))
  )
  return { dir, images: drawings.length, classes, written: true } satisfies EmojiSetWritten
})

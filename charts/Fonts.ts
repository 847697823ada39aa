/**
 * The fonts of charts and images, as TTF files from npm packages, so that text looks the same everywhere and the same
 * input gives the same bytes: Inter for Latin, Greek and Cyrillic letters, and for others the installed ones of the
 * packages below. The machine's fonts are never used.
 *
 * The keys of the stages that draw depend on each package, installed or not: installing one reruns them. HTML pages use
 * the browser's fonts; the fonts here are for PNG images and for text widths.
 *
 * Gotcha: fonts must be TTF or OTF files. resvg ignores others without a message.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"

export const family = "Inter"

/** A font's URL; throws where its package is not installed. */
type Locate = () => string

const regular: Locate = () => import.meta.resolve("@expo-google-fonts/inter/400Regular/Inter_400Regular.ttf")
const semiBold: Locate = () => import.meta.resolve("@expo-google-fonts/inter/600SemiBold/Inter_600SemiBold.ttf")

/** For letters that Inter lacks, tried in this order. */
const others: ReadonlyArray<Locate> = [
  () => import.meta.resolve("@expo-google-fonts/biz-udpgothic/400Regular/BIZUDPGothic_400Regular.ttf"),
  () => import.meta.resolve("@expo-google-fonts/noto-sans-jp/400Regular/NotoSansJP_400Regular.ttf"),
  () => import.meta.resolve("@expo-google-fonts/noto-sans-sc/400Regular/NotoSansSC_400Regular.ttf"),
  () => import.meta.resolve("@expo-google-fonts/noto-sans-tc/400Regular/NotoSansTC_400Regular.ttf"),
  () => import.meta.resolve("@expo-google-fonts/noto-sans-kr/400Regular/NotoSansKR_400Regular.ttf"),
  () => import.meta.resolve("@expo-google-fonts/noto-sans-arabic/400Regular/NotoSansArabic_400Regular.ttf"),
  () => import.meta.resolve("@expo-google-fonts/noto-sans-devanagari/400Regular/NotoSansDevanagari_400Regular.ttf"),
  () => import.meta.resolve("@expo-google-fonts/noto-sans-thai/400Regular/NotoSansThai_400Regular.ttf")
]

/** The package to install for letters of a script; the first that matches. */
const packages: ReadonlyArray<readonly [script: RegExp, name: string]> = [
  [/[\p{Script=Hiragana}\p{Script=Katakana}]/u, "@expo-google-fonts/noto-sans-jp"],
  [/\p{Script=Hangul}/u, "@expo-google-fonts/noto-sans-kr"],
  [/\p{Script=Han}/u, "@expo-google-fonts/noto-sans-sc"],
  [/\p{Script=Arabic}/u, "@expo-google-fonts/noto-sans-arabic"],
  [/\p{Script=Devanagari}/u, "@expo-google-fonts/noto-sans-devanagari"],
  [/\p{Script=Thai}/u, "@expo-google-fonts/noto-sans-thai"]
]

/** Letters without a font, and a package that has one; null where none is known. */
export interface Missing {
  readonly letters: string
  readonly install: string | null
}

/** The weights that there are; other scripts have the regular one. */
export type Weight = "regular" | "semiBold"

export interface Fonts {
  /** Font files for resvg: Inter, and those that the texts need. */
  readonly files: ReadonlyArray<string>
  /** Width of a character, as a share of the font size. */
  readonly advance: (character: string, weight: Weight) => number
  /** Whether a width is a guess: no font that is installed has some of the letters. */
  readonly guesses: (text: string) => boolean
  readonly missing: Missing | undefined
}

/** Marks and spaces, which need no glyph. */
const shapeless = /[\p{Mark}\p{Separator}\p{Other}]/u
/** What takes no room where a font has no glyph for it. */
const roomless = /[\p{Mark}\p{Other}]/u
/** Scripts whose letters are as wide as they are high. */
const wide = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}]/u

interface Loaded {
  readonly file: string
  /** Undefined for a character that the font lacks. */
  readonly advance: (character: string) => number | undefined
  /** Width of the box that stands for such a character. */
  readonly box: number
}

const load = Effect.fnUntraced(function* (locate: Locate) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const url = yield* Effect.sync(() => {
    try {
      return locate()
    } catch {
      return undefined
    }
  })
  if (url === undefined) return undefined
  const file = yield* Effect.orDie(paths.fromFileUrl(new URL(url)))
  const bytes = yield* Effect.orDie(fs.readFile(file))
  const { default: opentype } = yield* Effect.promise(() => import("opentype.js"))
  const font = opentype.parse(Uint8Array.from(bytes).buffer)
  const loaded: Loaded = {
    file,
    advance: (character) => {
      const { index, advanceWidth } = font.charToGlyph(character)
      return index === 0 ? undefined : (advanceWidth ?? 0) / font.unitsPerEm
    },
    // no font has this one
    box: (font.charToGlyph("\u{10ffff}").advanceWidth ?? 0) / font.unitsPerEm
  }
  return loaded
})

const missingOf = (letters: ReadonlyArray<string>): Missing | undefined => {
  if (letters.length === 0) return undefined
  const said = letters.join("")
  const known = packages.find(([script]) => script.test(said))
  return { letters: letters.length > 12 ? `${letters.slice(0, 12).join("")}…` : said, install: known?.[1] ?? null }
}

/** The fonts for these texts. */
export const fontsFor = Effect.fnUntraced(function* (texts: ReadonlyArray<string>) {
  const inter = yield* load(regular)
  const bold = yield* load(semiBold)
  if (inter === undefined || bold === undefined) {
    return yield* Effect.die(new Error("the package @expo-google-fonts/inter is not installed; run npm install"))
  }
  const loaded: Array<Loaded> = [inter]
  const lacks = (character: string): boolean => loaded.every(({ advance }) => advance(character) === undefined)
  let missing = [...new Set(texts.join(""))].filter((each) => !shapeless.test(each) && lacks(each))
  for (const locate of others) {
    if (missing.length === 0) break
    const font = yield* load(locate)
    if (font === undefined || missing.every((each) => font.advance(each) === undefined)) continue
    loaded.push(font)
    missing = missing.filter(lacks)
  }
  const widths = { regular: new Map<string, number>(), semiBold: new Map<string, number>() }
  const measure = (character: string, weight: Weight): number => {
    for (const { advance } of weight === "semiBold" ? [bold, ...loaded] : loaded) {
      const width = advance(character)
      if (width !== undefined) return width
    }
    if (roomless.test(character)) return 0
    // a reader's browser has fonts; an image has a box instead
    return wide.test(character) ? 1 : inter.box
  }
  const fonts: Fonts = {
    files: [inter.file, bold.file, ...loaded.slice(1).map(({ file }) => file)],
    advance: (character, weight) => {
      const width = widths[weight].get(character) ?? measure(character, weight)
      widths[weight].set(character, width)
      return width
    },
    guesses: (text) => [...text].some((each) => !shapeless.test(each) && lacks(each)),
    missing: missingOf(missing)
  }
  return fonts
})

/** resvg's font options. */
export const resvgFont = ({ files }: Fonts) => ({
  fontFiles: [...files],
  loadSystemFonts: false,
  defaultFontFamily: family
})

/** Width of a text in units at a font size. */
export const textWidth = ({ advance }: Fonts, text: string, fontSize: number, weight: Weight = "regular"): number => {
  let sum = 0
  for (const character of text) sum += advance(character, weight)
  return sum * fontSize
}

/** As much of a text as there is room for, in units, at a font size. */
export const shortened = (fonts: Fonts, text: string, room: number, fontSize: number): string => {
  if (textWidth(fonts, text, fontSize) <= room) return text
  const letters = [...text]
  while (letters.length > 1 && textWidth(fonts, `${letters.join("").trimEnd()}…`, fontSize) > room) letters.pop()
  return `${letters.join("").trimEnd()}…`
}

/** A sentence on letters without a font. */
export const explain = ({ letters, install }: Missing): string =>
  `No font that is installed has ${letters}; PNG images show boxes instead.${install === null ? "" : ` npm install ${install} brings one.`}`

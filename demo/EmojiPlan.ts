/**
 * The images of the demo set: for every emoji of a class, its drawing in every set that has one.
 *
 * Skin-tone variants are left out: `emojibase-data` lists them apart from the emoji. A class with more drawings than
 * the limit keeps whole emoji, chosen by a hash of the emoji's name, so that the choice does not depend on the order of
 * any list.
 */
import * as Schema from "effect/Schema"
import { emojiClasses, emojiSets } from "./EmojiClasses.ts"

const Icon = Schema.Struct({
  body: Schema.String,
  width: Schema.optionalKey(Schema.Finite),
  height: Schema.optionalKey(Schema.Finite)
})
type Icon = typeof Icon.Type

/** An Iconify set, as far as it is used here. */
export const IconSet = Schema.Struct({
  icons: Schema.Record(Schema.String, Icon),
  aliases: Schema.optionalKey(
    Schema.Record(Schema.String, Schema.Struct({ parent: Schema.String, hFlip: Schema.optionalKey(Schema.Boolean) }))
  ),
  width: Schema.Finite,
  height: Schema.Finite
})
export type IconSet = typeof IconSet.Type

/** Code point sequence (lower case, hyphens, no U+FE0F) -> icon name. */
export const CodePoints = Schema.Record(Schema.String, Schema.String)
export type CodePoints = typeof CodePoints.Type

export const Emoji = Schema.Struct({
  hexcode: Schema.String,
  label: Schema.String,
  subgroup: Schema.optionalKey(Schema.Int)
})
export type Emoji = typeof Emoji.Type

/** What the packages hold. */
export interface EmojiSources {
  readonly emoji: ReadonlyArray<Emoji>
  /** Subgroup number -> its name. */
  readonly subgroups: Readonly<Record<string, string>>
  /** By the set's name; `codePoints` is empty for a set that is matched by name only. */
  readonly sets: Readonly<Record<string, { readonly icons: IconSet; readonly codePoints: CodePoints }>>
}

/** One image to draw. `path` is `<class>/<code point>-<set>.png`. */
export interface Drawing {
  readonly path: string
  readonly class: string
  readonly set: string
  readonly svg: string
}

const codePointOf = (emoji: Emoji): string =>
  emoji.hexcode
    .toLowerCase()
    .split("-")
    .filter((part) => part !== "fe0f")
    .join("-")

/** "Man’s shoe" -> "mans-shoe": how Iconify names an emoji. */
const slug = (label: string): string =>
  label
    .toLowerCase()
    .normalize("NFD")
    .replace(/[\u0300-\u036f’'“”:.!,()]/gu, "")
    .replace(/&/gu, "and")
    .replace(/[^a-z0-9]+/gu, "-")
    .replace(/^-|-$/gu, "")

interface Found {
  readonly name: string
  readonly icon: Icon
}

const lookUp = (set: IconSet, name: string): Found | undefined => {
  let at = name
  for (let depth = 0; depth < 5; depth++) {
    const icon = set.icons[at]
    if (icon !== undefined) return { name: at, icon }
    const alias = set.aliases?.[at]
    // a mirrored alias is another emoji's drawing, not one of its own
    if (alias === undefined || alias.hFlip === true) return undefined
    at = alias.parent
  }
  return undefined
}

const svgOf = (set: IconSet, icon: Icon, size: number): string => {
  const width = icon.width ?? set.width
  const height = icon.height ?? set.height
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="0 0 ${width} ${height}">` +
    `<rect width="${width}" height="${height}" fill="#fff"/>${icon.body}</svg>`
  )
}

/** Emoji that matching by name would mistake for another: a set's "cricket" is the game, not the insect. */
const namesMisread = new Set(["1f997"])

/**
 * Every drawing of one emoji, at most one per set. `used` holds the icons that another emoji of the class has taken.
 */
const drawingsOf = (
  sources: EmojiSources,
  className: string,
  emoji: Emoji,
  size: number,
  used: Set<string>
): ReadonlyArray<Drawing> => {
  const code = codePointOf(emoji)
  const byCode = emojiSets.flatMap((set) => sources.sets[set.name]?.codePoints[code] ?? [])
  const names = [...new Set([...byCode, slug(emoji.label)])]
  return emojiSets.flatMap((set): ReadonlyArray<Drawing> => {
    const source = sources.sets[set.name]
    if (source === undefined) return []
    const own = source.codePoints[code]
    if (own === undefined && namesMisread.has(code)) return []
    for (const name of own === undefined ? names : [own, ...names]) {
      const found = lookUp(source.icons, name)
      if (found === undefined) continue
      const key = `${set.name}/${found.name}`
      if (used.has(key)) return []
      used.add(key)
      const svg = svgOf(source.icons, found.icon, size)
      return [{ path: `${className}/${code}-${set.name}.png`, class: className, set: set.name, svg }]
    }
    return []
  })
}

/** FNV-1a, 32 bits, of the UTF-16 code units: an order that is independent of the alphabet. */
const hash = (text: string): number => {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0
  return h
}

/** Complete emoji, in the order of their hashes, up to `limit` drawings in the class (0: no limit). */
const within = (groups: ReadonlyArray<ReadonlyArray<Drawing>>, limit: number): ReadonlyArray<Drawing> => {
  if (limit === 0) return groups.flat()
  const keyed = groups
    .filter((group) => group.length > 0)
    .map((group) => ({ group, key: hash(group[0]!.path) }))
    .sort((a, b) => a.key - b.key)
  const taken: Array<Drawing> = []
  for (const { group } of keyed) if (taken.length + group.length <= limit) taken.push(...group)
  return taken
}

/** All drawings of the set, by path. `size` in pixels; `perClass` 0 takes all. */
export const planEmoji = (sources: EmojiSources, size: number, perClass: number): ReadonlyArray<Drawing> => {
  const drawings = Object.entries(emojiClasses).flatMap(([className, subgroups]) => {
    const used = new Set<string>()
    const wanted = new Set(subgroups)
    const groups = sources.emoji
      .filter((emoji) => emoji.subgroup !== undefined && wanted.has(sources.subgroups[emoji.subgroup] ?? ""))
      .map((emoji) => drawingsOf(sources, className, emoji, size, used))
    return within(groups, perClass)
  })
  return [...drawings].sort((a, b) => (a.path < b.path ? -1 : 1))
}

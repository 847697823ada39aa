/**
 * The parts of the demo set: six sets of open emoji art, and eighteen classes by subject.
 *
 * A class is one or more subgroups of `emojibase-data` (the subgroups of Unicode's emoji list). The versions are
 * pinned: other versions are other images.
 */

/** One artist's drawings. */
export interface EmojiSet {
  /** Name of the set; the second half of an image's file name. */
  readonly name: string
  readonly packageName: string
  readonly version: string
}

const iconify = (name: string, version: string): EmojiSet => ({ name, packageName: `@iconify-json/${name}`, version })

export const emojiSets: ReadonlyArray<EmojiSet> = [
  iconify("noto", "1.2.9"),
  iconify("noto-v1", "1.2.5"),
  iconify("twemoji", "1.2.5"),
  iconify("openmoji", "1.2.29"),
  iconify("fluent-emoji-flat", "1.2.6"),
  iconify("emojione", "1.2.3")
]

/** Names, code points and subgroups of all emoji. */
export const emojiNames = { packageName: "emojibase-data", version: "17.0.0" } as const

/** Class -> the subgroups that it is made of. */
export const emojiClasses: Readonly<Record<string, ReadonlyArray<string>>> = {
  birds: ["animal-bird"],
  buildings: ["place-building", "place-religious"],
  clocks: ["time"],
  clothing: ["clothing"],
  dishes: ["food-prepared", "food-asian", "food-sweet"],
  drinks: ["drink", "dishware"],
  faces: [
    "face-smiling",
    "face-affection",
    "face-tongue",
    "face-hand",
    "face-neutral-skeptical",
    "face-sleepy",
    "face-unwell",
    "face-hat",
    "face-glasses",
    "face-concerned",
    "face-negative"
  ],
  "fruit-and-vegetables": ["food-fruit", "food-vegetable"],
  hands: [
    "hand-fingers-open",
    "hand-fingers-partial",
    "hand-single-finger",
    "hand-fingers-closed",
    "hands",
    "hand-prop"
  ],
  "insects-and-reptiles": ["animal-bug", "animal-reptile", "animal-amphibian"],
  mammals: ["animal-mammal"],
  "people-at-work": ["person-role"],
  plants: ["plant-flower", "plant-other"],
  "road-vehicles": ["transport-ground"],
  "sea-animals": ["animal-marine"],
  "sky-and-weather": ["sky-weather"],
  sport: ["sport"],
  tools: ["tool", "science", "medical"]
}

/** For `split.groupBy`: all drawings of one emoji belong together. Matches the files of this set and hardly any other. */
export const emojiGroupBy = `/([0-9a-f-]+)-(?:${emojiSets.map((set) => set.name).join("|")})\\.png$`

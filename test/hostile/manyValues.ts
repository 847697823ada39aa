/** What the stages of random pipelines of many give. */
import * as Schema from "effect/Schema"

export const Item = Schema.Struct({ name: Schema.String, word: Schema.String })
export type Item = typeof Item.Type

interface Params {
  readonly mark: string
  readonly name: string
}

const inOrder = (a: string, b: string): number => (a < b ? -1 : 1)

/** The words of all texts, each once, under its first four letters; the last of one name counts. */
export const spread = (texts: Readonly<Record<string, string>>): ReadonlyArray<Item> => {
  const words = Object.keys(texts)
    .sort(inOrder)
    .flatMap((name) => texts[name]!.split(/\s+/).filter((word) => word !== ""))
  const named = new Map(words.map((word) => [word.slice(0, 4), word]))
  return Array.from(named, ([name, word]) => ({ name, word })).sort((a, b) => inOrder(a.name, b.name))
}

/** Undefined where the stage fails. What it gives forgets some of the word, so that early cutoff has something to do. */
export const turn = ({ mark, name }: Params, word: string): string | undefined =>
  word.includes("bad") ? undefined : `${mark}${name}${word.trim().slice(0, 5)}`

export const gather = ({ mark }: Params, words: ReadonlyArray<readonly [name: string, word: string]>): string =>
  `${mark}${words.map((each) => each.join("=")).join("\n")}`

/** What compiles of many and what does not, and what is refused when a pipeline is loaded. */
import { describe, expect, it } from "vitest"
import { Artifact, Pipeline, Stage } from "../../../../core/index.ts"
import { entryProblem } from "../../../../core/pipeline/many/Each.ts"
import { cut, join, Length, pair, shout, Texts, turn, Word } from "../../../fixtures/many/stages.ts"

const texts = Pipeline.source({ name: "texts", artifact: Texts })
const words = Pipeline.step(cut, { inputs: { texts: texts.port } })
const each = Pipeline.entries(words.out.words, Word, { match: "*.txt" })
const turned = Pipeline.each(turn, { over: { word: each } })

describe("wiring", () => {
  it("takes many where many are taken, and one where one is", () => {
    expect(Pipeline.step(join, { inputs: { words: turned.out.word } }).id).toBe("join")
    // @ts-expect-error one port is not many
    expect(() => Pipeline.step(join, { inputs: { words: words.out.words } })).toThrow("but found one")
    // @ts-expect-error entries of a folder are no outputs of steps: wire the folder
    expect(() => Pipeline.step(join, { inputs: { words: each } })).toThrow("Wire the folder")
    // @ts-expect-error many are not one
    expect(() => Pipeline.step(shout, { inputs: { word: turned.out.word } })).toThrow("but found many")
    // @ts-expect-error an input that the stage does not have
    expect(() => Pipeline.each(turn, { over: { text: each } })).toThrow("expected input word")
    const others = Pipeline.entries(words.out.words, Length)
    // @ts-expect-error entries of another artifact
    expect(() => Pipeline.each(turn, { over: { word: others } })).toThrow("but found json Length/v1")
    // @ts-expect-error a port is not entries
    expect(() => Pipeline.each(turn, { over: { word: words.out.words } })).toThrow("but found one")
    // @ts-expect-error the other input is missing
    expect(() => Pipeline.each(pair, { over: { a: each } })).toThrow("expected input b")
    // @ts-expect-error no parameter of that name
    Pipeline.each(turn, { over: { word: each }, nameTo: "nam" })
    // @ts-expect-error a command's text is no parameter of its own
    Pipeline.each(shout, { over: { word: each }, nameTo: "command" })
    // @ts-expect-error the items are of another type
    Pipeline.items(words.out.lengths, Word)
    // @ts-expect-error a document is no list
    Pipeline.items(Pipeline.each(turn, { over: { word: each } }).out.word, Length)
    // @ts-expect-error a file is no folder
    Pipeline.entries(words.out.lengths, Word)
    expect(Pipeline.each(pair, { over: { a: each, b: turned.out.word }, how: "product" }).id).toBe("pair")
  })

  it("refuses what cannot work", () => {
    expect(() => Pipeline.entries(words.out.words, Word, { match: "a.txt" })).toThrow("a path with one * or one **")
    expect(() => Pipeline.entries(words.out.words, Word, { match: "../*" })).toThrow("a path with one * or one **")
    expect(() => Pipeline.entries(words.out.words, Word, { match: "*/*" })).toThrow("a path with one * or one **")
    expect(() => Pipeline.gather({})).toThrow("expected at least one port")
    const Plain = Artifact.text({ tag: "Word/v1", path: "word.txt" })
    const source = Pipeline.source({ name: "plain", artifact: Plain })
    expect(() => Pipeline.gather({ a: source.port })).toThrow(
      "expected outputs of steps, but found a, the source plain"
    )
    const odd = Stage.command({ name: "od[d]", command: "true", inputs: {}, output: { word: Word } })
    expect(() => Pipeline.step(odd, { inputs: {} })).toThrow("mean something on the command line")
  })

  it("names that folders cannot have are none of a branch's", () => {
    expect(["", "/a", "a//b", "..", "a/../b", ".hidden", "a\nb", "x".repeat(300)].map(entryProblem)).not.toContain(
      undefined
    )
    expect(["a", "a/b", "a b", "ä", "日本", "a=b[c]"].map(entryProblem)).toEqual(Array(6).fill(undefined))
  })
})

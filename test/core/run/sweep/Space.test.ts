/** The settings of a sweep: the grammar of values, combinations, draws. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import * as Artifact from "../../../../core/pipeline/Artifact.ts"
import * as Pipeline from "../../../../core/pipeline/Pipeline.ts"
import * as Stage from "../../../../core/pipeline/Stage.ts"
import * as Space from "../../../../core/run/sweep/Space.ts"

const Line = Artifact.file({ tag: "Line/v1", path: "line.txt" })
const train = Stage.command({
  name: "train",
  params: Schema.Struct({ rate: Schema.Finite, width: Schema.Int, note: Schema.String }),
  command: "true",
  inputs: {},
  output: { line: Line }
})
const pipeline = Pipeline.make({ name: "p", steps: [Pipeline.step(train, { variant: "lr=0.1", inputs: {} })] })

const settings = (set: ReadonlyArray<string>, more: Partial<Space.Asked> = {}) =>
  Effect.runPromise(Space.settingsOf(pipeline, { set, seed: 0, ...more }))

describe("values", () => {
  it.each([
    ["1,2", ["1", "2"]],
    ["", [""]],
    ["a", ["a"]],
    ["[1,2],[3]", ["[1,2]", "[3]"]],
    ['{"a":[1,2]},{}', ['{"a":[1,2]}', "{}"]],
    ['"a, b",c', ['"a, b"', "c"]],
    ['"a \\" , b",c', ['"a \\" , b"', "c"]],
    // brackets and quotes within a text are its own
    ["5\",it's,f(x)]", ['5"', "it's", "f(x)]"]],
    ['["]",1],2', ['["]",1]', "2"]]
  ])("%s", (text, values) => {
    expect(Space.cutValues(text)).toEqual(values)
  })

  it.each(["[1", '"a', '{"a":"}', '[1,"2]'])("%s does not end", (text) => {
    expect(Space.cutValues(text)).toBeUndefined()
  })
})

describe("combinations", () => {
  it("are all of them, each once, of stages and of steps with dots in their names", async () => {
    expect(await settings(["train.rate=1,2,1", "train@lr=0.1.width=3,4"])).toEqual([
      ["train.rate=1", "train@lr=0.1.width=3"],
      ["train.rate=1", "train@lr=0.1.width=4"],
      ["train.rate=2", "train@lr=0.1.width=3"],
      ["train.rate=2", "train@lr=0.1.width=4"]
    ])
  })

  it("are refused where there are too many", async () => {
    const many = `train.rate=${Array.from({ length: 200 }, (_, at) => at).join()}`
    await expect(settings([many, many.replace("rate", "width")])).rejects.toThrow(
      "at most 10000 combinations, but found 40000"
    )
  })
})

describe("draws", () => {
  const asked = ["train.rate=0.001..0.1:log", "train.width=8..10", "train.note=a,b", "train@lr=0.1.rate=0.5"]
  const valuesOf = (drawn: ReadonlyArray<Space.Setting>, name: string): ReadonlyArray<string> =>
    drawn.map((setting) => setting.find((each) => each.startsWith(`${name}=`))!.slice(name.length + 1))

  it("lie in their ranges, whole where these are", async () => {
    const drawn = await settings(asked, { random: 300 })
    expect(drawn).toHaveLength(300)
    const rates = valuesOf(drawn, "train.rate").map(Number)
    expect(Math.min(...rates)).toBeGreaterThanOrEqual(0.001)
    expect(Math.max(...rates)).toBeLessThan(0.1)
    // half of them below the middle of the logarithms
    const low = rates.filter((rate) => rate < 0.01).length
    expect(low).toBeGreaterThan(110)
    expect(low).toBeLessThan(190)
    expect(new Set(valuesOf(drawn, "train.width"))).toEqual(new Set(["8", "9", "10"]))
    expect(new Set(valuesOf(drawn, "train.note"))).toEqual(new Set(["a", "b"]))
    expect(new Set(valuesOf(drawn, "train@lr=0.1.rate"))).toEqual(new Set(["0.5"]))
  })

  it("depend on the seed alone: more of them begin with the same", async () => {
    const few = await settings(asked, { random: 5 })
    expect((await settings(asked, { random: 9 })).slice(0, 5)).toEqual(few)
    expect(await settings(asked, { random: 5, seed: 1 })).not.toEqual(few)
  })

  it("are as many as there are different ones", async () => {
    expect(await settings(["train.width=1..3", "train.note=a,b"], { random: 50 })).toHaveLength(6)
  })
})

describe("comma-separated values", () => {
  it("have quotes, empty cells, any line ends and a byte-order mark", () => {
    expect(Space.rowsOfCsv('\ufeffa,b\r\n"1, ""x""",\n\n"2\n3",4')).toEqual([
      ["a", "b"],
      ['1, "x"', ""],
      ["2\n3", "4"]
    ])
    expect(Space.rowsOfCsv('a\n"b')).toBeUndefined()
  })

  it("have as many cells in each row", async () => {
    await expect(settings([], { from: { name: "a.csv", text: "train.rate\n1,2\n" } })).rejects.toThrow(
      "--from a.csv, row 2: expected 1 cells, as in the first row, but found 2"
    )
  })
})

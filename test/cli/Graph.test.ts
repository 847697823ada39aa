import { stripVTControlCharacters } from "node:util"
import { expect, it } from "vitest"
import { widthOf } from "../../cli/Console.ts"
import * as Graph from "../../cli/Graph.ts"
import { Artifact, Pipeline, Stage } from "../../core/index.ts"

const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })

const alone = (name: string) =>
  Pipeline.step(Stage.command({ name, command: 'echo > "$text"', inputs: {}, output: { text: Text } }), { inputs: {} })

const reading = (name: string, step: ReturnType<typeof alone>) =>
  Pipeline.step(
    Stage.command({ name, command: 'cat "$read" > "$text"', inputs: { read: Text }, output: { text: Text } }),
    { inputs: { read: step.out.text } }
  )

const first = alone("größe-日本語")
const second = reading("plain", first)
const pipeline = Pipeline.make({
  name: "languages",
  steps: [
    first,
    second,
    reading("東京", second),
    reading("京都", second),
    reading("end", second),
    reading('a"b', second)
  ]
})

it("puts what steps read below each other, whatever letters their names have", () => {
  const drawn = Graph.toText(
    pipeline,
    () => "●",
    () => ""
  ).filter((line) => line.includes("←"))
  expect(drawn).toHaveLength(5)
  expect(new Set(drawn.map((line) => widthOf(line.slice(0, line.indexOf("←"))))).size).toBe(1)
})

it("breaks long lists between names, and goes on with the rails", () => {
  const roots = Array.from({ length: 9 }, (_, at) => alone(`source-of-numbers-${at}`))
  const inputs = Object.fromEntries(roots.map((_, at) => [`read${at}`, Text]))
  const all = Stage.command({ name: "all", command: "true", inputs, output: { text: Text } })
  const wired = Object.fromEntries(roots.map((root, at) => [`read${at}`, root.out.text]))
  const gathered = Pipeline.step(all, { inputs: wired })
  const last = reading("last", roots[0]!)
  const drawn = Graph.toText(
    Pipeline.make({ name: "wide", steps: [gathered, last, reading("end", gathered)] }),
    () => "●",
    () => "\u001b[32mfresh\u001b[0m  ",
    80
  ).map((line) => stripVTControlCharacters(line))
  const names = Array.from({ length: 9 }, (_, at) => `source-of-numbers-${at}`)
  expect(drawn.join(" ")).toContain("← source-of-numbers-0,")
  for (const name of names) expect(drawn.filter((line) => line.trimEnd().match(`${name},?( |$)`))).not.toEqual([])
  expect(Math.max(...drawn.map(widthOf))).toBeLessThanOrEqual(80)
  const from = drawn.findIndex((line) => line.includes("← source-of-numbers-0,"))
  expect(drawn.slice(from, from + 4).map((line) => line.slice(0, 4))).toEqual(["│ ●─", "│ │ ", "│ │ ", "│ │ "])
})

it("gives each step a node of its own in mermaid, and a name that can be read", () => {
  const [head, ...lines] = Graph.toMermaid(pipeline).split("\n")
  expect(head).toBe("flowchart LR")
  const nodes = lines.flatMap((line) => {
    const [, id, label] = /^ {2}(\w+)\["([^"]*)"\]$/u.exec(line) ?? []
    return id === undefined ? [] : [[id, label] as const]
  })
  expect(new Map(nodes).size).toBe(6)
  expect(nodes.map(([, label]) => label).sort()).toEqual(
    ["größe-日本語", "plain", "東京", "京都", "end", "a#quot;b"].sort()
  )
  expect(new Map(nodes).has("end")).toBe(false)
  expect(lines.filter((line) => line.includes("-->"))).toHaveLength(5)
})

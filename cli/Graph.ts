/**
 * Graph: drawings of a pipeline: rails for a terminal, and text for Mermaid and Graphviz.
 *
 * The rails are those of `git log --graph`: one row a step, upstream first, a column for each result that is still
 * waited for.
 */
import { stripVTControlCharacters } from "node:util"
import type { Pipeline } from "../core/pipeline/Pipeline.ts"
import { type AnyStep, displayName, origins } from "../core/pipeline/Step.ts"
import { padEnd, widthOf } from "./Console.ts"

export interface Node {
  readonly id: string
  readonly kind: "source" | "step"
  /** Ids of what it reads from, each once. */
  readonly needs: ReadonlyArray<string>
}

const needsOf = (step: AnyStep): ReadonlyArray<string> =>
  Array.from(new Set(origins(step).map((owner) => (owner._tag === "Source" ? owner.name : owner.id))))

/** Sources, then steps upstream first. */
export const nodesOf = (pipeline: Pipeline): ReadonlyArray<Node> => [
  ...pipeline.sources.map((source) => ({ id: source.name, kind: "source" as const, needs: [] })),
  ...pipeline.steps.map((step) => ({ id: step.id, kind: "step" as const, needs: needsOf(step) }))
]

/** Leaves out what is reached by a longer way too: `a -> c` where `a -> b -> c`. */
export const reduce = (nodes: ReadonlyArray<Node>): ReadonlyArray<Node> => {
  const reach = new Map<string, Set<string>>()
  for (const node of nodes) {
    const below = new Set<string>()
    for (const need of node.needs) for (const each of reach.get(need) ?? []) below.add(each)
    reach.set(node.id, new Set([...node.needs, ...below]))
  }
  return nodes.map((node) => ({
    ...node,
    needs: node.needs.filter((need) => !node.needs.some((other) => other !== need && reach.get(other)?.has(need)))
  }))
}

/** `ended` marks a rail that ends in the node at column `at`; it is led there along the row. */
const ended = Symbol("ended")

const drawRow = (rails: ReadonlyArray<string | typeof ended | undefined>, at: number, mark: string): string => {
  const last = rails.lastIndexOf(ended)
  const led = (index: number): boolean => index >= at && index < last
  return rails
    .map((rail, index) => {
      const sign = index === at ? mark : rail === ended ? (index === last ? "┘" : "┴") : rail === undefined ? " " : "│"
      const crossed = index > at && led(index) ? (sign === " " ? "─" : sign === "│" ? "┼" : sign) : sign
      return crossed + (led(index) ? "─" : " ")
    })
    .join("")
    .trimEnd()
}

/** What a node reads, in lines of so many columns: a name is in one line, however long it is. */
const listed = (names: ReadonlyArray<string>, columns: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const [at, name] of names.entries()) {
    const word = at === names.length - 1 ? name : `${name},`
    const line = lines.at(-1)
    if (line === undefined) lines.push(`← ${word}`)
    else if (widthOf(line) + 1 + widthOf(word) <= columns) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(`  ${word}`)
  }
  return lines
}

/** A node in a line: rails, mark, name, and what it reads, in more lines if it is long. `markOf` gives a single-width character. */
export const toText = (
  pipeline: Pipeline,
  markOf: (node: Node) => string,
  noteOf: (node: Node) => string,
  columns = Number.POSITIVE_INFINITY
): ReadonlyArray<string> => {
  const nodes = reduce(nodesOf(pipeline))
  const full = new Map(nodesOf(pipeline).map((node) => [node.id, node.needs]))
  const uses = new Map<string, number>()
  for (const node of nodes) for (const need of node.needs) uses.set(need, (uses.get(need) ?? 0) + 1)
  const rails: Array<string | undefined> = []
  const lines: Array<readonly [text: string, below: string, node: Node]> = []
  for (const node of nodes) {
    const incoming = rails.flatMap((rail, index) => (rail !== undefined && node.needs.includes(rail) ? [index] : []))
    for (const need of node.needs) uses.set(need, (uses.get(need) ?? 1) - 1)
    // A rail ends here once nobody else waits for its result; the node takes the first that ends, else a free column.
    const ending = incoming.filter((index) => uses.get(rails[index]!) === 0)
    const free = rails.indexOf(undefined)
    const at = ending[0] ?? (free === -1 ? rails.length : free)
    for (const index of ending) rails[index] = undefined
    rails[at] = node.id
    const drawn = rails.map((rail, index) => (index !== at && ending.includes(index) ? ended : rail))
    const text = drawRow(drawn, at, markOf(node))
    if ((uses.get(node.id) ?? 0) === 0) rails[at] = undefined
    lines.push([text, rails.map((rail) => (rail === undefined ? "  " : "│ ")).join(""), node])
    while (rails.length > 0 && rails.at(-1) === undefined) rails.pop()
  }
  const width = Math.max(...lines.map(([text]) => text.length))
  const nameWidth = Math.max(...nodes.map((node) => widthOf(displayName(node.id))))
  return lines.flatMap(([text, below, node]) => {
    const note = noteOf(node)
    const left = width + 2 + nameWidth + 2 + widthOf(stripVTControlCharacters(note))
    const [reads = "", ...others] = listed((full.get(node.id) ?? []).map(displayName), columns - left)
    return [
      `${text.padEnd(width)}  ${padEnd(displayName(node.id), nameWidth)}  ${note}${reads}`.trimEnd(),
      ...others.map((line) => `${below.padEnd(left)}${line}`)
    ]
  })
}

const quote = (text: string): string => JSON.stringify(text)

export const toDot = (
  pipeline: Pipeline,
  colorOf: (node: Node) => string,
  widthOf?: (text: string) => number
): string => {
  const nodes = nodesOf(pipeline)
  const lines = nodes.flatMap((node) => {
    const label = displayName(node.id)
    const size =
      widthOf === undefined ? "" : `, width=${(widthOf(label) / 72 + 0.35).toFixed(3)}, height=0.42, fixedsize=true`
    const shape = node.kind === "source" ? "folder" : "box"
    return [
      `  ${quote(node.id)} [label=${quote(label)}, shape=${shape}, fillcolor=${quote(colorOf(node))}${size}]`,
      ...node.needs.map((need) => `  ${quote(need)} -> ${quote(node.id)}`)
    ]
  })
  return [
    `digraph ${quote(pipeline.name)} {`,
    `  rankdir=LR; nodesep=0.25; ranksep=0.45; bgcolor="transparent"`,
    `  node [style="rounded,filled", fontname="Inter, sans-serif", fontsize=12, color="#57606a", fontcolor="#1f2328"]`,
    `  edge [color="#8c959f", arrowsize=0.7]`,
    ...lines,
    "}"
  ].join("\n")
}

/** Ids are numbers: of names, two could become one where mermaid takes no other letters, and `end` is a word of its own. */
export const toMermaid = (pipeline: Pipeline): string => {
  const nodes = nodesOf(pipeline)
  const ids = new Map(nodes.map(({ id }, at) => [id, `n${at}`]))
  return [
    "flowchart LR",
    ...nodes.flatMap(({ id, kind, needs }) => {
      const label = `"${displayName(id).replaceAll('"', "#quot;")}"`
      const shape = kind === "source" ? `[(${label})]` : `[${label}]`
      return [`  ${ids.get(id)}${shape}`, ...needs.map((need) => `  ${ids.get(need)} --> ${ids.get(id)}`)]
    })
  ].join("\n")
}
